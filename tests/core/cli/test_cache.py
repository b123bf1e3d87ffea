"""``graftwork cache``: what is stored, whether it is whole, what may go."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from graftwork.core.cli import cli, main
from graftwork.core.storage.files import _TEMPORARY, _locked
from graftwork.core.storage.store import Namespace, TextShelf, VectorShelf
from graftwork.registry.errors import UserError

from ...support.store_writer import digest_of, vector_of

DAY = 86_400.0


def ask(root: Path, *words: str, **more: Any) -> Result:
    done = CliRunner().invoke(cli, ["cache", *words, "--cache", str(root)], **more)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done


def fill(root: Path, model: str, count: int, days: float) -> Path:
    """A namespace that was used last so many days ago; its folder."""
    namespace = Namespace(root, "features", {"component": "encoder.pixels", "model": model})
    namespace.note({"weights": "ab" * 32, "spec": {"type": "pixels", "model": model}})
    names = [f"{model} {number}" for number in range(count)]
    shelf = VectorShelf(namespace, f"{'ab' * 8}/image-{'0' * 32}")
    shelf.add([digest_of(name) for name in names], [vector_of(name) for name in names])
    used = time.time() - days * DAY
    os.utime(namespace.index_folder / "used", (used, used))
    return namespace.folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three models and some files, used 1, 10, 40 days ago and today."""
    for model, count, days in (("new", 3, 1), ("middle", 4, 10), ("old", 400, 40)):
        fill(tmp_path / "store", model, count, days)
    memo = Namespace(tmp_path / "store", "files", {"what": "sha256, one", "root": str(tmp_path)})
    memo.note({})
    TextShelf(memo, "found").add(["a 1 2 3", "b 1 2 3"], ["x", "y"])
    return tmp_path / "store"


def models(root: Path) -> set[str]:
    """Those that are still there, by what `ls` says of them."""
    listed = json.loads(ask(root, "ls", "--format", "json").stdout)
    return {one["model"].rpartition(" ")[2] for one in listed["units"] if one["stage"] == "features"}


def files(root: Path) -> dict[str, bytes]:
    """All but the index, which any look may write."""
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return {name.as_posix(): (root / name).read_bytes() for name in found if name.parts[0] != "index"}


def test_ls_says_what_is_stored_and_when_it_was_used(root, monkeypatch):
    """A line a modality, the last used first; no wider than 80 letters."""
    listed = json.loads(ask(root, "ls", "--format", "json").stdout)
    told = [(one["stage"], one["model"], [part["modality"] for part in one["parts"]]) for one in listed["units"]]
    assert told == [
        ("files", f"sha256 of {root.parent}", ["file"]),
        *[("features", f"pixels {model}", ["image"]) for model in ("new", "middle", "old")],
    ]
    assert [part["items"] for one in listed["units"] for part in one["parts"]] == [2, 3, 4, 400]
    assert listed["bytes"] == sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    monkeypatch.setenv("COLUMNS", "80")
    *table, said = ask(root, "ls").stdout.splitlines()
    assert max(map(len, table)) <= 80
    assert any("pixels old" in line and " 400 " in line for line in table)
    assert said.endswith(f"kB in {root}, index included")


def test_a_store_that_is_not_there_yet_holds_nothing(tmp_path):
    """Nobody has run anything: that is no error."""
    assert ask(tmp_path / "none", "ls").stdout == f"nothing is stored in {tmp_path}/none\n"
    assert ask(tmp_path / "none", "verify").exit_code == 0
    assert ask(tmp_path / "none", "prune", "--to", "0B", "--yes").exit_code == 0
    assert not (tmp_path / "none").exists()


def test_verify_names_what_is_altered_and_removes_it_when_told_to(root):
    """Exit code 1 while something is; a whole store says so, with 0."""
    assert ask(root, "verify").stdout.endswith(": all whole\n")
    shard = next((root / "features").rglob("*.safetensors"))
    about = next(path for path in root.rglob("about.json") if path.parent not in shard.parents)
    shard.write_bytes(shard.read_bytes()[:-1])
    about.write_text(about.read_text().replace("pixels", "pixel"))
    altered = {str(shard): "torn or altered", str(about): "torn or altered"}
    done = ask(root, "verify", "--format", "json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["altered"], found["removed"]) == (1, altered, [])
    assert ask(root, "verify", "--remove").exit_code == 1
    assert not shard.exists()
    assert not about.exists()
    assert ask(root, "verify").exit_code == 0


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["--older-than", "30d"], {"new", "middle"}),
        (["--older-than", "1w"], {"new"}),
        (["--to", "0B"], set()),
        (["--to", "1GB"], {"new", "middle", "old"}),
        (["--to", "0B", "--older-than", "30d"], {"new", "middle"}),
    ],
)
def test_prune_takes_what_all_that_is_given_lets_go(root, words, left):
    """A dry run changes nothing; then whole models go, and what stays can be read."""
    before = files(root)
    assert ask(root, "prune", *words, "--dry-run").exit_code == 0
    assert files(root) == before
    done = json.loads(ask(root, "prune", *words, "--yes", "--format", "json").stdout)
    assert models(root) == left
    assert done["removed"]["stayed"] == {} if done["removed"] else left == {"new", "middle", "old"}
    assert ask(root, "verify").exit_code == 0
    assert all(before[name] == content for name, content in files(root).items())


