"""The console reporter: bars on a terminal, plain lines elsewhere, and a closing table."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console as Terminal

from graftwork.core import events
from graftwork.core.storage.result import Result
from graftwork.core.testing.checks.reporters import RESULT
from graftwork.plugins.reporters import ConsoleSpec
from graftwork.plugins.reporters.console import Console, result_table
from graftwork.plugins.reporters.progress import Lines

from ...support.small_pipeline import pipeline


class Clock:
    """Stands still until it is put on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def lines(file: io.StringIO, clock: Clock) -> Lines:
    return Lines(Terminal(file=file, width=40), clock)


def test_a_quick_stage_is_two_lines(lines: Lines, file: io.StringIO, clock: Clock) -> None:
    """What is to be done and was found stored, then that all is done, however often it advanced."""
    lines.begin("describe", 898, 120, "120 stored")
    for done in range(121, 899):
        clock.now += 0.01
        lines.advance("describe", done)
    assert file.getvalue() == "describe: 120 of 898, 120 stored\ndescribe: 898 of 898, 8 s\n"


def test_a_slow_stage_is_a_line_every_thirty_seconds(lines: Lines, file: io.StringIO, clock: Clock) -> None:
    """At most, whatever it does in between."""
    lines.begin("describe", 1000, 0, "")
    for second in range(1, 71):
        clock.now = second
        lines.advance("describe", 10 * second)
    said = ["describe: 0 of 1,000", "describe: 300 of 1,000, 30 s", "describe: 600 of 1,000, 60 s"]
    assert file.getvalue().splitlines() == said


def test_less_than_a_second_is_not_told(lines: Lines, file: io.StringIO, clock: Clock) -> None:
    """``0 s`` would say nothing."""
    lines.begin("read", 2, 0, "")
    clock.now += 0.9
    lines.advance("read", 2)
    assert file.getvalue() == "read: 0 of 2\nread: 2 of 2\n"


def test_what_is_all_stored_is_one_line(lines: Lines, file: io.StringIO) -> None:
    """It begins and ends in it."""
    lines.begin("encode image", 8, 8, "8 stored")
    lines.close()
    assert file.getvalue() == "encode image: 8 of 8, 8 stored\n"


def test_a_stage_of_unknown_length_ends_where_the_next_begins(lines: Lines, file: io.StringIO) -> None:
    """Such as a stream; it says how much it was."""
    lines.begin("stream train", 0, 0, "")
    lines.advance("stream train", 4312)
    lines.begin("stream val", 0, 0, "")
    assert file.getvalue().splitlines() == ["stream train: 0", "stream train: 4,312", "stream val: 0"]


def test_training_goes_on_around_other_stages(lines: Lines, file: io.StringIO) -> None:
    """Where a combination of a search needs other prompts, they are encoded in between."""
    lines.begin("train", 2, 0, "")
    lines.advance("train", 1)
    lines.begin("encode text", 10, 10, "")
    lines.advance("train", 2)
    assert file.getvalue().splitlines() == ["train: 0 of 2", "encode text: 10 of 10", "train: 2 of 2"]


def test_a_long_training_says_its_epoch(lines: Lines, file: io.StringIO, clock: Clock) -> None:
    """As seldom as everything else."""
    lines.begin("train", 3, 0, "")
    for epoch in range(1, 50):
        clock.now += 1
        lines.alive("train", f"training 1, epoch {epoch}")
    assert file.getvalue().splitlines() == ["train: 0 of 3", "train: 0 of 3, 30 s, training 1, epoch 30"]


def test_a_stage_that_breaks_off_says_how_far_it_came(lines: Lines, file: io.StringIO) -> None:
    """When the run is closed."""
    lines.begin("describe", 8, 0, "")
    lines.advance("describe", 3)
    lines.close()
    lines.close()
    assert file.getvalue().splitlines() == ["describe: 0 of 8", "describe: 3 of 8"]


def searched(values: Sequence[float], chosen: dict[str, Any]) -> list[events.Event]:
    """The events of a search over thresholds."""
    heard: list[events.Event] = [events.RunStarted("run", "runs/run", len(values))]
    for number, value in enumerate(values, start=1):
        heard.append(events.EpochFinished(number, 0, 1, 0.7, 0.5))
        heard.append(events.TrainingFinished(number, 0, {"graph.threshold": value}, 1, 0.5, 1.0))
    return [*heard, events.RunFinished("runs/run", RESULT | {"chosen": chosen})]


