"""Every combination of search values with every seed, on features encoded once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..registry.catalogue import Catalogue
from .assemble import build
from .devices import fitting_threads, own_randomness
from .encode import Tell
from .events import EpochFinished, TrainingFinished
from .features import prompt_nodes
from .graph import Support
from .load_spec import spec_from_dict
from .measure import Meter
from .model import build_model
from .pipeline_spec import PipelineSpec
from .prepare import Preparation, Prepared
from .search import search_of
from .support_sets import SupportSets
from .task import Task
from .training import Labelled, Trained, train
from .warm_start import start_from


@dataclass(slots=True)
class Trial:
    """One combination of search values, trained with every seed."""

    values: dict[str, Any]
    spec: PipelineSpec
    prepared: Prepared
    trained: list[Trained] = field(default_factory=list)
    supports: list[Support] = field(default_factory=list)

    def selection(self) -> float:
        """Mean over the seeds of the primary metric on the selection split; 0 without one."""
        scores = [one.selection or 0.0 for one in self.trained]
        return sum(scores) / len(scores)


class Experiment:
    """Runs the stages of one pipeline, measuring each."""

    def __init__(self, spec: PipelineSpec, catalogue: Catalogue, store: Path, device: torch.device, tell: Tell) -> None:
        self.spec, self.catalogue, self.device, self.tell = spec, catalogue, device, tell
        self.meter = Meter()
        self.preparation = Preparation(catalogue, store, device, self.meter, tell)
        # A support set and a split to select on for each seed: the trials that share them come one after another.
        self.support_sets = SupportSets(catalogue, device, self.meter, remember=2 * len(spec.seeds), tell=tell)

    def trials(self) -> Iterator[Trial]:
        """Every combination that the search tries, one after another; one trial without a search."""
        base = {key: value for key, value in self.spec.to_json().items() if key not in ("search", "trials")}
        search = search_of(self.spec)
        for values in search:
            spec = spec_from_dict(base, values, self.catalogue)
            trial = Trial(values, spec, self.preparation.of(spec))
            yield trial
            # Asked for the next one: this one is trained with every seed, or broke down.
            search.tell(trial.selection() if len(trial.trained) == len(spec.seeds) else None)

    def train(self, trial: Trial, number: int, seed: int) -> None:
        """Train one seed of a trial and add the outcome to it."""
        spec, prepared = trial.spec, trial.prepared
        task: Task = build(self.catalogue, spec.task)
        support = self.support_sets.support(spec, prepared, seed)
        select_on = spec.evaluation.select_on
        selection = self.support_sets.met(spec, prepared, seed, select_on) if select_on != "none" else None
        prompts = prompt_nodes(prepared.prompts, spec.graph) if prepared.prompts else None
        rows = (support.targets >= 0).nonzero().squeeze(1)
        labelled = Labelled(support.nodes, rows, support.targets[rows])

        def hear(epoch: int, loss: float, metric: float | None) -> None:
            self.tell(EpochFinished(number, seed, epoch, loss, metric))

        scale = selection.queries.numbers if selection else labelled.nodes.x.numel()
        with self.meter.stage("train"), own_randomness(self.device), fitting_threads(scale):
            torch.manual_seed(seed)
            classes = len(prepared.content.class_names)
            widths = support.nodes.width, support.nodes.text_width
            model = build_model(spec, self.catalogue, widths[0], classes, prompts, widths[1]).to(self.device)
            if spec.trainer.start_from:
                start_from(model, Path(spec.trainer.start_from))
            trained = train(spec, self.catalogue, model, task, labelled, selection, seed, hear)
        trial.trained.append(trained)
        trial.supports.append(support)
        self.tell(TrainingFinished(number, seed, trial.values, trained.epoch, trained.selection, trained.seconds))

    def score(self, trial: Trial, split: str) -> list[dict[str, float]]:
        """Metrics of every seed of a trial on a split."""
        task: Task = build(self.catalogue, trial.spec.task)
        scores = []
        for trained, seed in zip(trial.trained, trial.spec.seeds, strict=True):
            held_out = self.support_sets.met(trial.spec, trial.prepared, seed, split)
            with self.meter.stage("evaluate"):
                scores.append(task.metrics(held_out.queries.logits(trained.model), held_out.targets))
        return scores
