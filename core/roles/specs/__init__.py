"""The specs of the roles: what every component of a kind shares in JSON. Light: no torch.

A component's own spec subclasses one of these and adds its ``type`` and its fields. What each role *does* is the base
class of the same name in ``dataset.py``, ``captioner.py``, ``encoder.py``, ``graph.py``, ``adapter.py``, ``head.py``,
``task.py``, ``regularizer.py``, ``reporter.py``.
"""

from __future__ import annotations

from .adapter import AdapterSpec
from .captioner import CaptionerSpec
from .component import ComponentSpec, Json
from .dataset import DatasetSpec, Sampling
from .encoder import EncoderSpec, OnHand, TowerShape, blocks_in_words, one_or_each
from .graph import GraphSpec, NodeKind
from .head import HeadSpec
from .reporter import ReporterSpec
from .task import Blend, BlendOf, BlendSpec, PairTaskSpec, TaskSpec
from .training import OptimizerSpec, RegularizerSpec

__all__ = [
    "AdapterSpec",
    "Blend",
    "BlendOf",
    "BlendSpec",
    "CaptionerSpec",
    "ComponentSpec",
    "DatasetSpec",
    "EncoderSpec",
    "GraphSpec",
    "HeadSpec",
    "Json",
    "NodeKind",
    "OnHand",
    "OptimizerSpec",
    "PairTaskSpec",
    "RegularizerSpec",
    "ReporterSpec",
    "Sampling",
    "TaskSpec",
    "TowerShape",
    "blocks_in_words",
    "one_or_each",
]
