"""What commands say beside their results, and in which form: tables that fit, JSON alone, quiet or verbose."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import click
import pytest

from graftwork.core.cli import cli
from graftwork.core.cli.machine.bench import page_json
from graftwork.core.cli.say import print_table
from graftwork.core.events import Note, RunFinished, StageFinished
from graftwork.core.run.reporters import log

from ...support.command_answers import answer
from ...support.small_pipeline import SMALL, catalogue, pipeline
from .test_cli import LEAVES

Capture = pytest.CaptureFixture[str]
#: Prints JSON and nothing else.
ALWAYS_JSON = ["schema"]


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A pipeline of a second, with the reporters that a spec has which says nothing of them."""
    monkeypatch.setattr("graftwork.core.pipeline.default_catalogue", catalogue)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.json").write_text(json.dumps({key: one for key, one in SMALL.items() if key != "reporters"}))
    return "spec.json"


def options_of(command: list[str]) -> dict[str, click.Parameter]:
    found: click.Command | None = cli
    for name in command:
        assert isinstance(found, click.Group)
        found = found.get_command(click.Context(found), name)
    assert found is not None
    return {option: one for one in found.params for option in one.opts}


@pytest.mark.parametrize("command", LEAVES, ids=" ".join)
def test_every_command_can_be_quiet_verbose_and_json(command: list[str]) -> None:
    """By the same options everywhere."""
    found = options_of(command)
    assert {"--quiet", "-q", "--verbose", "-v"} <= set(found)
    if command != ALWAYS_JSON:
        choice = found["--format"].type
        assert isinstance(choice, click.Choice)
        assert "json" in choice.choices


HEADERS = ["run", "test accuracy", "val accuracy", *(f"column {number}" for number in range(9))]
ROW = ["a-name-that-is-longer-than-anybody-would-read-in-a-terminal", *["0.9912 ± 0.0050"] * 2, *"123456789"]


