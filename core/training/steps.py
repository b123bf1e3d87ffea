"""The steps of one training: optimizer, learning rate, batch order, and where it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR

from ...registry.build import build
from ...registry.catalogue import Catalogue
from ..roles.regularizer import Regularizer, Step, penalties_of_logits, penalty_of, that_hear_steps
from ..spec.pipeline_spec import PipelineSpec, TrainerSpec
from .checkpoints.tree import Tree
from .learner import Learner
from .members import LOWER, TrainingError
from .recorders import Found, recorder
from .replayed import NEAR, NEAR_BF16, Replayed, Watched
from .unread import Losses

#: What a learner gathered of a batch, its number of items, and those of the whole step.
Given: TypeAlias = tuple[Any, int, int]


class Steps:
    """Optimizer, learning rate and batch order of one training."""

    def __init__(self, spec: PipelineSpec, catalogue: Catalogue, learner: Learner, seeds: Iterable[int]) -> None:
        self.learner, self._trainer = learner, spec.trainer
        self.size = min(spec.trainer.batch_size or learner.default_batch or learner.items, learner.items)
        self.parameters = learner.model.trainable()
        self.optimizer = build(Optimizer, catalogue, spec.trainer.optimizer, list(self.parameters.values()))
        batches = math.ceil(learner.items / self.size)
        steps = spec.trainer.epochs * math.ceil(batches / spec.trainer.accumulate)
        self.scheduler = scheduler_of(spec.trainer, self.optimizer, steps)
        self._one: Tensor | None = None
        device, times = next(iter(self.parameters.values())).device, spec.trainer.epochs * batches
        #: What records what is computed again and again.
        self.record = recorder(device, times)
        self._replayed: Replayed | None = None
        hooked = any(getattr(one, "_post_accumulate_grad_hooks", None) for one in self.parameters.values())
        if self.record and not spec.regularizers and not hooked:
            near = NEAR if spec.trainer.precision == "fp32" else NEAR_BF16
            watched = Watched(learner.model, learner.asks())
            self._replayed = Replayed(self._backward_of, watched, self.record, times, self._gradients_of, near)
        self._orders = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._all = torch.arange(learner.items)
        #: How many epochs there will be.
        self.last = spec.trainer.epochs
        #: Epochs that are over and were handed on, and steps of the one after them.
        self.epoch, self.step = 0, 0
        self._losses: list[tuple[Tensor, int]] = []
        self._drawn_from = [one.get_state() for one in self._orders]

    def epochs(self, regularizers: Sequence[Regularizer], after_step: Callable[[], None]) -> Iterator[Losses]:
        """The losses of each epoch of the spec from where it is on, which is trained when it is asked for.

        ``after_step`` is called when nothing is half done.
        """
        try:
            while self.epoch < self._trainer.epochs:
                self._train_epoch(regularizers, after_step)
                yield self._losses
                self.epoch, self.step, self._losses = self.epoch + 1, 0, []
        finally:
            self._replayed = None  # recordings hold memory

    def _train_epoch(self, regularizers: Sequence[Regularizer], after_step: Callable[[], None]) -> None:
        """One pass over the labelled items; notes the mean loss of each batch, penalties included."""
        self.learner.model.train()
        of_logits, hearing = penalties_of_logits(regularizers), that_hear_steps(regularizers)
        batches = self._batches()
        for start in range(self.step * self._trainer.accumulate, len(batches), self._trainer.accumulate):
            step = batches[start : start + self._trainer.accumulate]
            items = sum(map(len, step))
            self.optimizer.zero_grad(set_to_none=True)
            for batch in step:
                if self._replayed is not None and (gathered := self._gathered(batch)) is not None:
                    self._losses.append((self._graded(self._replayed, (gathered, len(batch), items)), len(batch)))
                    continue
                with self._precision():
                    loss = self.learner.loss(batch, of_logits)
                apart = loss
                for regularizer in regularizers:
                    loss = loss + penalty_of(regularizer, self.parameters)
                self._backward(apart if hearing else loss, len(batch), items)
                self._losses.append((loss.detach(), len(batch)))
            if hearing:
                self._heard_step(regularizers, hearing)
            else:
                self._step()
            if self.scheduler is not None:
                self.scheduler.step()
            self.step += 1
            after_step()
        self.learner.model.eval()

    def _gathered(self, batch: Tensor) -> Any:
        with self._precision():
            return self.learner.gathered(batch)

    def _graded(self, replayed: Replayed, given: Given) -> Tensor:
        """The loss of a batch; its gradients come to those of the step's other batches. Each is a parameter's own: an
        optimizer may write into it, and keep it."""
        parameters = list(self.parameters.values())
        before = [one.grad for one in parameters]
        for one in parameters:
            one.grad = None
        loss, *found = replayed(given)
        for parameter, earlier, gradient in zip(parameters, before, found, strict=False):
            if gradient is not parameter.grad:
                parameter.grad = gradient.clone() if isinstance(gradient, Tensor) else None
            if earlier is not None:
                parameter.grad = earlier if parameter.grad is None else earlier.add_(parameter.grad)
        told = [one.clone() for one in found[len(parameters) :] if isinstance(one, Tensor)]
        self.learner.note(told, given[1])
        assert isinstance(loss, Tensor)
        return loss.clone()

    def _backward_of(self, given: Given) -> Found:
        with self._precision():
            loss, told = self.learner.loss_of(given[0])
        self._backward(loss, *given[1:])
        return loss.detach(), *(one.grad for one in self.parameters.values()), *told

    def _gradients_of(self, given: Given) -> Found:
        """The same without a word to the parameters, which a replay could not have."""
        with self._precision():
            loss, told = self.learner.loss_of(given[0])
        share = _share(loss, *given[1:])
        gradients = torch.autograd.grad(share, list(self.parameters.values()), self._one_like(share), allow_unused=True)
        return loss.detach(), *gradients, *told

    def _backward(self, loss: Tensor, count: int, items: int) -> None:
        """Of a batch of so many of the step's items."""
        share = _share(loss, count, items)
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

    def state(self) -> Tree:
        """Where it is; nothing is half done."""
        losses = [loss for loss, _ in self._losses]
        return {
            "epoch": self.epoch,
            "step": self.step,
            "losses": torch.stack(losses) if losses else None,
            "items": [items for _, items in self._losses],
            "orders": self._drawn_from,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.scheduler.state_dict() if self.scheduler else None,
        }

    def resume(self, tree: Tree) -> None:
        """Be where it was."""
        device = next(iter(self.parameters.values())).device
        self.epoch, self.step = tree["epoch"], tree["step"]
        losses = () if tree["losses"] is None else tree["losses"].to(device).unbind()
        self._losses = list(zip(losses, tree["items"], strict=True))
        for one, state in zip(self._orders, tree["orders"], strict=True):
            one.set_state(state)
        self._drawn_from = tree["orders"]
        self.optimizer.load_state_dict(tree["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(tree["schedule"])

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
        self._drawn_from = [one.get_state() for one in self._orders]
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


def _share(loss: Tensor, count: int, items: int) -> Tensor:
    return loss if count == items else loss * (count / items)


def scheduler_of(trainer: TrainerSpec, optimizer: Optimizer, steps: int) -> LRScheduler | None:
    """What changes the rates of ``optimizer`` after each of ``steps`` steps; ``None`` where they stay as they are.

    Of w steps of warm-up step k, from 1, has k/w of the rate; the cosine begins after them (ours; a linear warm-up is
    of Goyal et al., arXiv 1706.02677, sec. 2.2).
    """
    warm = round(trainer.warmup * steps)
    warm = 0 if warm == 1 else warm  # one step would have the whole rate
    rest = CosineAnnealingLR(optimizer, max(steps - warm, 1)) if trainer.schedule == "cosine" else None
    if not warm:
        return rest
    rise = LinearLR(optimizer, 1 / warm, total_iters=warm - 1)
    return SequentialLR(optimizer, [rise, rest], [warm]) if rest is not None else rise
