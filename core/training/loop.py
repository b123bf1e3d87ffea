"""One training: one spec, one seed, whatever the level of the adapter."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR

from ...registry.build import build
from ...registry.catalogue import Catalogue
from ...registry.errors import UserError
from ..roles.regularizer import Regularizer, files_of, penalty_of
from ..spec.pipeline_spec import PipelineSpec
from ..storage.manifest import adapter_folder
from .learner import Learner, TrainableModel
from .unread import Epoch, Losses, State, Unread, numbers_of, rank_of


class TrainingError(UserError):
    """Training broke down; the message says when and what to change."""


@dataclass(slots=True)
class Trained:
    """The outcome of one training."""

    #: With the kept parameters in place.
    model: TrainableModel
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
    state: State | None = None

    def offer(self, state: State | None, epoch: int, rank: tuple[float, float]) -> None:
        if rank > self.rank:
            self.rank, self.epoch, self.state = rank, epoch, state


LOWER = "lower trainer.optimizer.lr"
#: ``hear(epoch, loss, metric, usage)``.
Hear = Callable[[int, float, float | None, Mapping[str, tuple[float, ...]]], None]


def train(
    spec: PipelineSpec,
    catalogue: Catalogue,
    learner: Learner,
    seed: int,
    hear: Hear = lambda epoch, loss, metric, usage: None,
) -> Trained:
    """Fit the head, train the learner's model in place on its labelled items, keep the best (or last) epoch.

    ``hear`` is called for each epoch in their order, of several at a time (``Unread``). Raises ``TrainingError`` when
    the loss is not finite.
    """
    start = time.perf_counter()
    model = learner.model.eval()
    learner.fit()
    parameters = model.trainable()
    regularizers = [build(Regularizer, catalogue, one) for one in spec.regularizers] if parameters else []
    previous = adapter_folder(Path(spec.trainer.start_from)) if spec.trainer.start_from else None
    views = [learner.view(previous, torch.Generator().manual_seed(seed))] * len(regularizers) if regularizers else []
    for regularizer, view in zip(regularizers, views, strict=True):
        regularizer.start(view)
    best, keeps = _Best(), spec.trainer.keep == "best"
    if (rank := _read(learner)) is not None and keeps:
        best.offer(State.of(model), 0, rank)

    def read(one: Epoch) -> None:
        _require_finite(one.loss, one.number)
        if one.rank is not None and keeps:
            best.offer(one.state, one.number, one.rank)
        hear(one.number, one.loss, one.rank[0] if one.rank and math.isfinite(one.rank[0]) else None, one.usage)

    last = spec.trainer.epochs if parameters else 0
    unread = Unread(learner, keeps, read)
    try:
        for epoch, losses in enumerate(_Loop(spec, catalogue, learner, seed).epochs(regularizers) if last else (), 1):
            unread.add(epoch, losses)
    except Exception:
        unread.read()  # a loss that was not finite came first, and says more
        raise
    unread.read()
    trained = _keep(spec, learner, best, last)
    if last:  # the last step may have ruined what the last loss still looked well on
        _require_finite(learner.final_loss(), trained.epoch)
        _require_finite(trained.selection or 0.0, trained.epoch)
    trained.seconds = time.perf_counter() - start
    for regularizer, view in zip(regularizers, views, strict=True):
        trained.files |= files_of(regularizer, view)
    return trained


def _read(learner: Learner) -> tuple[float, float] | None:
    rank = learner.rank()
    return None if rank is None else rank_of(*numbers_of(rank))


def _require_finite(value: float, epoch: int) -> None:
    if not math.isfinite(value):
        cause = LOWER + (", unless what adapter or head gives is not finite from the start" if epoch == 1 else "")
        raise TrainingError(f"the loss is no longer finite in epoch {epoch}; {cause}")


class _Loop:
    """Optimizer, learning rate and batch order of one training."""

    def __init__(self, spec: PipelineSpec, catalogue: Catalogue, learner: Learner, seed: int) -> None:
        self.learner, self._trainer = learner, spec.trainer
        self.size = min(spec.trainer.batch_size or learner.default_batch or learner.items, learner.items)
        self.parameters = learner.model.trainable()
        self.optimizer = build(Optimizer, catalogue, spec.trainer.optimizer, list(self.parameters.values()))
        self.scheduler: CosineAnnealingLR | None = None
        batches = math.ceil(learner.items / self.size)
        if spec.trainer.schedule == "cosine":
            steps = spec.trainer.epochs * math.ceil(batches / spec.trainer.accumulate)
            self.scheduler = CosineAnnealingLR(self.optimizer, steps)
        self._one: Tensor | None = None
        self._order, self._all = torch.Generator().manual_seed(seed), torch.arange(learner.items)

    def epochs(self, regularizers: Sequence[Regularizer]) -> Iterator[Losses]:
        """The losses of each epoch of the spec, which is trained when it is asked for."""
        for _ in range(self._trainer.epochs):
            yield self._epoch(regularizers)

    def _epoch(self, regularizers: Sequence[Regularizer]) -> Losses:
        """One pass over the labelled items; returns the mean loss of each batch, penalties included."""
        self.learner.model.train()
        losses: list[tuple[Tensor, int]] = []
        batches = self._batches()
        for start in range(0, len(batches), self._trainer.accumulate):
            step = batches[start : start + self._trainer.accumulate]
            items = sum(map(len, step))
            self.optimizer.zero_grad(set_to_none=True)
            for batch in step:
                with self._precision():
                    loss = self.learner.loss(batch)
                for regularizer in regularizers:
                    loss = loss + penalty_of(regularizer, self.parameters)
                share = loss if len(batch) == items else loss * (len(batch) / items)
                share.backward(self._one_like(share))  # type: ignore[no-untyped-call]
                losses.append((loss.detach(), len(batch)))
            self._step()
            if self.scheduler is not None:
                self.scheduler.step()
        self.learner.model.eval()
        return losses

    def _one_like(self, loss: Tensor) -> Tensor:
        """What a loss is differentiated with: a 1, made once."""
        one = self._one
        if one is None or (one.dtype, one.device, one.shape) != (loss.dtype, loss.device, loss.shape):
            one = self._one = torch.ones_like(loss)
        return one

    def _batches(self) -> Sequence[Tensor]:
        """Labelled items of each step: all of them in their order, or some in a new one."""
        if self.size == self.learner.items:
            return [self._all]
        return torch.split(torch.randperm(self.learner.items, generator=self._order), self.size)

    def _step(self) -> None:
        try:
            self.optimizer.step()
        except RuntimeError as error:
            if "overflow" not in str(error):  # torch's word for a factor that float32 cannot hold
                raise
            raise TrainingError(f"a step of the optimizer is beyond all numbers; {LOWER}") from error

    def _precision(self) -> AbstractContextManager[object]:
        if self._trainer.precision == "fp32":
            return nullcontext()
        device = next(iter(self.parameters.values())).device.type
        return torch.autocast(device, torch.bfloat16)


def _keep(spec: PipelineSpec, learner: Learner, best: _Best, last: int) -> Trained:
    if spec.trainer.keep == "last" or best.state is None:
        rank = _read(learner)
        return Trained(learner.model, last, rank and rank[0], 0.0)
    learner.model.load_state_dict(best.state.tensors())
    return Trained(learner.model, best.epoch, best.rank[0], 0.0)
