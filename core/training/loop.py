"""Training by one spec, whatever the level of the adapter: one seed, or several whose learner trains them as one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from ..roles.regularizer import Regularizer, Step, files_of, penalties_of_logits, penalty_of, that_hear_steps
from ..spec.pipeline_spec import PipelineSpec
from ..storage.manifest import adapter_folder
from .learner import Learner, TrainableModel
from .unread import Epoch, Losses, State, Unread, each, numbers_of, rank_of


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


class _Member:
    """What is known of one of the trainings that a learner is."""

    def __init__(self, spec: PipelineSpec, seed: int, hear: Hear) -> None:
        self._of = f" with seed {seed}" if len(spec.seeds) > 1 else ""
        self._hear = hear
        self.best, self.keeps = _Best(), spec.trainer.keep == "best"
        #: Why it has no outcome; nothing is heard of it from then on.
        self.failure: TrainingError | None = None

    def read(self, one: Epoch) -> None:
        """One epoch more."""
        self.require_finite(one.loss, one.number)
        if self.failure is not None:
            return
        if one.rank is not None and self.keeps:
            self.best.offer(one.state, one.number, one.rank)
        self._hear(one.number, one.loss, one.rank[0] if one.rank and math.isfinite(one.rank[0]) else None, one.usage)

    def require_finite(self, value: float, epoch: int) -> None:
        """It fails, if it did not before."""
        if self.failure is None and not math.isfinite(value):
            cause = LOWER + (", unless what adapter or head gives is not finite from the start" if epoch == 1 else "")
            self.failure = TrainingError(f"the loss is no longer finite in epoch {epoch}{self._of}; {cause}")


def train(
    spec: PipelineSpec, catalogue: Catalogue, learner: Learner, hears: Mapping[int, Hear]
) -> list[Trained | TrainingError]:
    """Fit the head, train the learner's model in place on its labelled items, keep the best (or last) epoch.

    ``hears``: a seed for each training that the learner is, and who is told of its epochs, in their order, of several
    at a time (``Unread``). A training whose loss is not finite has an error for its outcome, and leaves the others
    alone. The seconds of each are its share of what all took.
    """
    start = time.perf_counter()
    model = learner.model.eval()
    learner.fit()
    parameters = model.trainable()
    regularizers = [build(Regularizer, catalogue, one) for one in spec.regularizers] if parameters else []
    previous = adapter_folder(Path(spec.trainer.start_from)) if spec.trainer.start_from else None
    generator = torch.Generator().manual_seed(min(hears))
    views = [learner.view(previous, generator)] * len(regularizers) if regularizers else []
    for regularizer, view in zip(regularizers, views, strict=True):
        regularizer.start(view)
    members = [_Member(spec, seed, hear) for seed, hear in hears.items()]
    last = spec.trainer.epochs if parameters else 0
    _train_epochs(learner, members, _Loop(spec, catalogue, learner, hears).epochs(regularizers) if last else ())
    found = [_kept(learner, index, member, last) for index, member in enumerate(members)]
    seconds = (time.perf_counter() - start) / len(members)
    for trained in found:
        if isinstance(trained, Trained):
            trained.seconds = seconds
            for regularizer, view in zip(regularizers, views, strict=True):
                trained.files |= files_of(regularizer, view)
    return found


def _train_epochs(learner: Learner, members: Sequence[_Member], epochs: Iterable[Losses]) -> None:
    """Train, and tell each member of its epochs, until the end or until all have failed."""
    keeps = members[0].keeps
    if (ranks := _read(learner)) is not None and keeps:
        state = State.of(learner.model)
        for member, rank in zip(members, ranks, strict=True):
            member.best.offer(state, 0, rank)
    unread = Unread(learner, keeps, [member.read for member in members])
    try:
        for epoch, losses in enumerate(epochs, 1):
            unread.add(epoch, losses)
            if all(member.failure for member in members):
                break
    except Exception as error:
        unread.read()
        for member in members:
            if member.failure:  # a loss that was not finite came first, and says more
                raise member.failure from error
        raise
    unread.read()


def _read(learner: Learner) -> list[tuple[float, float]] | None:
    """Of each member."""
    rank = learner.rank()
    if rank is None:
        return None
    values = numbers_of([one for part in rank for one in each(part)])
    return [rank_of(*one) for one in zip(values[: learner.members], values[learner.members :], strict=True)]


def _kept(learner: Learner, index: int, member: _Member, last: int) -> Trained | TrainingError:
    """The training of a member with the kept parameters in place."""
    if member.failure is not None:
        return member.failure
    best, state = member.best, member.best.state
    one = learner.member(index, state.tensors() if state else None)
    if state is None:
        ranks = _read(one)
        trained = Trained(one.model, last, ranks[0][0] if ranks else None, 0.0)
    else:
        trained = Trained(one.model, best.epoch, best.rank[0], 0.0)
    if last:  # the last step may have ruined what the last loss still looked well on
        member.require_finite(one.final_loss(), trained.epoch)
        member.require_finite(trained.selection or 0.0, trained.epoch)
    return member.failure or trained


class _Loop:
    """Optimizer, learning rate and batch order of one training."""

    def __init__(self, spec: PipelineSpec, catalogue: Catalogue, learner: Learner, seeds: Iterable[int]) -> None:
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
        self._orders = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._all = torch.arange(learner.items)

    def epochs(self, regularizers: Sequence[Regularizer]) -> Iterator[Losses]:
        """The losses of each epoch of the spec, which is trained when it is asked for."""
        for _ in range(self._trainer.epochs):
            yield self._epoch(regularizers)

    def _epoch(self, regularizers: Sequence[Regularizer]) -> Losses:
        """One pass over the labelled items; returns the mean loss of each batch, penalties included."""
        self.learner.model.train()
        of_logits, hearing = penalties_of_logits(regularizers), that_hear_steps(regularizers)
        losses: list[tuple[Tensor, int]] = []
        batches = self._batches()
        for start in range(0, len(batches), self._trainer.accumulate):
            step = batches[start : start + self._trainer.accumulate]
            items = sum(map(len, step))
            self.optimizer.zero_grad(set_to_none=True)
            for batch in step:
                with self._precision():
                    loss = self.learner.loss(batch, of_logits)
                apart = loss
                for regularizer in regularizers:
                    loss = loss + penalty_of(regularizer, self.parameters)
                self._backward(apart if hearing else loss, len(batch), items)
                losses.append((loss.detach(), len(batch)))
            if hearing:
                self._heard_step(regularizers, hearing)
            else:
                self._step()
            if self.scheduler is not None:
                self.scheduler.step()
        self.learner.model.eval()
        return losses

    def _backward(self, loss: Tensor, count: int, items: int) -> None:
        """Of a batch of so many of the step's items."""
        share = loss if count == items else loss * (count / items)
        share.backward(self._one_like(share))  # type: ignore[no-untyped-call]

    def _heard_step(self, regularizers: Sequence[Regularizer], hearing: Sequence[Regularizer]) -> None:
        """A step that is told of. Gradients of what items lose are there; those of the penalties come to them here."""
        parameters = self.parameters.items()
        gradients = {name: torch.zeros_like(one) if one.grad is None else one.grad.clone() for name, one in parameters}
        before = {name: one.detach().clone() for name, one in parameters}
        penalty = torch.stack([penalty_of(one, self.parameters) for one in regularizers]).sum()
        if penalty.requires_grad:
            self._backward(penalty, 1, 1)
        self._step()
        step = Step(gradients, {name: one.detach() - before[name] for name, one in parameters})
        for regularizer in hearing:
            regularizer.stepped(step)

    def _one_like(self, loss: Tensor) -> Tensor:
        """What a loss is differentiated with: a 1, made once; of several members their sum is."""
        one = self._one
        if one is None or (one.dtype, one.device, one.shape) != (loss.dtype, loss.device, loss.shape):
            one = self._one = torch.ones_like(loss)
        return one

    def _batches(self) -> Sequence[Tensor]:
        """Labelled items of each step: all of them in their order, or some in a new one, which each member has."""
        if self.size == self.learner.items:
            return [self._all]
        orders = [torch.randperm(self.learner.items, generator=one) for one in self._orders]
        return torch.split(orders[0] if len(orders) == 1 else torch.stack(orders, dim=1), self.size)

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
