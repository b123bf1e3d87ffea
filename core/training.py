"""One training: one spec, one seed, feature-level. The backbone is not run again, so an epoch takes milliseconds."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler

from ..registry.catalogue import Catalogue
from ..registry.errors import UserError
from .assemble import build
from .model import GraftedModel
from .nodes import Nodes
from .pipeline_spec import PipelineSpec
from .queries import Queries
from .regularizer import Regularizer, TrainingView
from .run_folder import adapter_folder
from .task import Task


class TrainingError(UserError):
    """Training broke down; the message says when and what to change."""


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


@dataclass(slots=True)
class Trained:
    """The outcome of one training."""

    #: With the kept parameters in place.
    model: GraftedModel
    #: Epoch that was kept, from 1; 0 is the start.
    epoch: int
    #: Primary metric on the selection split at that epoch; ``None`` without one.
    selection: float | None
    seconds: float
    #: Regularizer files: stem to tensors.
    files: dict[str, dict[str, Tensor]] = field(default_factory=dict)


@dataclass(slots=True)
class _Best:
    """The parameters worth keeping: highest metric, then lowest loss, on the selection split."""

    rank: tuple[float, float] = (-math.inf, -math.inf)
    epoch: int = 0
    state: dict[str, Tensor] | None = None

    def offer(self, model: GraftedModel, epoch: int, rank: tuple[float, float]) -> None:
        if rank > self.rank:
            self.rank, self.epoch, self.state = rank, epoch, copy.deepcopy(model.state_dict())


Hear = Callable[[int, float, float | None], None]


def train(
    spec: PipelineSpec,
    catalogue: Catalogue,
    model: GraftedModel,
    task: Task,
    labelled: Labelled,
    selection: HeldOut | None,
    seed: int,
    hear: Hear = lambda epoch, loss, metric: None,
) -> Trained:
    """Fit the head of ``model``, train the model in place on the labelled rows, keep the best (or last) epoch.

    ``hear(epoch, loss, metric)`` is called after each epoch. Raises ``TrainingError`` when the loss is not finite.
    """
    start = time.perf_counter()
    model.fit_head(labelled.nodes, labelled.rows, labelled.targets)
    parameters = model.trainable()
    view = TrainingView(
        parameters=parameters,
        logits=lambda: model(labelled.nodes, labelled.rows),
        targets=labelled.targets,
        losses=task.losses,
        previous=adapter_folder(Path(spec.trainer.start_from)) if spec.trainer.start_from else None,
        generator=torch.Generator().manual_seed(seed),
    )
    regularizers: list[Regularizer] = [build(catalogue, one) for one in spec.regularizers] if parameters else []
    for regularizer in regularizers:
        regularizer.start(view)
    best = _Best()
    if selection is not None:
        best.offer(model, 0, _rank(model, task, selection))
    last = spec.trainer.epochs if parameters else 0
    loop = _Loop(spec, catalogue, model, len(labelled.rows), seed) if last else None
    for epoch in range(1, last + 1):
        assert loop is not None
        loss = loop.epoch(task, labelled, regularizers)
        _require_finite(loss, epoch)
        rank = _rank(model, task, selection) if selection is not None else None
        if rank is not None:
            best.offer(model, epoch, rank)
        hear(epoch, loss, rank[0] if rank and math.isfinite(rank[0]) else None)
    trained = _keep(spec, model, task, selection, best, last)
    if last:  # the last step may have ruined what the last loss still looked well on
        with torch.no_grad():
            _require_finite(float(task.losses(view.logits(), labelled.targets).mean()), trained.epoch)
        _require_finite(trained.selection or 0.0, trained.epoch)
    trained.seconds = time.perf_counter() - start
    for regularizer in regularizers:
        trained.files |= regularizer.finish(view)
    return trained


def _require_finite(value: float, epoch: int) -> None:
    if not math.isfinite(value):
        raise TrainingError(f"the loss is no longer finite in epoch {epoch}; lower trainer.optimizer.lr")


class _Loop:
    """Optimizer, learning rate and batch order of one training."""

    def __init__(self, spec: PipelineSpec, catalogue: Catalogue, model: GraftedModel, items: int, seed: int) -> None:
        self.model = model
        self.size = min(spec.trainer.batch_size or items, items)
        self.parameters = model.trainable()
        self.optimizer: Optimizer = build(catalogue, spec.trainer.optimizer, list(self.parameters.values()))
        self.scheduler: LRScheduler = LambdaLR(self.optimizer, lambda step: 1.0)
        if spec.trainer.schedule == "cosine":
            self.scheduler = CosineAnnealingLR(self.optimizer, spec.trainer.epochs * math.ceil(items / self.size))
        self._order = torch.Generator().manual_seed(seed)

    def epoch(self, task: Task, labelled: Labelled, regularizers: Sequence[Regularizer]) -> float:
        """One pass over the labelled rows; returns the mean loss, penalties included."""
        total, count = 0.0, len(labelled.rows)
        order = torch.randperm(count, generator=self._order) if self.size < count else torch.arange(count)
        for start in range(0, count, self.size):
            batch = order[start : start + self.size].to(labelled.rows.device)
            loss = task.losses(self.model(labelled.nodes, labelled.rows[batch]), labelled.targets[batch]).mean()
            for regularizer in regularizers:
                loss = loss + regularizer.penalty(self.parameters)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self.scheduler.step()
            total += float(loss.detach()) * len(batch) / count
        return total


def _rank(model: GraftedModel, task: Task, selection: HeldOut) -> tuple[float, float]:
    logits = selection.queries.logits(model)
    with torch.no_grad():
        loss = float(task.losses(logits, selection.targets).mean())
    metric = task.metrics(logits, selection.targets)[task.primary]
    return (metric, -loss) if math.isfinite(loss) else (-math.inf, -math.inf)


def _keep(
    spec: PipelineSpec, model: GraftedModel, task: Task, selection: HeldOut | None, best: _Best, last: int
) -> Trained:
    if selection is None:
        return Trained(model, last, None, 0.0)
    if spec.trainer.keep == "last":
        return Trained(model, last, _rank(model, task, selection)[0], 0.0)
    if best.state is not None:
        model.load_state_dict(best.state)
    return Trained(model, best.epoch, best.rank[0], 0.0)
