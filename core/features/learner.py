"""Learning on encoded vectors: the backbone is not run again, so an epoch takes milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor
from torch.func import functional_call

from ..graph.nodes import Nodes
from ..graph.queries import Queries
from ..roles.regularizer import TrainingView
from ..roles.task import Task, losses_of
from ..training.learner import Learner, OfLogits, Rank
from ..training.ranking import Ranking
from .model import FeatureModel


@dataclass(frozen=True, slots=True)
class Labelled:
    """Nodes of which some items have labels to learn from."""

    nodes: Nodes
    #: int64 [n]: items of ``nodes``.
    rows: Tensor
    #: int64 [n]: their classes.
    targets: Tensor


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Items to select on or to test on: they met the support set by the pipeline's inductive policy."""

    queries: Queries
    #: int64 [Q]: their classes.
    targets: Tensor
    #: Their ids.
    ids: tuple[str, ...] = ()
    #: As they met it.
    nodes: Nodes | None = None


class FeatureLearner(Learner):
    """Learns from labelled nodes."""

    same_each_time = True

    def __init__(self, model: FeatureModel, task: Task, labelled: Labelled, selection: HeldOut | None = None) -> None:
        self.model: FeatureModel = model
        self.items = len(labelled.rows)
        self.task, self.labelled, self.selection = task, labelled, selection
        nodes, rows = labelled.nodes, labelled.rows
        #: All of them, chosen once, not every epoch.
        self.all: tuple[Nodes, Tensor | slice] = (nodes, rows)
        if len(rows) == len(nodes):
            self.all = (nodes, slice(None))
        elif nodes.graph is None:
            self.all = (nodes.select(rows), slice(None))
        self.ranking = Ranking(task)

    def fit(self) -> None:
        """See ``FeatureModel.fit_head``."""
        self.model.fit_head(self.labelled.nodes, self.labelled.rows, self.labelled.targets)

    def loss(self, rows: Tensor, of_logits: OfLogits | None = None) -> Tensor:
        """The task's mean loss."""
        if len(rows) == self.items:
            logits, targets = self.model(*self.all), self.labelled.targets
        else:
            rows = rows.to(self.labelled.rows.device)
            logits = self.model(self.labelled.nodes, self.labelled.rows[rows])
            targets = self.labelled.targets[rows]
        loss = losses_of(self.task, logits, targets).mean()
        return loss if of_logits is None else loss + of_logits(logits, rows)

    def asks(self) -> Sequence[object]:
        """The task."""
        return (self.task,)

    @torch.no_grad()
    def rank(self) -> Rank | None:
        """Of the selection split, in one pass."""
        if self.selection is None:
            return None
        return self.ranking.of(self.selection.queries.logits(self.model), self.selection.targets)

    def state(self) -> dict[str, Any]:
        """How epochs are ranked."""
        return {"by_scores": self.ranking.by_scores}

    def resume(self, state: Mapping[str, Any]) -> None:
        """As it was."""
        self.ranking.by_scores = state["by_scores"]

    @torch.no_grad()
    def final_loss(self) -> float:
        """Over all labelled items."""
        return float(self.loss(torch.arange(self.items)))

    def view(self, previous: Path | None, generator: Generator) -> TrainingView:
        """All labelled items at once; without a graph also some of them."""
        nodes = self.labelled.nodes
        alone = nodes.graph is None
        a_row_each = alone and nodes.layout is None and not nodes.inputs
        return TrainingView(
            parameters=self.model.trainable(),
            logits=lambda: self.model(self.labelled.nodes, self.labelled.rows),
            targets=self.labelled.targets,
            losses=self.task.losses,
            previous=previous,
            generator=generator,
            items=self.items,
            rows_before=self.model.rows_before,
            classes_before=self.model.classes_before,
            batch=self._batch if alone else None,
            stateless=self._stateless if a_row_each else None,
        )

    def _batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        rows = rows.to(self.labelled.rows.device)
        return self.model(self.labelled.nodes, self.labelled.rows[rows]), self.labelled.targets[rows]

    def _stateless(self, parameters: Mapping[str, Tensor], rows: Tensor) -> Tensor:
        given = (self.labelled.nodes, self.labelled.rows[rows])
        logits: Tensor = functional_call(self.model, dict(parameters), given)
        return logits
