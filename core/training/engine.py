"""An engine trains and scores adapters of one level: on features, or inside the towers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
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
from .loop import Trained, train
from .members import Hear, TrainingError
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

    def train_all(self, trial: Trial[P, R], hears: Mapping[int, Hear]) -> Iterator[R]:
        """Train the seeds of ``hears``, one after the other; each outcome comes as soon as it is there."""
        for seed, hear in hears.items():
            yield self.train(trial, seed, hear)

    def trained(self, trial: Trial[P, R], learner: Learner, seed: int, hear: Hear) -> Trained:
        """The training of a seed: found where an interrupted run had finished it; else done now, and kept."""
        finished = self.finished
        found = finished.find(trial.spec, trial.prepared, seed, learner.model, hear) if finished else None
        if found is not None:
            for one in found.heard:
                hear(*one)
            return found
        (trained,) = self.trained_now(trial, learner, {seed: hear})
        if isinstance(trained, TrainingError):
            raise trained
        return trained

    def trained_now(
        self, trial: Trial[P, R], learner: Learner, hears: Mapping[int, Hear]
    ) -> list[Trained | TrainingError]:
        """The trainings that a learner is, by their seeds: all that came to their end are kept, and until then from
        time to time how far they came.
        """
        finished, spec, catalogue = self.finished, trial.spec, self.context.catalogue
        if finished is None:
            return train(spec, catalogue, learner, hears)
        checkpoints = finished.checkpoints(spec, trial.prepared, list(hears))
        try:
            trained = train(spec, catalogue, learner, hears, checkpoints)
        except TrainingError:  # it would break down again
            checkpoints.remove()
            raise
        finished.over(checkpoints)
        for seed, one in zip(hears, trained, strict=True):
            if isinstance(one, Trained):
                finished.keep(spec, trial.prepared, seed, one)
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
