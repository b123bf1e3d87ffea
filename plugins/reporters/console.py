"""Progress and result in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console as Terminal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from ...core.events import (
    EpochFinished,
    Event,
    Note,
    RunFinished,
    RunStarted,
    StageAdvanced,
    StageStarted,
    TrainingFinished,
)
from ...core.measured import Kept, Score
from ...core.reporter import Reporter
from ...registry.errors import one_line
from . import ConsoleSpec


class Console(Reporter):
    """A bar for each stage while it runs, then a table. Writes to standard error, so that pipes stay clean."""

    def __init__(self, spec: ConsoleSpec, folder: Path) -> None:
        self._spec = spec
        self._terminal = Terminal(stderr=True, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}", table_column=Column(min_width=12, no_wrap=True)),
            BarColumn(20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            console=self._terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._trainings = 0

    def hear(self, event: Event) -> None:
        """Show the event."""
        match event:
            case RunStarted():
                self._trainings = event.trainings
                self._terminal.print(f"[bold]{event.name}[/bold]")
                self._progress.start()
            case StageStarted():
                stored = f"{event.done} stored" if event.done else ""
                self._bar(event.stage, event.total, event.done, stored)
            case StageAdvanced():
                self._progress.update(self._tasks[event.stage], completed=event.done)
            case EpochFinished() if event.epoch == 1 and "train" not in self._tasks:
                self._bar("train", self._trainings, 0, "")
            case TrainingFinished():
                self._trained(event)
            case Note():
                self._progress.console.print(f"[yellow]note[/yellow] {event.message}")
            case RunFinished():
                self.close()
                if self._spec.table:
                    self._terminal.print(result_table(event.result))
                    self._terminal.print(conditions(event.result), soft_wrap=True)
                    self._terminal.print(examples(event.result), end="", soft_wrap=True, markup=False)
                self._terminal.print(f"saved in {event.folder}")
            case _:
                pass

    def _bar(self, name: str, total: int, done: int, note: str) -> None:
        if name in self._tasks:
            self._progress.remove_task(self._tasks[name])
        self._tasks[name] = self._progress.add_task(name, total=total, completed=done, note=note)

    def _trained(self, event: TrainingFinished) -> None:
        if "train" not in self._tasks:
            self._bar("train", self._trainings, 0, "")
        values = ", ".join(f"{key} {_short(value)}" for key, value in event.values.items())
        score = "" if event.selection is None else f"selection {event.selection:.3f}"
        note = "  ".join(part for part in (score, values) if part)
        self._progress.update(self._tasks["train"], completed=event.training, note=note)

    def close(self) -> None:
        """Leave the bars as they are."""
        if self._progress.live.is_started:
            self._progress.stop()


def _short(value: Any) -> str:
    return str(value.get("type", "...")) if isinstance(value, dict) else str(value)


def result_table(result: dict[str, Any]) -> Table:
    """What was measured."""
    table = Table(title=f"{result['name']} on {result['test_on']}", title_justify="left")
    table.add_column("metric")
    table.add_column("mean ± s.d.", justify="right")
    for name, figure in result["test"].items():
        table.add_row(name, str(Score.from_result(figure)))
    parameters, memory = result["parameters"], max(one["peak_memory_mb"] for one in result["stages"].values())
    table.add_row("trainable parameters", f"{parameters['trainable']:,} ({parameters['trainable_share']:.2%})")
    if kept := Kept.from_result(result):
        table.add_row("epoch kept", str(kept))
    table.add_row("seconds a training", f"{result['training_seconds_per_seed']:.2f}")
    table.add_row("peak memory", f"{memory:,.0f} MB")
    return table


def conditions(result: dict[str, Any]) -> str:
    """Under which conditions it was measured."""
    chosen = "; ".join(f"{key} = {_short(value)}" for key, value in result["chosen"].items())
    leak = f" ({result['inductive_note']})" if result["inductive"] == "transductive" else ""
    return (
        f"seeds {result['seeds']}, selected on {result['select_on']}{f' ({chosen})' if chosen else ''}, "
        f"inductive policy {result['inductive']}{leak}, pool {result['pool']}\nsplit {result['dataset']['split_id']}"
    )


def examples(result: dict[str, Any]) -> str:
    """What the texts of some items are, a line each."""
    lines = [f"{one['id']}: {one_line(one['description']) or '(nothing)'}\n" for one in result["examples"]]
    return "".join(["examples of descriptions\n", *lines]) if lines else ""
