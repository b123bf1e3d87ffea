"""Epochs whose figures were not read yet: a read waits for the device, so many epochs share one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from .learner import Learner, Rank

#: Seconds after which progress is due, epochs that wait at most, and bytes of parameters that they may hold.
SECONDS, EPOCHS, BYTES = 0.5, 256, 1 << 26
#: The mean loss of each batch of an epoch, still on the device, with its number of items.
Losses = Sequence[tuple[Tensor, int]]
#: Parameters and buffers by name, as they were at the end of an epoch.
State = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Epoch:
    """What is known of an epoch once it was read."""

    number: int
    loss: float
    #: As ``Learner.rank``.
    rank: tuple[float, float] | None
    usage: Mapping[str, tuple[float, ...]]
    state: State | None


@dataclass(slots=True)
class _Waiting:
    number: int
    losses: Losses
    rank: Rank | None = None
    usage: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    state: State | None = None


class Unread:
    """Hands epochs on in their order, each once, ``SECONDS`` or ``EPOCHS`` after they were over at the latest."""

    def __init__(self, learner: Learner, keeps_states: bool, hear: Callable[[Epoch], None]) -> None:
        self._learner, self._keeps_states, self._hear = learner, keeps_states, hear
        size = sum(one.numel() * one.element_size() for one in learner.model.state_dict().values())
        self._most = min(EPOCHS, max(1, BYTES // max(1, size)))
        self._waiting: list[_Waiting] = []
        self._since = time.perf_counter()

    def add(self, number: int, losses: Losses) -> None:
        """One epoch more: its losses, and the learner as it is now."""
        latest = _Waiting(number, losses)
        self._waiting.append(latest)
        latest.rank, latest.usage = self._learner.rank(), self._learner.usage()
        if self._keeps_states and latest.rank is not None:
            latest.state = state_of(self._learner.model)
        if len(self._waiting) >= self._most or time.perf_counter() - self._since >= SECONDS:
            self.read()

    def read(self) -> None:
        """Hand on all that wait."""
        waiting, self._waiting = self._waiting, []
        every = [value for one in waiting for value in (*(loss for loss, _ in one.losses), *(one.rank or ()))]
        values = iter(numbers_of(every))
        for one in waiting:
            items = sum(count for _, count in one.losses)
            loss = sum(next(values) * count / items for _, count in one.losses)
            rank = None if one.rank is None else rank_of(next(values), next(values))
            self._hear(Epoch(one.number, loss, rank, one.usage, one.state))
        self._since = time.perf_counter()


def state_of(model: nn.Module) -> State:
    """A copy of its state dict on its own device."""
    with torch.no_grad():
        return {name: one.clone() for name, one in model.state_dict(keep_vars=True).items()}


def rank_of(figure: float, negative_loss: float) -> tuple[float, float]:
    """Both; minus infinity where the loss is not finite."""
    return (figure, negative_loss) if math.isfinite(negative_loss) else (-math.inf, -math.inf)


def numbers_of(values: Sequence[Tensor | float]) -> list[float]:
    """Scalars of any floating dtype as numbers, by one read."""
    tensors = [one for one in values if isinstance(one, Tensor)]
    read = iter(torch.stack(tensors).tolist() if tensors else ())
    return [next(read) if isinstance(one, Tensor) else one for one in values]
