"""How far a run has come: bars where a terminal can redraw them, else a plain line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console as Terminal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

#: Seconds between two lines of one stage.
PAUSE = 30.0
#: The stage that goes on around those which the combinations of a search begin anew; all others follow each other.
TRAIN = "train"


class Shown(Protocol):
    """What shows the stages of a run."""

    def begin(self, stage: str, total: int, done: int, note: str) -> None:
        """A stage begins, perhaps once more; ``total`` is 0 where nobody knows it."""

    def advance(self, stage: str, done: int, note: str | None = None) -> None:
        """A stage has come so far; ``None`` leaves the note as it is."""

    def alive(self, stage: str, note: str) -> None:
        """A stage goes on within one of its units."""

    def job(self, number: int, name: str, done: int, total: int) -> None:
        """A process beside others has come so far; ``total`` is 0 where it does nothing more."""

    def close(self) -> None:
        """Nothing more will come."""


def shown_on(terminal: Terminal) -> Shown:
    """Bars or lines, as the terminal can."""
    return Bars(terminal) if terminal.is_interactive or terminal.is_jupyter else Lines(terminal)


class Bars:
    """A bar a stage, redrawn in place."""

    def __init__(self, terminal: Terminal) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(min_width=12, no_wrap=True)),
            BarColumn(20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn(
                "{task.fields[note]}",
                markup=False,
                table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
            ),
            console=terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def begin(self, stage: str, total: int, done: int, note: str) -> None:
        """A fresh bar, below the others."""
        self._progress.start()
        if stage in self._tasks:
            self._progress.remove_task(self._tasks[stage])
        self._tasks[stage] = self._progress.add_task(stage, total=total, completed=done, note=note)

    def advance(self, stage: str, done: int, note: str | None = None) -> None:
        """The bar grows."""
        fields = {} if note is None else {"note": note}
        self._progress.update(self._tasks[stage], completed=done, **fields)  # type: ignore[arg-type]

    def alive(self, stage: str, note: str) -> None:
        """Its clock shows it."""

    def job(self, number: int, name: str, done: int, total: int) -> None:
        """A bar a process, which goes with what it does."""
        stage = f"job {number}"
        if not total:
            if (task := self._tasks.pop(stage, None)) is not None:
                self._progress.remove_task(task)
        elif stage in self._tasks:
            self._progress.update(self._tasks[stage], completed=done, total=total, note=name)
        else:
            self.begin(stage, total, done, name)

    def close(self) -> None:
        """The bars stay as they are."""
        if self._progress.live.is_started:
            self._progress.stop()


@dataclass(slots=True)
class _Stage:
    total: int
    done: int
    began: float
    #: When the latest line was written, and how much it said was done.
    told: float
    told_done: int


class Lines:
    """A line where a stage begins, one every ``PAUSE`` seconds at most, one where it ends."""

    def __init__(self, terminal: Terminal, clock: Callable[[], float] = time.monotonic) -> None:
        self._terminal, self._clock = terminal, clock
        self._running: dict[str, _Stage] = {}

    def begin(self, stage: str, total: int, done: int, note: str) -> None:
        """The stage before it is over, also where nobody knew how much that would be."""
        for other in [one for one in self._running if one != TRAIN]:
            self._end(other)
        now = self._clock()
        self._running[stage] = _Stage(total, done, now, now, done)
        self._say(stage, note)

    def advance(self, stage: str, done: int, note: str | None = None) -> None:
        """A line where it is time for one, or all is done."""
        if stage in self._running:
            self._running[stage].done = done
            if done == self._running[stage].total:
                self._end(stage, note)
            else:
                self.alive(stage, note or "")

    def alive(self, stage: str, note: str) -> None:
        """A line where it is time for one."""
        if stage in self._running and self._clock() - self._running[stage].told >= PAUSE:
            self._say(stage, note)

    def job(self, number: int, name: str, done: int, total: int) -> None:
        """Lines follow what all processes do together."""

    def close(self) -> None:
        """How far each stage came that did not say so yet."""
        for stage in tuple(self._running):
            self._end(stage)

    def _end(self, stage: str, note: str | None = None) -> None:
        if self._running[stage].done != self._running[stage].told_done:
            self._say(stage, note or "")
        del self._running[stage]

    def _say(self, stage: str, note: str) -> None:
        own, now = self._running[stage], self._clock()
        amount = f"{own.done:,} of {own.total:,}" if own.total else f"{own.done:,}"
        seconds = f"{now - own.began:.0f} s" if now - own.began >= 1 else ""
        said = ", ".join(part for part in (amount, seconds, note) if part)
        self._terminal.print(f"{stage}: {said}", markup=False, soft_wrap=True)
        own.told, own.told_done = now, own.done
