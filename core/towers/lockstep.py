"""Several towers, each in its own forward, advancing from stop to stop together.

Each forward runs in a greenlet of its own. A hook at a stop hands the hidden state to the hub and sleeps; when every
tower has arrived, the hub has all states, asks ``exchange`` for the updates, and wakes each tower with its own. So the
updates come from states of before any update, and no line of a model's forward is copied. Source: ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from greenlet import GreenletExit, getcurrent, greenlet
from torch import Tensor, nn

from .errors import TowerError
from .stop import Stop, hidden_state_of, split_output
from .tower import Tower

#: ``exchange(meeting, states)``: for each tower the update [B, N, d] to add to its state, or ``None`` for none.
Exchange = Callable[[int, Mapping[str, Tensor]], Mapping[str, Tensor | None]]


def lockstep(
    calls: Mapping[str, Callable[[], Any]], stops: Mapping[str, Sequence[Stop]], exchange: Exchange
) -> dict[str, Any]:
    """Run every tower's forward; at meeting k all wait at their ``stops[name][k]``. Returns what each forward gives.

    A tower that is not among ``calls`` is simply absent (a missing modality). Autograd, autocast and ``no_grad`` hold
    as they do for plain calls. An exception in one tower, or in ``exchange``, ends all and comes out here; every hook
    is gone afterwards. Raises ``TowerError`` where a tower does not pass its stops in order, once each.
    """
    meetings = {len(stops[name]) for name in calls}
    if len(meetings) > 1:
        raise TowerError("towers that advance together need equally many stops")
    runners = {name: _Runner(name, call, stops[name]) for name, call in calls.items()}
    with _hooked(runners.values()):
        for runner in runners.values():
            runner.resume(None)
        for meeting in range(meetings.pop() if meetings else 0):
            states = {name: runner.state_at(meeting) for name, runner in runners.items()}
            updates = exchange(meeting, states)
            del states
            for name, runner in runners.items():
                runner.resume(updates.get(name))
        return {name: runner.outcome() for name, runner in runners.items()}


def walked(tower: Tower, inputs: Mapping[str, Any]) -> Any:
    """What a tower gives for its forward's keyword arguments, passing every block as if it stopped there.

    Raises ``TowerError`` where a block is passed twice, never or out of order, or its state is of another width than
    its structure says.
    """
    stops = tower.stops(range(len(tower.blocks)), ["block"], "sequential")
    with torch.no_grad():
        found = lockstep({tower.name: lambda: tower.model(**inputs)}, {tower.name: stops}, lambda meeting, states: {})
    return found[tower.name]


@dataclass(slots=True)
class _Arrival:
    meeting: int
    state: Tensor


@dataclass(slots=True)
class _Runner:
    """One tower's forward in its greenlet."""

    name: str
    call: Callable[[], Any]
    stops: Sequence[Stop]
    thread: greenlet = field(init=False)
    passed: int = 0
    last: Any = None

    def __post_init__(self) -> None:
        self.thread = greenlet(self.call)

    def resume(self, update: Tensor | None) -> None:
        """Let the tower run to its next stop, or to its end. torch's modes of this side hold again afterwards."""
        modes = _Modes.current()
        try:
            self.last = self.thread.switch() if self.passed == 0 else self.thread.switch(update)
            self.passed += 1
        finally:
            modes.restore()

    def arrive(self, meeting: int, state: Tensor) -> Tensor | None:
        """In the tower's greenlet: hand out the state, sleep, wake with the update. torch's modes are put back."""
        modes = _Modes.current()
        assert self.thread.parent is not None
        update: Tensor | None = self.thread.parent.switch(_Arrival(meeting, state))
        modes.restore()
        return update

    def state_at(self, meeting: int) -> Tensor:
        if not isinstance(self.last, _Arrival):
            raise TowerError(f"{self.stops[meeting].name} is never reached: the forward ended before it")
        if self.last.meeting != meeting:
            raise TowerError(
                f"{self.stops[self.last.meeting].name} is reached where {self.stops[meeting].name} should come: "
                "blocks that run twice or out of order cannot be stops"
            )
        state, self.last = self.last.state, None
        return state

    def outcome(self) -> Any:
        if isinstance(self.last, _Arrival):
            raise TowerError(f"{self.stops[self.last.meeting].name} runs a second time: such blocks cannot be stops")
        return self.last

    def end(self) -> None:
        """Unwind a forward that waits at a stop: its ``finally`` blocks run, its frames are freed."""
        if self.thread and not self.thread.dead:
            modes = _Modes.current()
            self.thread.throw(GreenletExit)
            modes.restore()


@contextmanager
def _hooked(runners: Any) -> Iterator[None]:
    handles = []
    try:
        for runner in runners:
            for meeting, stop in enumerate(runner.stops):
                handles += _hook(runner, meeting, stop)
        yield
    finally:
        for handle in handles:
            handle.remove()
        for runner in runners:
            runner.end()


def _hook(runner: _Runner, meeting: int, stop: Stop) -> list[Any]:
    entered: list[Tensor] = []

    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if getcurrent() is runner.thread:
            entered[:] = [hidden_state_of(args, kwargs, stop)]

    def after(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        if getcurrent() is not runner.thread:
            return None  # someone else's call of the same model
        given, add = split_output(output, stop)
        update = runner.arrive(meeting, entered.pop() if stop.placement == "parallel" else given)
        return None if update is None else add(update)

    handles = [stop.exit.register_forward_hook(after)]
    if stop.placement == "parallel":
        handles.append(stop.entry.register_forward_pre_hook(before, with_kwargs=True))
    return handles


@dataclass(frozen=True, slots=True)
class _Modes:
    """torch's modes are a thread's, not a greenlet's: whoever switches puts back what it had."""

    grad: bool
    autocast: tuple[tuple[str, bool, torch.dtype], ...]

    @classmethod
    def current(cls) -> _Modes:
        kinds = ("cpu", "cuda")
        return cls(
            torch.is_grad_enabled(),
            tuple((kind, torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)) for kind in kinds),
        )

    def restore(self) -> None:
        torch.set_grad_enabled(self.grad)
        for kind, enabled, dtype in self.autocast:
            torch.set_autocast_enabled(kind, enabled)
            torch.set_autocast_dtype(kind, dtype)
