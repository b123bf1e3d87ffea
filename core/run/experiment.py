"""Every combination of search values with every seed; what they share is prepared once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ...registry.build import build
from ...registry.catalogue import Catalogue
from ...registry.hooks import Hooks
from ...registry.hookspecs import StageContext
from ..events import EpochFinished, Tell, TrainingFinished
from ..features.engine import FeatureEngine
from ..layers.engine import LayerEngine
from ..roles.task import Task
from ..spec.load_spec import spec_from_dict
from ..spec.pipeline_spec import PipelineSpec
from ..stages.context import RunContext
from ..training.engine import Engine
from ..training.finished import FinishedTrainings
from ..training.trial import SplitScore, Trial
from .meter import Meter
from .search import search_of


class Experiment:
    """Runs the stages of one pipeline, each within the wrappers of ``hooks``; its own meter is one of them."""

    def __init__(
        self,
        spec: PipelineSpec,
        catalogue: Catalogue,
        store: Path,
        device: torch.device,
        tell: Tell,
        hooks: Hooks | None = None,
        finished: FinishedTrainings | None = None,
    ) -> None:
        self.spec, self.catalogue, self.store, self.device, self.tell = spec, catalogue, store, device, tell
        self.meter = Meter()
        self._hooks = hooks or Hooks(catalogue.plugins)
        self._hooks.add(self.meter, "meter")
        context = StageContext(spec.name, spec.to_json(), str(device))
        self._context = RunContext(
            catalogue, store, tell, lambda stage: self._hooks.stage(stage, context), lambda: device, may_download=True
        )
        self._finished = finished
        #: The pipelines of a search that knows its combinations.
        self.known: Sequence[PipelineSpec] = ()
        self._engines: dict[str, Engine[Any, Any]] = {}

    def engine(self, spec: PipelineSpec) -> Engine[Any, Any]:
        """The engine of a spec's level. A search may try adapters of both."""
        level = spec.level
        if level not in self._engines:
            features = level == "features"
            self._engines[level] = (
                FeatureEngine(self._context, max(len(self.spec.seeds), _tasks(self.spec)), self._finished)
                if features
                else LayerEngine(self._context, self._finished)
            )
            self._engines[level].search = self.known
        return self._engines[level]

    def spec_of(self, values: Mapping[str, Any]) -> PipelineSpec:
        """The pipeline of a combination of search values."""
        base = {key: value for key, value in self.spec.to_json().items() if key not in ("search", "trials")}
        return spec_from_dict(base, values, self.catalogue) if values else self.spec

    def trials(self) -> Iterator[Trial[Any, Any]]:
        """Every combination that the search tries, one after another; one trial without a search."""
        search = search_of(self.spec)
        known = [(values, self.spec_of(values)) for values in search] if self.spec.trials is None else None
        self.known = [spec for _, spec in known or ()]
        for values, spec in known or ((values, self.spec_of(values)) for values in search):
            trial: Trial[Any, Any] = Trial(values, spec, self.engine(spec).prepare(spec))
            yield trial
            # Asked for the next one: this one is trained with every seed, or broke down.
            search.tell(trial.selection() if len(trial.outcomes) == len(spec.seeds) else None)

    def train(self, trial: Trial[Any, Any], number: int) -> None:
        """Train every seed of a trial, the first as training ``number`` of the run, and add the outcomes to it."""
        numbered = dict(zip(trial.spec.seeds, itertools.count(number)))
        hears = {seed: partial(self._hear, own, seed) for seed, own in numbered.items()}
        for (seed, own), outcome in zip(numbered.items(), self.engine(trial.spec).train_all(trial, hears), strict=True):
            trial.outcomes.append(outcome)
            trained = outcome.trained
            self.tell(TrainingFinished(own, seed, trial.values, trained.epoch, trained.selection, trained.seconds))

    def _hear(
        self,
        number: int,
        seed: int,
        epoch: int,
        loss: float,
        metric: float | None,
        usage: Mapping[str, tuple[float, ...]],
    ) -> None:
        self.tell(EpochFinished(number, seed, epoch, loss, metric, usage))

    def primary(self, spec: PipelineSpec) -> str:
        """The task's primary metric."""
        return build(Task, self.catalogue, spec.task).primary

    def score(self, trial: Trial[Any, Any], split: str) -> list[SplitScore]:
        """Metrics of every seed of a trial on a split."""
        engine = self.engine(trial.spec)
        return [engine.score(trial, index, split) for index in range(len(trial.outcomes))]


def _tasks(spec: PipelineSpec) -> int:
    """How many tasks a state may be asked about, and one more."""
    return 0 if spec.tasks is None else 1 + (spec.tasks if isinstance(spec.tasks, int) else len(spec.tasks))
