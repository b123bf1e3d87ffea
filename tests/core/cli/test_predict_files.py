"""``predict`` over many files: folders and patterns, answers as CSV or JSON lines, what cannot be read."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ...support.command_answers import answer
from ...support.small_pipeline import catalogue, pipeline

BROKEN = "pictures/b.png"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GA-Net on a few digits."""
    folder = tmp_path_factory.mktemp("small")
    return pipeline(device="cpu").run(folder / "run", folder / "store").folder


@pytest.fixture
def ask(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``graftwork predict`` of that run, in a folder with five pictures in two folders; the second cannot be read."""
    monkeypatch.setattr("graftwork.core.run.load.default_catalogue", catalogue)
    monkeypatch.chdir(tmp_path)
    Path("pictures/deep").mkdir(parents=True)
    for number, name in enumerate(("a", "c", "deep/d", "deep/e")):
        Image.new("L", (8, 8), 60 * number).save(f"pictures/{name}.png")
    Path(BROKEN).write_bytes(b"no picture")
    return lambda *arguments: answer(["predict", str(run), *arguments])


@pytest.mark.parametrize("given", ["pictures", "pictures/**/*.png", "pictures/[ac].png pictures/deep/*"])
def test_folders_and_patterns_stand_for_files(ask: Any, given: str) -> None:
    """Quoted, or where no shell expands them; a pattern that nothing matches is refused."""
    Path(BROKEN).unlink()
    names = [line.partition(":")[0] for line in ask(*given.split())["out"].splitlines()]
    assert sorted(names) == [f"pictures/{name}.png" for name in ("a", "c", "deep/d", "deep/e")]
    refused = ask("pictures/*.jpg")
    assert (refused["code"], refused["err"]) == (2, "error: nothing matches pictures/*.jpg\n")


def test_a_file_that_is_called_as_a_pattern_is_a_file(ask: Any) -> None:
    """As shells have it."""
    Path("pictures/a.png").rename("[ac].png")
    assert ask("[ac].png")["out"].startswith("[ac].png: ")


def rows_of(path: str) -> list[dict[str, Any]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file)) if path.endswith("csv") else [json.loads(line) for line in file]


@pytest.mark.parametrize("out", ["said.csv", "said.jsonl"])
def test_answers_are_written_as_rows(ask: Any, out: str) -> None:
    """Those that JSON has, in order; the file's name on standard output, progress and errors on the other."""
    expected = json.loads(ask("pictures", "--format", "json")["out"])
    said = ask("pictures", "--out", out)
    assert (said["code"], said["out"]) == (2, f"{out}\n")
    assert f"error: {BROKEN}: not a readable image" in said["err"]
    assert "predict: 0 of 5\n" in said["err"]
    assert "predict: 5 of 5" in said["err"]
    rows = rows_of(out)
    if out.endswith("jsonl"):
        assert rows == expected
        return
    assert [row["item"] for row in rows] == [one["image"] for one in expected]
    for row, one in zip(rows, expected, strict=True):
        ranked = [(row[f"label{rank}"], float(row[f"probability{rank}"])) for rank in ("", "_2", "_3")]
        assert ranked == list(one["probabilities"].items())
    assert not Path(f"{out}.partial").exists()


@pytest.mark.parametrize(("on_error", "code"), [("report", 2), ("skip", 0), ("record", 0), ("fail", 2)])
def test_what_cannot_be_read_follows_the_option(ask: Any, on_error: str, code: int) -> None:
    """Named and an exit code; left out; a row with the reason in its place; or the end, with what was answered kept."""
    said = ask("pictures", "--out", "said.csv", "--on-error", on_error)
    assert said["code"] == code
    assert ("error: " in said["err"]) == (on_error in ("report", "fail"))
    if on_error == "fail":
        assert not Path("said.csv").exists()
        assert Path("said.csv.partial").exists()
        return
    rows = rows_of("said.csv")
    assert len(rows) == (5 if on_error == "record" else 4)
    if on_error == "record":
        assert (rows[1]["item"], rows[1]["label"]) == (BROKEN, "")
        assert "not a readable image" in rows[1]["error"]
        assert "note: 1 item that cannot be read: recorded with the reason\n" in said["err"]
    as_json = json.loads(
        ask("pictures", "--out", "said.csv", "--on-error", on_error, "--force", "--format", "json", "-q")["out"]
    )
    assert as_json == {"file": "said.csv", "rows": len(rows), "items": 5, "unread": 1}


def test_misuse_is_said_before_anything_is_loaded(ask: Any) -> None:
    """A form that nobody knows; a record without a file; a folder that is not there."""
    assert "ends in none of .csv, .jsonl" in ask("pictures", "--out", "said.txt")["err"]
    assert "name one with --out" in ask("pictures", "--on-error", "record")["err"]
    gone = ask("pictures", "--out", "nowhere/said.csv")
    assert (gone["code"], "nowhere" in gone["err"]) == (1, True)
