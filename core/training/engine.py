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


@dataclass(frozen=True, slots=True)
class Wanted(Generic[P, R]):
    """A training, and who is told of its epochs."""

    trial: Trial[P, R]
    seed: int
    hear: Hear


class Engine(ABC, Generic[P, R]):
    """Built once a run; what trials share is prepared once."""

    #: The pipelines of a search that knows them all, in their order: what an engine may train before it is asked to.
    search: Sequence[PipelineSpec] = ()

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

    def is_held(self, spec: PipelineSpec, seed: int) -> bool:
        """Whether an interrupted run had finished the training of a seed."""
        return self.finished is not None and self.finished.holds(spec, seed)

    def trained(self, trial: Trial[P, R], learner: Learner, seed: int, hear: Hear) -> Trained:
        """The training of a seed: found where an interrupted run had finished it; else done now, and kept."""
        finished = self.finished
        found = finished.find(trial.spec, trial.prepared, seed, learner.model, hear) if finished else None
        if found is not None:
            for one in found.heard:
                hear(*one)
            return found
        (trained,) = self.trained_now(learner, [Wanted(trial, seed, hear)])
        if isinstance(trained, TrainingError):
            raise trained
        return trained

    def trained_now(self, learner: Learner, wanted: Sequence[Wanted[P, R]]) -> list[Trained | TrainingError]:
        """The trainings that a learner is, whose trainers are equal: all that came to their end are kept, and until
        then from time to time how far they came.
        """
        finished, trial, catalogue = self.finished, wanted[0].trial, self.context.catalogue
        spec, hears = trial.spec, [(one.seed, one.hear) for one in wanted]
        if finished is None:
            return train(spec, catalogue, learner, hears)
        checkpoints = finished.checkpoints([(one.trial.spec, one.seed) for one in wanted], trial.prepared)
        try:
            trained = train(spec, catalogue, learner, hears, checkpoints)
        except TrainingError:  # it would break down again
            checkpoints.remove()
            raise
        finished.over(checkpoints)
        for one, outcome in zip(wanted, trained, strict=True):
            if isinstance(outcome, Trained):
                finished.keep(one.trial.spec, trial.prepared, one.seed, outcome)
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
