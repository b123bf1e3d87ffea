"""One rule for every file that a command writes: what is there is replaced with ``--force`` alone."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from graftwork.core.cli.runs.report import GENERATOR

from ...support.command_answers import answer

SPEC = {
    "dataset": {"type": "digits"},
    "encoder": {"type": "open_clip", "model": "pocket"},
    "adapter": {"type": "none"},
}


@pytest.mark.parametrize(
    "command",
    [
        ["predict", "run", "a.png", "--out", "here.csv"],
        ["report", "run", "--out", "here.csv"],
        ["bench", "propagate", "--out", "here.csv"],
        ["lock", "spec.json", "-o", "here.csv"],
        ["init", ".", "--out", "here.csv"],
    ],
    ids=lambda command: command[0],
)
def test_a_file_that_is_named_is_not_replaced(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is read: the file stays as it is, and exit code and line say what to do."""
    monkeypatch.chdir(tmp_path)
    Path("here.csv").write_text("somebody's")
    Path("spec.json").write_text(json.dumps(SPEC))
    said = answer(command)
    assert said["code"] == 2
    assert "here.csv is there already; --force replaces it, --out FILE writes another" in said["err"]
    assert Path("here.csv").read_text() == "somebody's"


def test_a_lock_is_written_anew_where_nobody_named_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a lock; what somebody else wrote there is replaced with ``--force`` alone."""
    monkeypatch.chdir(tmp_path)
    Path("spec.json").write_text(json.dumps(SPEC))
    assert [answer(["lock", "spec.json"])["code"] for _ in range(2)] == [0, 0]
    assert answer(["lock", "spec.json", "-o", "spec.lock.json"])["code"] == 2
    Path("spec.lock.json").write_text("mine")
    assert "spec.lock.json is there already" in answer(["lock", "spec.json"])["err"]
    assert answer(["lock", "spec.json", "--force"])["code"] == 0
    assert json.loads(Path("spec.lock.json").read_text())["lock"] == 1


def test_a_page_of_ours_is_written_anew_where_nobody_named_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``report.html`` that no report is, is refused; over one of ours the command goes on to the runs."""
    monkeypatch.chdir(tmp_path)
    Path("report.html").write_text("<html>mine</html>")
    assert "report.html is there already" in answer(["report", "run"])["err"]
    Path("report.html").write_bytes(b"<head>" + GENERATOR)
    assert "report.html" not in answer(["report", "run"])["err"]


@pytest.mark.parametrize("command", ["compare", "sweep"])
def test_tables_of_somebody_else_are_not_replaced(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is run; a JSON file of another kind does not make them ours."""
    monkeypatch.chdir(tmp_path)
    Path("spec.json").write_text(json.dumps(SPEC | {"search": {"adapter": [{"type": "none"}]}}))
    Path("there").mkdir()
    for content in ("a,b", '{"runs": 1, "points": [1]}'):
        name = f"{command}.{'json' if content.startswith('{') else 'csv'}"
        Path("there", name).write_text(content)
        said = answer([command, "spec.json", "--out", "there"])
        assert said["code"] == 2
        assert f"there, and no `graftwork {command}` wrote it; name another folder: --out" in said["err"].replace(
            "\n", " "
        )
        assert Path("there", name).read_text() == content
    assert not Path("there", "runs").exists()
    assert not Path("there", "points").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["predict", "run", "a.png", "--out"],
        ["report", "run", "--out"],
        ["bench", "propagate", "--out"],
        ["lock", "spec.json", "-o"],
        ["init", ".", "--out"],
        ["evaluate", "run", "--out"],
        ["export", "run", "--to", "onnx", "--out"],
        ["sweep", "spec.json", "--grid", "dataset.shots=[1,2]", "--out"],
        ["compare", "spec.json", "--out"],
        ["run", "spec.json", "--out"],
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("place", ["{file}/under/it.csv", "{long}.csv"], ids=["below a file", "too long"])
def test_a_place_where_nothing_can_be_written_is_told_first(
    command: list[str], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a run is opened, which is none here, and before anything is trained."""
    monkeypatch.chdir(tmp_path)
    Path("spec.json").write_text(json.dumps(SPEC))
    said = answer([*command, place.format(file="spec.json", long="n" * 300)])
    assert said["code"] in (1, 2)
    assert re.search("Not a directory|Not a folder|too long|no file can have so long a name", said["err"])
    assert [path.name for path in tmp_path.iterdir()] == ["spec.json"]


def test_a_pipe_is_written_to_by_what_is_written_piece_by_piece_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page is put in a file's place, which a pipe is not: that is told before the runs are read."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("here.csv")
    for command in (["report", "run", "--out", "here.csv"], ["predict", "run", "a.png", "--out", "here.csv"]):
        assert "is no regular file" in answer(command)["err"].replace("\n", " ")