@pytest.mark.parametrize("columns", ["80", "60", "200"])
@pytest.mark.parametrize("left", [1, 2])
def test_tables_fit_and_hold_every_figure(
    left: int, columns: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """What does not fit stands below, with the words before it again; no figure is broken, no name is cut."""
    monkeypatch.setenv("COLUMNS", columns)
    rows = [[f"{cell}x{number}" if index < left else cell for index, cell in enumerate(ROW)] for number in range(3)]
    print_table(HEADERS, rows, "title", left)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= int(columns)
    text = "\n".join(lines)
    assert text.count("0.9912 ± 0.0050 ") == 3 * (3 - left)
    assert all(f" {figure} " in text for figure in "123456789")
    if left == 1:
        assert ROW[0] in "".join(line.split()[1] for line in lines if line.startswith("│"))


def test_long_headers_are_wrapped_and_no_column_is_cut_off(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Those of a sweep in 80 letters, whose last column is the mark."""
    monkeypatch.setenv("COLUMNS", "80")
    headers = ["graph.threshold", "neighbours", "trainable", "seconds", "epochs kept", "best on val"]
    print_table(headers, [["0.8", "bottleneck 92.3%", "24,832", "0.89", "3, 2 of 5", "✔"]], "")
    lines = capsys.readouterr().out.splitlines()
    assert all(line.rstrip().endswith(tuple("┓┃┩│┘")) for line in lines if line.strip())
    assert "✔" in "".join(lines)


@pytest.mark.parametrize("columns", ["80", "60"])
def test_long_names_stand_in_the_first_part_alone(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """``again``: later parts have the number alone, every figure is there, and no line is too wide."""
    monkeypatch.setenv("COLUMNS", columns)
    rows = [[str(number), "a/long/name/of/a/run-0123456789ab", *["0.9912 ± 0.0050"] * 4] for number in (1, 2)]
    print_table(["#", "run", "a", "b", "c", "d"], rows, "", left=2, again=1)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= int(columns)
    assert (out.count("a/long/"), out.count("0.9912 ± 0.0050"), out.count("#")) == (2, 8, out.count("┏━━━┳"))
    assert out.count("┏━━━┳") > 1


def test_a_run_says_its_folder_or_json_alone(spec: str) -> None:
    """Standard output is the folder or one JSON value; progress and table are on standard error."""
    plain = answer(["run", spec, "--out", "plain"])
    assert plain["out"] == f"{Path('plain').absolute()}\n"
    assert "accuracy" in plain["err"]
    told = json.loads(answer(["run", spec, "--out", "json", "--format", "json"])["out"])
    assert told["folder"] == str(Path("json").absolute())
    assert told["result"] == json.loads(Path("json/result.json").read_text())


@pytest.mark.parametrize("before", [True, False])
def test_a_quiet_run_says_nothing_beside_its_result(spec: str, before: bool) -> None:
    """Wherever the option stands; errors are said."""
    arguments = ["-q", "run", spec] if before else ["run", spec, "--quiet"]
    assert answer(arguments) == {"code": 0, "out": f"{Path('runs/small').absolute()}\n", "err": ""}
    refused = answer([*arguments, "--set", "adapter.bottleneck=0"])
    assert refused["code"] == 2
    assert refused["err"].startswith("error: ")


def test_a_verbose_run_says_its_stages_as_they_are_logged(spec: str) -> None:
    """Beside what it says anyhow, and for this command alone."""
    said = answer(["run", spec, "-v"])["err"]
    assert " graftwork.run TrainingFinished: training 1, seed 0" in said
    assert " graftwork.run StageFinished: stage train, seconds " in said
    assert "graftwork.run" not in answer(["run", spec])["err"]
    assert logging.getLogger("graftwork").handlers == []
    both = answer(["-q", "run", spec, "--verbose"])
    assert (both["code"], "exclude each other" in both["err"]) == (2, True)


def test_the_library_is_silent_and_logs(tmp_path: Path, capsys: Capture, caplog: pytest.LogCaptureFixture) -> None:
    """No table, no progress: what happens is in the log, notes as warnings; ``show`` is what the command line asks."""
    quick: dict[str, Any] = {"trainer__epochs": 1, "reporters": [{"type": "console"}]}
    with caplog.at_level(logging.DEBUG, "graftwork"):
        run = pipeline(**quick).run(tmp_path / "run", tmp_path / "store")
        log(Note("a\x1b[31mb"))
    assert capsys.readouterr() == ("", "")
    events = {type(record.__dict__["event"]): record for record in caplog.records if record.name == "graftwork.run"}
    assert events[RunFinished].getMessage() == f"RunFinished: folder {run.folder}"
    assert events[StageFinished].levelno == logging.INFO
    assert (events[Note].levelno, events[Note].getMessage()) == (logging.WARNING, "a\\x1b[31mb")
    pipeline(**quick).run(tmp_path / "again", tmp_path / "store", show=True)
    assert f"saved in {tmp_path / 'again'}" in capsys.readouterr().err


def test_notes_of_the_library_are_a_commands_notes(spec: str, caplog: pytest.LogCaptureFixture) -> None:
    """Once, verbose or not; and none where it is quiet. A handler of the root logger, as some libraries set one, hears
    nothing of them.
    """
    values = json.loads(Path(spec).read_text())
    Path("base.json").write_text(json.dumps(values | {"dataset": {"type": "digits", "shots": 4}}))
    Path("spec.json").write_text(json.dumps({"extends": "base.json", "dataset": {"type": "few_digits"}}))
    for options, count in ([], 1), (["-v"], 1), (["-q"], 0):
        said = answer(["validate", spec, *options])
        assert (said["code"], said["err"].count("note: dataset has another type than in ")) == (0, count)
        assert said["err"].count("not taken over") == count
    assert caplog.messages == []
    assert logging.getLogger("graftwork").propagate


def test_a_page_of_a_benchmark_is_rows() -> None:
    """Cells by header; what stands around the table in lines."""
    page = "## title\n\n| a | b |\n|---|--:|\n| x | 1 |\n| y | 2 |\n\nLeft out: faiss.\n"
    assert page_json(page) == {
        "lines": ["## title", "Left out: faiss."],
        "rows": [{"a": "x", "b": "1"}, {"a": "y", "b": "2"}],
    }
    assert page_json("no table") == {"lines": ["no table"], "rows": []}
