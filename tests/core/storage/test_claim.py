"""One writer a folder: others are refused or take the next, and only what a dead run left is ever cleared away."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from graftwork.core.graft.saving import RunFolderError
from graftwork.core.run.run import run_pipeline
from graftwork.core.storage.claim import LOCK, PARTIAL, Taken, claim, claim_run, writing
from graftwork.core.storage.files import StorageError
from graftwork.registry.errors import GraftworkError

from ...support.small_pipeline import pipeline

#: Claims ``sys.argv[1]``, says so, and waits to be told to finish.
HOLDER = """
import sys
from pathlib import Path
from graftwork.core.storage.claim import claim, writing
with writing(claim(Path(sys.argv[1]))) as partial:
    (partial / "result.json").write_text("mine")
    print("writing", flush=True)
    sys.stdin.read()
"""
#: Takes part in a race: claims like a run, writes what it is, finishes; prints what became of it.
RACER = """
import os, sys, time
from pathlib import Path
from graftwork.core.storage.claim import Taken, claim_run, writing
os.chdir(sys.argv[1])
while time.time() < float(sys.argv[2]):
    pass
try:
    claimed = claim_run("x", Path("x") if sys.argv[3] == "out" else None)
except Taken:
    print("refused")
else:
    with writing(claimed) as partial:
        for number in range(20):
            (partial / f"{number}").write_text(str(os.getpid()))
    print("whole")
"""


def left_by_the_dead(folder: Path) -> Path:
    """What a process that was killed while it wrote ``folder`` left."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)
    return folder.with_name(folder.name + PARTIAL)


def test_what_is_written_becomes_the_folder(tmp_path: Path) -> None:
    """With nothing else in it and nothing beside it."""
    with writing(claim(tmp_path / "x")) as partial:
        (partial / "a").write_text("a")
        assert not (tmp_path / "x").exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["x", "a"]


def test_a_second_writer_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    """With its process; without a name of its own it takes the next free number."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "x")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "writing\n"
        with pytest.raises(Taken, match=rf"another process \({process.pid}\) writes .*x\.partial; wait for it,"):
            claim(tmp_path / "x")
        process.stdin.close()
        assert process.wait() == 0
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["result.json"]
    with pytest.raises(Taken, match=r"x exists already; name another --out, or remove it first"):
        claim(tmp_path / "x")


@pytest.mark.parametrize("way", ["out", "number"])
def test_racing_writers_make_whole_folders_or_are_refused(tmp_path: Path, way: str) -> None:
    """Six at the same moment, into one folder and into numbered ones."""
    begin = str(time.time() + 1.5)
    command = [sys.executable, "-c", RACER, str(tmp_path), begin, way]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    said = Counter(one.communicate(timeout=60)[0].strip() for one in racers)
    assert said == ({"whole": 1, "refused": 5} if way == "out" else {"whole": 6})
    folders = sorted(tmp_path.iterdir() if way == "out" else (tmp_path / "runs").iterdir())
    assert len(folders) == said["whole"]
    for folder in folders:
        assert len({path.read_text() for path in folder.iterdir()}) == 1
        assert len(list(folder.iterdir())) == 20


def test_what_a_dead_run_left_gives_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the next into that folder, by name or by number; what links in it lead to stays."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").mkdir()
    partial = left_by_the_dead(tmp_path / "runs" / "x")
    assert (partial / "result.json").is_file()
    for made in ("adapter/adapter_model.safetensors", "adapter/README.md", ".graftwork-partial-0f", "events.jsonl"):
        (partial / made).parent.mkdir(exist_ok=True)
        (partial / made).write_text("a run's")
    (partial / "manifest.json").symlink_to(tmp_path / "kept")
    for out in (Path("runs/x"), None):
        claimed = claim_run("x", out)
        assert [path.name for path in partial.iterdir()] == [LOCK]
        assert claimed.kept_in_words() is None
        claimed.leave()
    with writing(claim_run("x", None)):
        pass
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["x"]
    assert (tmp_path / "kept").is_dir()


@pytest.mark.parametrize("left", ["nothing", "a lock without a name"])
def test_what_was_killed_before_its_lock_had_a_name_gives_its_place(left: str, tmp_path: Path) -> None:
    """Or when all else of it was removed: an empty folder holds nothing that could be lost."""
    (tmp_path / "x.partial").mkdir()
    if left != "nothing":
        (tmp_path / "x.partial" / f"{LOCK}-4711").touch()
    with writing(claim(tmp_path / "x")) as partial:
        assert [path.name for path in partial.iterdir()] == [LOCK]
    assert [path.name for path in tmp_path.rglob("*")] == ["x"]


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_who_names_its_lock_late_is_refused(links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was stopped between making the folder and naming its lock, while another took its place."""
    link, others = os.link, []

    def late(unnamed: Path, path: Path) -> None:
        if not others:
            others.append(None)
            others[0] = claim(tmp_path / "x")
        if not links:
            raise PermissionError
        link(unnamed, path)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(Taken, match="another process"):
        claim(tmp_path / "x")
    (theirs,) = others
    assert [path.name for path in theirs.partial.iterdir()] == [LOCK]
    theirs.finish()
    assert [path.name for path in tmp_path.rglob("*")] == ["x"]


