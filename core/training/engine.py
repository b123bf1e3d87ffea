"""An engine trains and scores adapters of one level: on features, or inside the towers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

from torch import Tensor

from ..spec.pipeline_spec import PipelineSpec
from ..stages.context import RunContext
from ..stages.prepare import preparation_key
from ..storage.adapter_config import FeatureFacts, LayerFacts
from ..storage.result_parts import AdapterInTowers, SupportGraph
from .finished import FinishedTrainings
from .learner import Learner
from .loop import Hear, Trained, train
from .trial import P, R, SplitScore, Trial


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a level alone knows of a result; ``Result`` says what each means."""

    inductive: str
    inductive_note: str
    nodes: str
    pool: str
    graph: SupportGraph | None = None
    adapter: AdapterInTowers | None = None


class Engine(ABC, Generic[P, R]):
    """Built once a run; what trials share is prepared once."""

    def __init__(self, context: RunContext, finished: FinishedTrainings | None = None) -> None:
        self.context, self.finished = context, finished
        self._prepared: dict[str, P] = {}

    def prepare(self, spec: PipelineSpec) -> P:
        """Everything before training; the same object for specs that agree on all that matters here."""
        key = preparation_key(spec)
        if key not in self._prepared:
            self._prepared[key] = self._prepare(spec, key)
        return self._prepared[key]

    @abstractmethod
    def _prepare(self, spec: PipelineSpec, key: str) -> P:
        """Everything before training."""

    @abstractmethod
    def train(self, trial: Trial[P, R], seed: int, hear: Hear) -> R:
        """Train one seed."""

    def trained(self, trial: Trial[P, R], learner: Learner, seed: int, hear: Hear) -> Trained:
        """The training of a seed: found where an interrupted run had finished it; else done now, and kept."""
        spec, prepared, finished = trial.spec, trial.prepared, self.finished
        found = finished.find(spec, prepared, seed, learner.model) if finished else None
        if found is not None:
            return found
        trained = train(spec, self.context.catalogue, learner, seed, hear)
        if finished:
            finished.keep(spec, prepared, seed, trained)
        return trained

    @abstractmethod
    def score(self, trial: Trial[P, R], index: int, split: str) -> SplitScore:
        """Metrics of seed number ``index`` on a split; changes nothing."""

    @abstractmethod
    def conditions(self, trial: Trial[P, R], scores: Sequence[SplitScore]) -> Conditions:
        """Of a trial and its scores, one a seed."""

    @abstractmethod
    def tensors(self, trial: Trial[P, R], index: int) -> dict[str, dict[str, Tensor]]:
        """What is saved beside ``adapter_model.safetensors``, by file stem."""

    @abstractmethod
    def facts(self, trial: Trial[P, R], index: int) -> FeatureFacts | LayerFacts:
        """What ``adapter_config.json`` must say for the adapter to be loaded again."""
