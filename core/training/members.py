"""The trainings that a learner is: what was heard of each, and which of its epochs is worth keeping."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ...registry.errors import UserError
from ..spec.pipeline_spec import PipelineSpec
from .checkpoints.tree import Tree
from .learner import TrainableModel
from .unread import Epoch, State


class TrainingError(UserError):
    """Training broke down; the message says when and what to change."""


LOWER = "lower trainer.optimizer.lr"
#: ``hear(epoch, loss, metric, usage)``.
Hear = Callable[[int, float, float | None, Mapping[str, tuple[float, ...]]], None]
#: What it was told of an epoch.
Heard = tuple[int, float, float | None, Mapping[str, tuple[float, ...]]]


@dataclass(slots=True)
class Best:
    """The parameters worth keeping: highest metric, then lowest loss, on the selection split."""

    rank: tuple[float, float] = (-math.inf, -math.inf)
    epoch: int = 0
    state: State | None = None

    def offer(self, state: State | None, epoch: int, rank: tuple[float, float]) -> None:
        """Take it if it is better."""
        if rank > self.rank:
            self.rank, self.epoch, self.state = rank, epoch, state


class Member:
    """What is known of one of the trainings that a learner is."""

    def __init__(self, spec: PipelineSpec, seed: int, hear: Hear) -> None:
        self._of = f" with seed {seed}" if len(spec.seeds) > 1 else ""
        self._hear = hear
        self.best, self.keeps = Best(), spec.trainer.keep == "best"
        #: Its learning curve.
        self.heard: list[Heard] = []
        #: Why it has no outcome; nothing is heard of it from then on.
        self.failure: TrainingError | None = None

    def read(self, one: Epoch) -> None:
        """One epoch more."""
        self.require_finite(one.loss, one.number)
        if self.failure is not None:
            return
        if one.rank is not None and self.keeps:
            self.best.offer(one.state, one.number, one.rank)
        metric = one.rank[0] if one.rank and math.isfinite(one.rank[0]) else None
        self.heard.append((one.number, one.loss, metric, one.usage))
        self._hear(*self.heard[-1])

    def require_finite(self, value: float, epoch: int) -> None:
        """It fails, if it did not before."""
        if self.failure is None and not math.isfinite(value):
            cause = LOWER + (", unless what adapter or head gives is not finite from the start" if epoch == 1 else "")
            self.failure = TrainingError(f"the loss is no longer finite in epoch {epoch}{self._of}; {cause}")

    def state(self) -> Tree:
        """All but the parameters worth keeping, which several may share: ``best_states``."""
        failure = str(self.failure) if self.failure else None
        has = self.best.state is not None
        return {
            "heard": said_of(self.heard),
            "failure": failure,
            "best": {"rank": self.best.rank, "epoch": self.best.epoch, "kept": has},
        }

    def resume(self, tree: Tree, states: Mapping[int, State]) -> None:
        """As it was, and tell of its epochs again."""
        best = tree["best"]
        self.best = Best(best["rank"], best["epoch"], states[best["epoch"]] if best["kept"] else None)
        self.failure = TrainingError(tree["failure"]) if tree["failure"] else None
        self.heard = heard_in(tree["heard"])
        for one in self.heard:
            self._hear(*one)


def best_states(members: Sequence[Member]) -> Tree:
    """Epoch to the numbers of parameters and buffers at its end, each once."""
    found = {one.best.epoch: one.best.state for one in members if one.best.state is not None}
    return {str(epoch): state.numbers() for epoch, state in found.items()}


def states_in(tree: Tree, model: TrainableModel) -> dict[int, State]:
    """The same again, of a model as it was then."""
    return {int(epoch): State.of(model).of_numbers(numbers) for epoch, numbers in tree.items()}


def said_of(heard: Sequence[Heard]) -> list[list[object]]:
    """As JSON."""
    return [
        [epoch, loss, metric, {name: list(one) for name, one in usage.items()}] for epoch, loss, metric, usage in heard
    ]


def heard_in(said: Sequence[Sequence[object]]) -> list[Heard]:
    """From JSON."""
    return [
        (epoch, loss, metric, {name: tuple(one) for name, one in usage.items()})  # type: ignore[misc, attr-defined]
        for epoch, loss, metric, usage in said
    ]
