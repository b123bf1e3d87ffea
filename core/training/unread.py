"""Epochs whose figures were not read yet: a read waits for the device, so many epochs share one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from .learner import Learner, Rank

#: Seconds after which progress is due, epochs that wait at most, and bytes of parameters that they may hold.
SECONDS, EPOCHS, BYTES = 0.5, 256, 1 << 26
#: The mean loss of each batch of an epoch, still on the device, with its number of items.
Losses = Sequence[tuple[Tensor, int]]
#: What numbers have to have in common to stand side by side.
Kind = tuple[torch.dtype, torch.device]


@dataclass(frozen=True, slots=True)
class State:
    """Parameters and buffers as they were at the end of an epoch: one operator copied all of a kind."""

    #: Name to kind, shape, and where its numbers begin.
    _places: Mapping[str, tuple[Kind, torch.Size, int]]
    _flat: Mapping[Kind, Tensor]

    @classmethod
    def of(cls, model: nn.Module) -> State:
        """A copy, on its own devices."""
        places, parts = dict[str, tuple[Kind, torch.Size, int]](), dict[Kind, list[Tensor]]()
        with torch.no_grad():
            for name, one in model.state_dict(keep_vars=True).items():
                kind = (one.dtype, one.device)
                before = parts.setdefault(kind, [])
                places[name] = (kind, one.shape, sum(part.numel() for part in before))
                before.append(one.reshape(-1))
            return cls(places, {kind: torch.cat(every) for kind, every in parts.items()})

    def numbers(self) -> list[Tensor]:
        """All of each kind."""
        return list(self._flat.values())

    def of_numbers(self, numbers: Sequence[Tensor]) -> State:
        """Another state of the same model."""
        kinds = zip(self._flat, numbers, strict=True)
        return State(self._places, {kind: one.to(kind[1], kind[0]) for kind, one in kinds})

    def tensors(self) -> dict[str, Tensor]:
        """By name: what ``load_state_dict`` takes."""
        return {
            name: self._flat[kind][start : start + shape.numel()].view(shape)
            for name, (kind, shape, start) in self._places.items()
        }


@dataclass(frozen=True, slots=True)
class Epoch:
    """What is known of an epoch once it was read."""

    number: int
    loss: float
    #: Primary metric and negative loss: higher is better.
    rank: tuple[float, float] | None
    usage: Mapping[str, tuple[float, ...]]
    state: State | None


@dataclass(slots=True)
class _Waiting:
    number: int
    losses: Losses
    rank: Rank | None = None
    usage: Mapping[str, Tensor] = field(default_factory=dict)
    state: State | None = None

    def unread(self) -> Iterator[Tensor | float]:
        """Its scalars: losses, rank, usage."""
        for value in (*(loss for loss, _ in self.losses), *(self.rank or ())):
            yield from each(value)
        for shares in self.usage.values():
            yield from shares.unbind()


class Unread:
    """Hands epochs on in their order, each once, ``SECONDS`` or ``EPOCHS`` after they were over at the latest."""

    def __init__(
        self,
        learner: Learner,
        keeps_states: bool,
        hears: Sequence[Callable[[Epoch], None]],
        rank: Callable[[], Rank | None],
    ) -> None:
        """``hears``: one a member. ``rank``: that of ``learner``."""
        self._learner, self._keeps_states, self._hears, self._rank = learner, keeps_states, hears, rank
        size = sum(one.numel() * one.element_size() for one in learner.model.state_dict().values())
        self._most = min(EPOCHS, max(1, BYTES // max(1, size)))
        self._waiting: list[_Waiting] = []
        self._since = time.perf_counter()

    def add(self, number: int, losses: Losses) -> None:
        """One epoch more: its losses, and the learner as it is now. An interrupt leaves it out."""
        latest = _Waiting(number, losses)
        try:
            latest.rank, latest.usage = self._rank(), self._learner.usage()
        except Exception:  # its losses may say why
            self._waiting.append(latest)
            raise
        self._waiting.append(latest)
        if self._keeps_states and latest.rank is not None:
            latest.state = State.of(self._learner.model)
        if len(self._waiting) >= self._most or time.perf_counter() - self._since >= SECONDS:
            self.read()

    def read(self) -> None:
        """Hand on all that wait."""
        waiting, self._waiting = self._waiting, []
        values = iter(numbers_of([value for one in waiting for value in one.unread()]))
        epochs = [self._of_members(one, values) for one in waiting]
        for hear, of_member in zip(self._hears, zip(*epochs, strict=True), strict=False):
            for one in of_member:
                hear(one)
        self._since = time.perf_counter()

    def _of_members(self, one: _Waiting, values: Iterator[float]) -> list[Epoch]:
        """An epoch as each member has it."""

        def taken() -> list[float]:
            return [next(values) for _ in self._hears]

        items = sum(count for _, count in one.losses)
        shares = [[loss * count / items for loss in taken()] for _, count in one.losses]
        losses = [sum(of_member) for of_member in zip(*shares, strict=True)]
        ranks = (
            [None] * len(losses) if one.rank is None else [rank_of(*of) for of in zip(taken(), taken(), strict=True)]
        )
        usage = {name: tuple(next(values) for _ in range(len(of))) for name, of in one.usage.items()}
        return [Epoch(one.number, loss, rank, usage, one.state) for loss, rank in zip(losses, ranks, strict=True)]


def each(value: Tensor | float) -> Sequence[Tensor | float]:
    """Of each member, of what has one number a member; else the number itself."""
    return value.unbind() if isinstance(value, Tensor) and value.ndim else (value,)


def rank_of(figure: float, loss: float) -> tuple[float, float]:
    """The figure and the negative loss; minus infinity where the loss is not finite."""
    return (figure, -loss) if math.isfinite(loss) else (-math.inf, -math.inf)


def numbers_of(values: Sequence[Tensor | float]) -> list[float]:
    """Scalars of any floating dtype as numbers, by one read."""
    tensors = [one for one in values if isinstance(one, Tensor)]
    read = iter(torch.stack(tensors).tolist() if tensors else ())
    return [next(read) if isinstance(one, Tensor) else one for one in values]