def test_prune_to_a_size_takes_the_least_recently_used_first(root):
    """And stops when it fits: it holds most of the bytes."""
    ask(root, "prune", "--to", "20 kB", "--yes")
    assert models(root) == {"new", "middle"}


def test_prune_asks(root):
    """No is no."""
    refused = ask(root, "prune", "--to", "0B", input="n\n")
    assert (refused.exit_code, refused.stdout.splitlines()[-1]) == (0, "nothing was removed")
    assert models(root) == {"new", "middle", "old"}
    unanswered = ask(root, "prune", "--to", "0B", input="")
    assert (unanswered.exit_code, "nobody is there to answer: add --yes" in unanswered.stderr) == (2, True)
    assert ask(root, "prune", "--to", "0B", input="y\n").exit_code == 0
    assert models(root) == set()


def test_prune_leaves_what_is_used_and_what_is_not_the_stores(root):
    """A process reads one model; in the folder of another lies somebody's file; links are not followed."""
    reader = VectorShelf(Namespace(root, "features", {"component": "encoder.pixels", "model": "old"}), "ab/image")
    reader.stored([digest_of("x")])
    theirs = [root / "notes.txt", next((root / "features").glob("*")) / "mine.txt", root / "features" / "mine"]
    for path in theirs:
        path.write_text("mine")
    elsewhere = root.parent / "elsewhere"
    (root / "features" / ("0" * 32)).symlink_to(elsewhere)
    fill(root.parent, "other", 2, 100).rename(elsewhere)
    before = files(elsewhere)
    done = ask(root, "prune", "--to", "0B", "--yes")
    assert f"stays: {reader.folder.parents[1]}: a process uses it\n" in done.stdout
    assert models(root) == {"old"}
    assert all(path.read_text() == "mine" for path in theirs)
    assert files(elsewhere) == before
    del reader


def test_prune_sweeps_what_dead_writers_left(root):
    """What no process holds any more, and nothing else."""
    folder = next((root / "features").rglob("*.safetensors")).parent
    dead, live = (folder / f"{_TEMPORARY}{name}" for name in ("dead", "live"))
    dead.write_bytes(b"12345")
    with _locked(live) as file:
        file.write(b"12345")
        done = json.loads(ask(root, "prune", "--older-than", "99w", "--yes", "--format", "json").stdout)
    assert (done["removed"]["leftovers"], done["removed"]["bytes"]) == (1, 5)
    assert (dead.exists(), live.exists()) == (False, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["prune"], "say what may go: --older-than AGE, --to SIZE, --keep SPEC"),
        (["prune", "--to", "3XB"], "'3XB' is no size; write a number and B, kB, MB, GB, TB or KiB ... TiB: 10GB"),
        (["prune", "--to", "10"], "'10' is no size; write a number and B"),
        (["prune", "--older-than", "3m"], "'3m' is no age; write a number and h, d or w: 30d"),
        (["prune", "--older-than", "-3d"], "'-3d' is no age"),
        (["prune", "--to", "0B", "--format", "json"], "--format json asks no question: add --yes, or --dry-run"),
        (["prune", "--keep", "EMPTY"], "there is no spec in this folder"),
        (["prune", "--keep", "EMPTY/none.json"], "none.json"),
        (["prune", "--keep", "BAD", "--dry-run"], "bad.json"),
    ],
)
def test_bad_input_is_one_clear_error(root, words, says, monkeypatch, capsys):
    """Nothing goes."""
    (root.parent / "empty").mkdir()
    (root.parent / "bad.json").write_text('{"version": 1, "encoder": {"type": "no such"}}')
    given = {"EMPTY": str(root.parent / "empty"), "BAD": str(root.parent / "bad.json")}
    words = [given.get(word, word.replace("EMPTY", given["EMPTY"])) for word in words]
    before = files(root)
    monkeypatch.setattr(sys, "argv", ["graftwork", "cache", *words, "--cache", str(root)])
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr()
    assert end.value.code == 2
    assert says in said.err
    assert "Traceback" not in said.err
    assert files(root) == before


@pytest.mark.parametrize("words", [["ls"], ["verify"], ["prune", "--to", "0B", "--yes"]])
def test_a_folder_that_is_no_store_is_refused(tmp_path, words):
    """Whatever it holds stays."""
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("a")
    done = CliRunner().invoke(cli, ["cache", *words, "--cache", str(tmp_path / "letters")])
    assert isinstance(done.exception, UserError)
    assert str(done.exception).startswith(f"{tmp_path / 'letters'} is no store: it has none of features, descriptions")
    assert (tmp_path / "letters" / "a.txt").exists()