def shown(heard: Sequence[events.Event], interactive: bool, file: io.StringIO, table: bool = False) -> str:
    terminal = Terminal(file=file, width=120, force_terminal=interactive, force_interactive=interactive)
    console = Console(ConsoleSpec(table=table), Path(), terminal)
    for event in heard:
        console.hear(event)
    console.close()
    return file.getvalue()


@pytest.mark.parametrize("chosen", [{"graph.threshold": 0.7}, {}], ids=["search", "no search"])
def test_the_closing_bar_shows_what_was_chosen(file: io.StringIO, chosen: dict[str, Any]) -> None:
    """And no values of the training that happened to be the last."""
    said = shown(searched([0.7, 0.8, 0.9], chosen), True, file)
    closing = said[said.rindex("train") :].splitlines()[0]
    assert "3/3" in closing
    assert ("chosen: graph.threshold 0.7" in closing) == bool(chosen)
    assert "0.9" not in closing


def test_processes_beside_each_other_have_a_line_each(file: io.StringIO) -> None:
    """While they do something; in a file they have none."""
    heard = [events.JobAdvanced(1, "seed 0", 3, 10), events.JobAdvanced(2, "seed 1", 4, 10)]
    ended = [events.JobAdvanced(1, "seed 0", 0, 0), events.JobAdvanced(1, "seed 2", 5, 10)]
    assert shown([*heard, *ended], False, io.StringIO()) == ""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown([*heard, *ended], True, file))
    found = [re.fullmatch(r"(job \d) .* (\d+/10) .* (seed \d) *", line) for line in plain.splitlines()[-2:]]
    assert [one and one.groups() for one in found] == [("job 2", "4/10", "seed 1"), ("job 1", "5/10", "seed 2")]


def test_a_run_into_a_file_is_plain_lines(file: io.StringIO) -> None:
    """No bars, no escape codes; the last training's values do not stand beside its end."""
    heard = searched([0.7, 0.8], {"graph.threshold": 0.7})
    stages = [events.StageStarted("encode image", 5, 2), events.StageAdvanced("encode image", 5)]
    said = shown([heard[0], *stages, *heard[1:]], False, file).splitlines()
    assert [line.split(",")[0] for line in said] == [
        "run",
        "encode image: 2 of 5",
        "encode image: 5 of 5",
        "train: 0 of 2",
        "train: 2 of 2",
        "saved in runs/run",
    ]
    assert "threshold" not in "".join(said)


def test_notes_and_paths_are_one_line_as_they_are(file: io.StringIO) -> None:
    """Longer than a line of a terminal, with brackets: a file has them whole."""
    note, folder = f"{{'head': ['linear']}} is out: {'x' * 150}", f"runs/[bold]/{'y' * 150}"
    assert shown([events.Note(note), events.RunFinished(folder, RESULT)], False, file) == (
        f"note: {note}\nsaved in {folder}\n"
    )


def test_a_whole_run_whose_output_is_redirected_says_its_stages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard error, where no terminal is."""
    run = pipeline(reporters=[{"type": "console", "table": False}]).run(tmp_path / "run", tmp_path / "store", show=True)
    sizes = run.result["dataset"]["sizes"].values()
    output = capsys.readouterr()
    said = [line.split(",")[0] for line in output.err.splitlines()]
    assert output.out == ""
    encoded = [f"encode image: {done} of {size}" for size in sizes for done in (0, size)]
    assert [line for line in said if line.startswith("encode image")] == encoded
    assert [line for line in said if line.startswith("train")] == ["train: 0 of 1", "train: 1 of 1"]
    assert said[-1] == f"saved in {run.folder}"


@pytest.mark.parametrize(
    ("changes", "row"),
    [
        ({"seeds": [0, 1, 2], "epochs": 50, "epochs_kept": [23, 17, 1]}, ["23, 17, 1 of 50"]),
        ({"epochs": 0, "epochs_kept": [0]}, []),
        ({"parameters": RESULT["parameters"] | {"trainable": 0}}, []),
        ({"selection": {"mean": 0.0, "per_seed": [None]}}, []),
    ],
    ids=["trained", "no epochs", "nothing trainable", "nothing selected"],
)
def test_the_table_has_the_epochs_kept(changes: dict[str, Any], row: list[str]) -> None:
    """Seed by seed, of how many; no row where nothing was trained or nothing selected."""
    table = result_table(Result.from_json(RESULT | changes, "the result"))
    names, cells = (list(column.cells) for column in table.columns)
    assert [cell for name, cell in zip(names, cells, strict=True) if str(name) == "epoch kept"] == row