@pytest.mark.parametrize("name", ["notes.md", "adapter/thesis.tex", "mine/a.csv", "result.json~", "link"])
def test_what_others_put_into_a_dead_run_is_kept(name: str, tmp_path: Path) -> None:
    """With all that the run had written, in a folder of its own; every time, and the user is told."""
    for number in ("", "-2"):
        partial = left_by_the_dead(tmp_path / "x")
        (partial / name).parent.mkdir(exist_ok=True)
        if name == "link":
            (partial / name).symlink_to(tmp_path)
        else:
            (partial / name).write_text("work")
        claimed = claim(tmp_path / "x")
        kept = tmp_path / f"x.partial-kept{number}"
        assert claimed.kept_in_words() == (
            f"what stood in {partial} is kept in {kept}: a dead run left it, with files that no run writes"
        )
        assert [path.name for path in partial.iterdir()] == [LOCK]
        assert (kept / "result.json").read_text() == "mine"
        assert (kept / name).is_symlink() if name == "link" else (kept / name).read_text() == "work"
        claimed.drop()


def test_a_run_says_what_was_kept(tmp_path: Path) -> None:
    """As a note among its events."""
    (left_by_the_dead(tmp_path / "run") / "notes.md").write_text("work")
    pipeline(reporters=[{"type": "jsonl"}]).run(tmp_path / "run", tmp_path / "store")
    assert "run.partial-kept" in (tmp_path / "run" / "events.jsonl").read_text()
    assert (tmp_path / "run.partial-kept" / "notes.md").read_text() == "work"


