"""An engine trains and scores adapters of one level: on features, or inside the towers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic

from torch import Tensor

from .pipeline_spec import PipelineSpec
from .surroundings import Surroundings
from .training import Hear
from .trial import P, Trial


class Engine(ABC, Generic[P]):
    """Built once a run; what trials share is prepared once."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around

    @abstractmethod
    def prepare(self, spec: PipelineSpec) -> P:
        """Everything before training; the same object for specs that agree on all that matters here."""

    @abstractmethod
    def train(self, trial: Trial[P], seed: int, hear: Hear) -> None:
        """Train one seed and add the outcome to the trial."""

    @abstractmethod
    def score(self, trial: Trial[P], index: int, split: str) -> dict[str, float]:
        """Metrics of seed number ``index`` on a split."""

    @abstractmethod
    def conditions(self, trial: Trial[P]) -> dict[str, Any]:
        """Keys of ``result.json``: ``inductive``, ``inductive_note``, ``nodes``, ``pool``, ``graph``, and more."""

    @abstractmethod
    def tensors(self, trial: Trial[P], index: int) -> dict[str, dict[str, Tensor]]:
        """What is saved beside ``adapter_model.safetensors``, by file stem."""

    @abstractmethod
    def facts(self, trial: Trial[P], index: int) -> dict[str, Any]:
        """What ``adapter_config.json`` must say for the adapter to be loaded again."""
