"""The epochs of a training, which may be left after any whole step and gone on with."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Generator, Tensor

from ..events import Note
from ..roles.regularizer import Regularizer
from .checkpoints.attributes import Attributes
from .checkpoints.folder import Checkpoints, ResumeError, place_of
from .checkpoints.interrupts import WaitingSignals
from .checkpoints.tree import Tree, unequal
from .learner import Learner, Rank
from .members import Member, best_states, states_in
from .replayed import Replayed, Watched
from .steps import Steps
from .unread import Unread

#: What says nothing of what is computed from here on.
_ASIDE = {"seconds", "threads", "of"}


class Course:
    """Trains a learner from where it is to the last epoch."""

    def __init__(
        self,
        learner: Learner,
        steps: Steps,
        members: Sequence[Member],
        regularizers: Sequence[Regularizer],
        generator: Generator,
        checkpoints: Checkpoints | None,
        began: float,
    ) -> None:
        """``generator``: what the regularizers draw from; ``began``: when the training did."""
        self._learner, self._steps, self._members, self._regularizers = learner, steps, members, regularizers
        self._generator, self._checkpoints, self.began = generator, checkpoints, began
        self._device = next(iter(steps.parameters.values())).device
        self._signals = WaitingSignals()
        self._attributes = Attributes(learner.model) if checkpoints else None
        #: Ranks the learner where that is the same each time.
        self._again: Replayed | None = None
        if steps.record and learner.same_each_time:
            watched = Watched(learner.model, learner.asks())
            self._again = Replayed(lambda given: learner.rank() or (), watched, steps.record, steps.last)
        self._unread = Unread(learner, members[0].keeps, [member.read for member in members], self._rank)

    def train(self) -> None:
        """Train, and tell each member of its epochs, until the end or until all have failed.

        A signal that asks to end waits for the end of a step, and a checkpoint is written before it does.
        """
        with self._signals if self._checkpoints else nullcontext():
            self._train()

    def _train(self) -> None:
        try:
            for losses in self._steps.epochs(self._regularizers, self._after_step):
                self._unread.add(self._steps.epoch + 1, losses)
                if all(member.failure for member in self._members):
                    break
        except Exception as error:
            self._unread.read()
            for member in self._members:
                if member.failure:  # a loss that was not finite came first, and says more
                    raise member.failure from error
            raise
        finally:
            self._again = None  # recordings hold memory
        self._unread.read()

    def _after_step(self) -> None:
        if self._checkpoints and (self._signals.asked or self._checkpoints.due()):
            self._write(self._checkpoints, _random(self._device, self._generator))
            self._signals.end_if_asked()

    def _rank(self) -> Rank | None:
        """Of the learner. It may take long and changes nothing of the training: no signal waits for it."""
        if self._checkpoints is None:
            return self._ranked()
        random = _random(self._device, self._generator)
        try:
            with self._signals.at_once():
                return self._ranked()
        except KeyboardInterrupt:
            self._write(self._checkpoints, random)
            raise

    def _ranked(self) -> Rank | None:
        if self._again is None:
            return self._learner.rank()
        found = [one.clone() if isinstance(one, Tensor) else float(one or 0) for one in self._again()]
        return (found[0], found[1]) if found else None

    def _write(self, checkpoints: Checkpoints, random: Tree) -> None:
        self._unread.read()
        if not all(member.failure for member in self._members):
            checkpoints.write(place_of(self._steps.epoch, self._steps.step), self._state(random))

    def _state(self, random: Tree) -> Tree:
        """All that goes on; every epoch was read."""
        return {
            "model": self._learner.model.state_dict(),
            "attributes": self._attributes.changed() if self._attributes else {},
            "learner": self._learner.state(),
            "training": self._steps.state(),
            "regularizers": [one.state() for one in self._regularizers],
            "members": [one.state() for one in self._members],
            "best": best_states(self._members),
            "random": random,
            "seconds": time.perf_counter() - self.began,
            "threads": torch.get_num_threads(),
        }

    def resume(self) -> bool:
        """Go to where the newest checkpoint was written; whether there was one.

        Raises ``ResumeError`` where it is not as it was, to the bit.
        """
        tree = self._checkpoints.newest() if self._checkpoints else None
        if tree is None or self._checkpoints is None:
            return False
        where = f"{self._checkpoints.folder.parent}"
        try:
            self._restore(tree)
        except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise ResumeError(
                f"{where}: a checkpoint lacks something or does not fit ({type(error).__name__}: {error}); begin anew: "
                "--restart"
            ) from error
        now = self._state(_random(self._device, self._generator))
        if other := list(unequal(_essential(now), _essential(tree))):
            raise ResumeError(
                f"{where}: {', '.join(other[:3])} of a checkpoint did not come back as it was written, and the result "
                "would be another; begin anew: --restart"
            )
        self._say(self._checkpoints, tree["threads"])
        return True

    def _restore(self, tree: Tree) -> None:
        states = states_in(tree["best"], self._learner.model)
        self._learner.model.load_state_dict(tree["model"])
        if self._attributes:
            self._attributes.put_back(tree["attributes"])
        self._learner.resume(tree["learner"])
        self._steps.resume(tree["training"])
        for regularizer, state in zip(self._regularizers, tree["regularizers"], strict=True):
            regularizer.resume(state)
        for member, said in zip(self._members, tree["members"], strict=True):
            member.resume(said, states)
        self.began = time.perf_counter() - tree["seconds"]
        _draw_from(tree["random"], self._device, self._generator)

    def _say(self, checkpoints: Checkpoints, threads: int) -> None:
        at = f"epoch {self._steps.epoch + 1}, after {self._steps.step} of its steps"
        checkpoints.tell(Note(f"a training goes on in {at}; epochs before are told again"))
        if threads != torch.get_num_threads():
            here = f"{threads} threads then, {torch.get_num_threads()} now"
            checkpoints.tell(Note(f"{here}: the result is the same to rounding, not to the bit"))


def _essential(tree: Tree) -> Tree:
    return {key: one for key, one in tree.items() if key not in _ASIDE}


def _random(device: torch.device, generator: Generator) -> Tree:
    """Where every generator is that a training draws from, but for the order of batches."""
    found: dict[str, Any] = {"torch": torch.get_rng_state(), "views": generator.get_state()}
    if device.type == "cuda":
        found["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        found["mps"] = torch.mps.get_rng_state()
    return found


def _draw_from(tree: Tree, device: torch.device, generator: Generator) -> None:
    torch.set_rng_state(tree["torch"])
    generator.set_state(tree["views"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(tree["cuda"], device)
    if device.type == "mps":
        torch.mps.set_rng_state(tree["mps"])
