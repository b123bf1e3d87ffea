"""What a component promises: the spec and the base class of each kind, and the check of what it gives.

Specs are imported at once and need no torch; a base class is imported when it is first named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..data.found_files import FoundFiles, Reading
from .specs import (
    AdapterSpec,
    BlendSpec,
    CaptionerSpec,
    ComponentSpec,
    DatasetSpec,
    EncoderSpec,
    GraphSpec,
    HeadSpec,
    NodeKind,
    OnHand,
    OptimizerSpec,
    PairTaskSpec,
    RegularizerSpec,
    ReporterSpec,
    Sampling,
    TaskSpec,
    TowerShape,
    one_or_each,
)
from .tower_specs import BudgetSpec, ExpertSpec, LayerAdapterSpec, Meeting, TowerAdapterSpec

if TYPE_CHECKING:
    from .adapter import Adapter
    from .captioner import Captioner, CaptionerError, PictureKey, WrittenCaptions
    from .contract import ContractError
    from .dataset import Dataset
    from .encoder import Encoder, EncoderError, EncoderFacts
    from .expert import Expert, columns_of, masked_mean
    from .graph import GraphBuilder, GraphError
    from .head import ClassPrompts, Head
    from .layer_adapter import LayerAdapter, Masks, Updates, parameter_name
    from .regularizer import Regularizer, Step, TrainingView
    from .reporter import Reporter
    from .task import PairTask, Task
    from .tower_adapter import TowerAdapter

#: Module to the names that are imported from it on first use (PEP 562).
_LAZY = {
    "adapter": ("Adapter",),
    "captioner": ("Captioner", "CaptionerError", "PictureKey", "WrittenCaptions"),
    "contract": ("ContractError",),
    "dataset": ("Dataset",),
    "encoder": ("Encoder", "EncoderError", "EncoderFacts"),
    "expert": ("Expert", "columns_of", "masked_mean"),
    "graph": ("GraphBuilder", "GraphError"),
    "head": ("ClassPrompts", "Head"),
    "layer_adapter": ("LayerAdapter", "Masks", "Updates", "parameter_name"),
    "regularizer": ("Regularizer", "Step", "TrainingView"),
    "reporter": ("Reporter",),
    "task": ("PairTask", "Task"),
    "tower_adapter": ("TowerAdapter",),
}
_HOMES = {name: module for module, names in _LAZY.items() for name in names}

__all__ = [
    "Adapter",
    "AdapterSpec",
    "BlendSpec",
    "BudgetSpec",
    "Captioner",
    "CaptionerError",
    "CaptionerSpec",
    "ClassPrompts",
    "ComponentSpec",
    "ContractError",
    "Dataset",
    "DatasetSpec",
    "Encoder",
    "EncoderError",
    "EncoderFacts",
    "EncoderSpec",
    "Expert",
    "ExpertSpec",
    "FoundFiles",
    "GraphBuilder",
    "GraphError",
    "GraphSpec",
    "Head",
    "HeadSpec",
    "LayerAdapter",
    "LayerAdapterSpec",
    "Masks",
    "Meeting",
    "NodeKind",
    "OnHand",
    "OptimizerSpec",
    "PairTask",
    "PairTaskSpec",
    "PictureKey",
    "Reading",
    "Regularizer",
    "RegularizerSpec",
    "Reporter",
    "ReporterSpec",
    "Sampling",
    "Step",
    "Task",
    "TaskSpec",
    "TowerAdapter",
    "TowerAdapterSpec",
    "TowerShape",
    "TrainingView",
    "Updates",
    "WrittenCaptions",
    "columns_of",
    "masked_mean",
    "one_or_each",
    "parameter_name",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
