"""Progress and result in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from rich.console import Console as Terminal
from rich.table import Table
from rich.text import Text

from ...core.events import (
    EpochFinished,
    Event,
    JobAdvanced,
    Note,
    RunFinished,
    RunStarted,
    StageAdvanced,
    StageStarted,
    TaskStarted,
    TrainingFinished,
)
from ...core.roles import Reporter
from ...core.run.measured import result_rows
from ...core.storage.result import Result
from ...core.storage.result_parts import Example
from ...registry.errors import one_line, printable
from .progress import TRAIN, shown_on
from .specs import ConsoleSpec


class _Terminal(Terminal):
    """Rich ends the process where nobody reads any more; a run goes on."""

    def on_broken_pipe(self) -> None:
        """Say nothing from now on."""
        self.quiet = True


class Console(Reporter):
    """The stages while they run, then a table. Writes to standard error, so that pipes stay clean."""

    def __init__(self, spec: ConsoleSpec, folder: Path, terminal: Terminal | None = None) -> None:
        self._spec = spec
        self._terminal = terminal or _Terminal(stderr=True, highlight=False)
        self._shown = shown_on(self._terminal)
        self._trainings = 0
        #: The latest training that is over; ``None`` before the first begins.
        self._trained: int | None = None
        #: The task of a sequence that is learnt, in words.
        self._task = ""

    def hear(self, event: Event) -> None:
        """Show the event; what a terminal would act upon in a name of it is escaped."""
        self._show(replace(event, **{one.name: _printable(getattr(event, one.name)) for one in fields(event)}))

    def _show(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._trainings = event.trainings
                self._terminal.print(Text(event.name, "bold"))
            case StageStarted():
                stored = f"{event.done} stored" if event.done else ""
                self._shown.begin(event.stage, event.total, event.done, stored)
            case StageAdvanced():
                self._shown.advance(event.stage, event.done)
            case JobAdvanced():
                self._shown.job(event.job, event.name, event.done, event.total)
            case TaskStarted():
                self._task = f"seed {event.seed}, task {event.number} of {event.of}: {event.name}"
            case EpochFinished():
                self._begin_training()
                self._shown.alive(TRAIN, f"{self._task or f'training {event.training}'}, epoch {event.epoch}")
            case TrainingFinished():
                self._finish_training(event)
            case Note():
                self._terminal.print(Text.assemble(("note", "yellow"), f": {event.message}"), soft_wrap=True)
            case RunFinished():
                result = Result.from_json(event.result, "the result")
                if self._trained is not None:  # the values beside the bar were those of the latest training
                    self._shown.advance(TRAIN, self._trained, _said("chosen: ", result.chosen))
                self.close()
                if self._spec.table:
                    self._terminal.print(result_table(result))
                    self._terminal.print(conditions(result), soft_wrap=True, markup=False)
                    self._terminal.print(examples(result.examples), end="", soft_wrap=True, markup=False)
                self._terminal.print(f"saved in {event.folder}", markup=False, soft_wrap=True)
            case _:
                pass

    def _begin_training(self) -> None:
        if self._trained is None:
            self._trained = 0
            self._shown.begin(TRAIN, self._trainings, 0, "")

    def _finish_training(self, event: TrainingFinished) -> None:
        self._begin_training()
        self._trained = event.training
        score = "" if event.selection is None else f"selection {event.selection:.3f}"
        note = "  ".join(part for part in (score, _said("", event.values)) if part)
        self._shown.advance(TRAIN, event.training, "" if event.training == self._trainings else note)

    def close(self) -> None:
        """Leave what was shown as it is."""
        self._shown.close()


def _printable(value: Any) -> Any:
    """The same with every text in it ``printable``."""
    if isinstance(value, dict):
        return {printable(key) if isinstance(key, str) else key: _printable(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_printable, value))
    return printable(value) if isinstance(value, str) else value


def _said(before: str, values: dict[str, Any]) -> str:
    return before + ", ".join(f"{key} {_short(value)}" for key, value in values.items()) if values else ""


def _short(value: Any) -> str:
    return str(value.get("type", "...")) if isinstance(value, dict) else str(value)


def result_table(result: Result) -> Table:
    """What was measured."""
    table = Table(title=Text(f"{result.name} on {result.test_on}"), title_justify="left")
    table.add_column("metric")
    table.add_column("mean ± s.d.", justify="right")
    for name, figure in result_rows(result):
        table.add_row(Text(name), figure)
    return table


def conditions(result: Result) -> str:
    """Under which conditions it was measured."""
    chosen = "; ".join(f"{key} = {_short(value)}" for key, value in result.chosen.items())
    leak = f" ({result.inductive_note})" if result.inductive == "transductive" else ""
    graph = f", inductive policy {result.inductive}{leak}, pool {result.pool}" if result.graph else ""
    return (
        f"seeds {result.seeds}, selected on {result.select_on}{f' ({chosen})' if chosen else ''}{graph}\n"
        f"split {result.dataset.split_id}"
    )


def examples(found: Sequence[Example]) -> str:
    """What the texts of some items are, a line each."""
    lines = [f"{one.id}: {one_line(one.description) or '(nothing)'}\n" for one in found]
    return "".join(["examples of descriptions\n", *lines]) if lines else ""