def thesis(folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.tex").write_text("work")


def finished_run_of_that_name(folder: Path) -> None:
    with writing(claim(folder)) as partial:
        (partial / "thesis.tex").write_text("work")


def copy_of_what_a_dead_run_left(folder: Path) -> None:
    shutil.copytree(left_by_the_dead(folder.with_name("other")), folder)
    (folder / "thesis.tex").write_text("work")


def renamed_from_what_a_dead_run_left(folder: Path) -> None:
    left_by_the_dead(folder.with_name("other")).rename(folder)
    (folder / "thesis.tex").write_text("work")


def lock_of_something_else(folder: Path) -> None:
    thesis(folder)
    (folder / LOCK).write_text("not JSON")


def lock_that_is_a_link(folder: Path) -> None:
    left_by_the_dead(folder.with_name("other"))
    thesis(folder)
    (folder / LOCK).symlink_to(folder.with_name("other.partial") / LOCK)


def link_to_a_folder(folder: Path) -> None:
    thesis(folder.with_name("elsewhere"))
    folder.symlink_to(folder.with_name("elsewhere"))


OURS_IT_IS_NOT = [
    thesis,
    finished_run_of_that_name,
    copy_of_what_a_dead_run_left,
    renamed_from_what_a_dead_run_left,
    lock_of_something_else,
    lock_that_is_a_link,
    link_to_a_folder,
]


@pytest.mark.parametrize("make", OURS_IT_IS_NOT, ids=lambda make: make.__name__)
def test_no_folder_of_the_users_is_deleted(
    make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is called: it is in the way of ``--out``, and passed over by numbers."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    make(tmp_path / "runs" / "results.partial")
    with pytest.raises(Taken, match=r"results\.partial is in the way, and nothing that an unfinished run left: move"):
        claim(tmp_path / "runs" / "results")
    with writing(claim_run("results", None)):
        pass
    assert (tmp_path / "runs" / "results-2").is_dir()
    assert (tmp_path / "runs" / "results.partial" / "thesis.tex").read_text() == "work"


def test_a_copy_is_gone_on_with_where_that_is_asked(tmp_path: Path) -> None:
    """A dead run's folder from another machine or of another name; never one of the user's, nor one that is written."""
    thesis(tmp_path / "x.partial")
    with pytest.raises(Taken):
        claim(tmp_path / "x", moved=True)
    shutil.rmtree(tmp_path / "x.partial")
    claimed = claim(tmp_path / "x")
    (tmp_path / "x.partial" / "trainings").mkdir()
    shutil.copytree(tmp_path / "x.partial", tmp_path / "y.partial")
    with pytest.raises(Taken, match="another process"):
        claim(tmp_path / "x", moved=True)
    claimed.leave()
    with pytest.raises(Taken, match="in the way"):
        claim(tmp_path / "y")
    copied = claim(tmp_path / "y", moved=True)
    assert (copied.partial / "trainings").is_dir()
    copied.leave()
    claim(tmp_path / "y").leave()  # it is this folder's own now


def test_a_file_in_the_way_stays(tmp_path: Path) -> None:
    (tmp_path / "x.partial").write_text("work")
    with pytest.raises(Taken, match="in the way"):
        claim(tmp_path / "x")
    assert (tmp_path / "x.partial").read_text() == "work"


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link", "link to itself"])
def test_out_that_is_there_is_refused_before_any_work(kind: str, tmp_path: Path) -> None:
    """Also as a link that leads nowhere; nothing is made beside it."""
    out = tmp_path / "x"
    makers: dict[str, Callable[[], object]] = {
        "folder": out.mkdir,
        "file": out.touch,
        "dangling link": lambda: out.symlink_to("nowhere"),
        "link to itself": lambda: out.symlink_to(out),
    }
    makers[kind]()
    told = "x is a link to nothing; name" if "link" in kind else "x exists already; name"
    with pytest.raises(RunFolderError, match=told):
        claim(out)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_out_that_others_make_meanwhile_costs_nothing(kind: str, tmp_path: Path) -> None:
    """What was written stays, is named, and no later run clears it away."""
    makers = {"folder": Path.mkdir, "file": Path.touch, "dangling link": lambda one: one.symlink_to("nowhere")}
    partial = tmp_path / "x.partial"

    def write() -> None:
        with writing(claim(tmp_path / "x")):
            (partial / "result.json").write_text("mine")
            makers[kind](tmp_path / "x")

    with pytest.raises(Taken, match=rf"x was made by others meanwhile; .* stays in {tmp_path}/x\.partial: move it"):
        write()
    os.rename(tmp_path / "x", tmp_path / "theirs")
    with pytest.raises(Taken, match="in the way"):
        claim(tmp_path / "x")
    assert [path.name for path in partial.iterdir()] == ["result.json"]


def removed(partial: Path) -> None:
    shutil.rmtree(partial)


def renamed(partial: Path) -> None:
    partial.rename(partial.with_name("moved"))


def replaced_by_a_file(partial: Path) -> None:
    renamed(partial)
    partial.write_text("work")


def replaced_by_a_folder(partial: Path) -> None:
    renamed(partial)
    thesis(partial)


def replaced_by_its_copy(partial: Path) -> None:
    renamed(partial)
    shutil.copytree(partial.with_name("moved"), partial)


def claimed_by_another(partial: Path) -> None:
    renamed(partial)
    claim(partial.with_name("x")).leave()


TAKEN_AWAY = [removed, renamed, replaced_by_a_file, replaced_by_a_folder, replaced_by_its_copy, claimed_by_another]


def told_that_it_was_taken(act: Callable[[], object], folder: Path) -> None:
    """In words; what stands under either name is as it was."""
    with pytest.raises(Taken, match=r"x\.partial was moved or removed by others while it was written, so .*x is not"):
        act()
    assert not os.path.lexists(folder / "x")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


@pytest.mark.parametrize("writes_on", [False, True])
@pytest.mark.parametrize("take", TAKEN_AWAY, ids=lambda take: take.__name__)
def test_what_is_taken_away_while_it_is_written_is_told(
    take: Callable[[Path], None], writes_on: bool, tmp_path: Path
) -> None:
    """Also where writing on fails by it; what stands in its place neither becomes the folder nor is cleared away."""
    left: dict[str, bytes] = {}

    def write() -> None:
        with writing(claim(tmp_path / "x")) as partial:
            (partial / "result.json").write_text("mine")
            take(partial)
            left.update(contents(tmp_path))
            if writes_on:
                (partial / "no such folder" / "more").write_text("more")

    told_that_it_was_taken(write, tmp_path)
    assert contents(tmp_path) == left


@pytest.mark.parametrize("take", TAKEN_AWAY, ids=lambda take: take.__name__)
def test_an_error_clears_away_nothing_of_others(take: Callable[[Path], None], tmp_path: Path) -> None:
    """That was put in the place of what was written."""
    left: dict[str, bytes] = {}

    def write() -> None:
        with writing(claim(tmp_path / "x")) as partial:
            take(partial)
            left.update(contents(tmp_path))
            raise GraftworkError("explained")

    with pytest.raises(GraftworkError, match="explained"):
        write()
    assert contents(tmp_path) == left


@pytest.mark.parametrize("take", TAKEN_AWAY, ids=lambda take: take.__name__)
def test_a_run_whose_folder_is_taken_away_says_so(take: Callable[[Path], None], tmp_path: Path) -> None:
    """Before it saves anything."""
    one, left = pipeline(trainer__epochs=1), dict[str, bytes]()

    def taking(trial: object) -> None:
        take(tmp_path / "x.partial")
        left.update(contents(tmp_path / "x.partial"))

    told_that_it_was_taken(
        lambda: run_pipeline(one.spec, one.catalogue, tmp_path / "store", tmp_path / "x", taking), tmp_path
    )
    assert contents(tmp_path / "x.partial") == left


@pytest.mark.parametrize("path", ["/", "/.", "..", "."])
def test_a_folder_that_has_no_name_exists_already(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The root, what leads up, and where one stands."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Taken, match="exists already; name another --out"):
        claim(Path(path))
    assert not list(tmp_path.iterdir())


def write_and_raise(error: BaseException, folder: Path) -> None:
    with writing(claim(folder), keep_on=(StorageError,)) as partial:
        (partial / "adapter").mkdir()
        (partial / "events.jsonl").write_text("{}")
        raise error


def test_an_error_that_was_explained_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(GraftworkError):
        write_and_raise(GraftworkError("explained"), tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, StorageError])
def test_all_else_leaves_what_was_written(error: type[BaseException], tmp_path: Path) -> None:
    """A crash, an interrupt, an error that is to be looked at: until the next run."""
    with pytest.raises(error):
        write_and_raise(error(), tmp_path / "x")
    assert json.loads((tmp_path / "x.partial" / "events.jsonl").read_text()) == {}
    claim(tmp_path / "x").drop()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["x", "a/b", "../x"])
def test_a_working_folder_that_is_gone_is_said(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the path counts from it; a whole one does not."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(StorageError, match=re.escape(f"{path} counts from the working folder, which was removed; cd")):
        claim(Path(path))
    with writing(claim(tmp_path / "whole")):
        pass
    os.chdir(tmp_path)
