"""What is remembered of files: right on every path, kept through failures, and never taken for another file's."""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

from graftwork.core.cli import cli
from graftwork.core.data import file_memo
from graftwork.core.data.file_memo import FileMemo
from graftwork.core.data.items import DataError
from graftwork.core.events import Event, Note, StageAdvanced, StageStarted

from ...support.miniature_sets import jpeg, write


@pytest.fixture
def stable(monkeypatch):
    """Files count as stable as soon as they are written: a test cannot wait for two seconds each time."""
    monkeypatch.setattr(file_memo, "STABLE_NS", 0)


def folder_of(root: Path, count: int = 5) -> list[Path]:
    paths = [root / f"{number}.bin" for number in range(count)]
    root.mkdir(exist_ok=True)
    for number, path in enumerate(paths):
        path.write_bytes(b"content %d" % number)
    return paths


def digests(paths: list[Path]) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


class Counting:
    """A finding that says how often it was made."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, path: Path) -> str:
        self.asked.append(path.name)
        return path.read_text()


def test_digests_are_those_of_the_contents_in_order(tmp_path):
    """Also for a path that stands there twice."""
    paths = folder_of(tmp_path / "data")
    assert FileMemo().sha256(tmp_path / "data", [*paths, paths[0]]) == digests([*paths, paths[0]])


@pytest.mark.usefixtures("stable")
def test_a_second_run_reads_no_file_again(tmp_path):
    """What one run found, the next one knows; another folder's files are its own."""
    find = Counting()
    for root in (tmp_path / "one", tmp_path / "two"):
        paths = folder_of(root)
        for _ in range(2):
            found = FileMemo(tmp_path / "store").of("text", root, paths, find)
            assert found == [path.read_text() for path in paths]
    assert len(find.asked) == 10


@pytest.mark.usefixtures("stable")
def test_another_finding_on_the_same_files_is_not_mixed_up_with_the_first(tmp_path):
    """Findings have names."""
    paths, memo = folder_of(tmp_path / "data"), FileMemo(tmp_path / "store")
    assert memo.of("text", tmp_path / "data", paths, Path.read_text) != memo.sha256(tmp_path / "data", paths)


@pytest.mark.usefixtures("stable")
def test_a_changed_file_is_read_again_even_with_its_old_size_and_time(tmp_path):
    """Tools can set the time of modification back; they cannot set back that of the change of status."""
    paths, find = folder_of(tmp_path / "data"), Counting()
    FileMemo(tmp_path / "store").of("text", tmp_path / "data", paths, find)
    before = paths[2].stat()
    paths[2].write_bytes(b"CONTENT 2")
    os.utime(paths[2], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert FileMemo(tmp_path / "store").of("text", tmp_path / "data", paths, find)[2] == "CONTENT 2"
    assert find.asked[5:] == ["2.bin"]


def test_a_file_written_a_moment_ago_is_not_remembered(tmp_path):
    """It may change again within one tick of the file system's clock."""
    paths, find = folder_of(tmp_path / "data"), Counting()
    for _ in range(2):
        FileMemo(tmp_path / "store").of("text", tmp_path / "data", paths, find)
    assert len(find.asked) == 10


@pytest.mark.usefixtures("stable")
def test_a_file_that_changes_while_it_is_read_is_not_remembered(tmp_path):
    """What was found may be of the old content or the new one."""
    paths = folder_of(tmp_path / "data", 1)

    def find(path: Path) -> str:
        text = path.read_text()
        path.write_text("longer " + text)
        return text

    memo = FileMemo(tmp_path / "store")
    assert memo.of("text", tmp_path / "data", paths, find) == ["content 0"]
    assert memo.of("text", tmp_path / "data", paths, find) == ["longer content 0"]


@pytest.mark.usefixtures("stable")
def test_unusable_files_are_all_named_and_the_others_are_remembered(tmp_path):
    """One error for all, up to ten by name; the next run reads those alone."""
    paths, find = folder_of(tmp_path / "data", 20), Counting()
    for path in paths[3:15]:
        path.unlink()
        path.mkdir()
    paths[0].unlink()
    with pytest.raises(DataError) as error:
        FileMemo(tmp_path / "store").of("text", tmp_path / "data", paths, find)
    lines = str(error.value).replace(str(tmp_path), "TMP").split("\n  ")
    assert lines[0] == "13 of 20 files cannot be used:"
    assert lines[1] == "TMP/data/0.bin: cannot be read: No such file or directory"
    assert lines[2] == "TMP/data/3.bin: cannot be read: Is a directory"
    assert (len(lines), lines[-1]) == (12, "and 3 more")
    with pytest.raises(DataError):
        FileMemo(tmp_path / "store").of("text", tmp_path / "data", paths, find)
    assert len(find.asked) == 19 + 12


@pytest.mark.usefixtures("stable")
def test_an_interrupted_run_keeps_what_it_found(tmp_path):
    """Ctrl-C at file 300 of 600: the next run starts where this one was."""
    paths = folder_of(tmp_path / "data", 600)
    find = Counting()

    def interrupted(path: Path) -> str:
        if path.name == "300.bin":
            raise KeyboardInterrupt
        return path.read_text()

    with pytest.raises(KeyboardInterrupt):
        FileMemo(tmp_path / "store").of("text", tmp_path / "data", paths, interrupted)
    FileMemo(tmp_path / "store").of("text", tmp_path / "data", paths, find)
    assert 300 <= len(find.asked) <= 600 - 256


@pytest.mark.usefixtures("stable")
def test_runs_may_share_a_store(tmp_path):
    """Eight at once, all right, and all of it remembered."""
    paths = folder_of(tmp_path / "data", 50)
    with ThreadPoolExecutor(8) as pool:
        all_found = list(pool.map(lambda _: FileMemo(tmp_path / "store").sha256(tmp_path / "data", paths), range(8)))
    assert all(found == digests(paths) for found in all_found)
    find = Counting()
    FileMemo(tmp_path / "store").of("sha256", tmp_path / "data", paths, find)
    assert find.asked == []


@pytest.mark.usefixtures("stable")
def test_a_damaged_memory_is_no_memory(tmp_path):
    """Files are read again rather than mistaken."""
    paths, find = folder_of(tmp_path / "data"), Counting()
    FileMemo(tmp_path / "store").of("text", tmp_path / "data", paths, find)
    (shard,) = (tmp_path / "store").rglob("*.jsonl")
    shard.write_bytes(shard.read_bytes().replace(b"content 3", b"content 4"))
    assert FileMemo(tmp_path / "store").of("text", tmp_path / "data", paths, find)[3] == "content 3"
    assert len(find.asked) == 10


@pytest.mark.usefixtures("stable")
def test_a_store_that_takes_nothing_costs_a_note(tmp_path):
    """The findings are there all the same."""
    heard: list[Event] = []
    (tmp_path / "store").write_text("a file where a folder should be")
    paths = folder_of(tmp_path / "data")
    assert FileMemo(tmp_path / "store", heard.append).sha256(tmp_path / "data", paths) == digests(paths)
    (note,) = [event for event in heard if isinstance(event, Note)]
    assert note.message.startswith("files will be read again in the next run: cannot write ")


@pytest.mark.usefixtures("stable")
def test_a_plan_says_what_it_reads_and_remembers_it_for_the_run(tmp_path):
    """On standard error, so that JSON on standard output stays JSON; the second plan reads nothing."""
    for name in ("cat", "dog"):
        for number in range(10):
            write(tmp_path / "pictures" / name / f"{number}.jpg", jpeg(f"{name}{number}"))
    spec = {
        "dataset": {"type": "image_folder", "root": str(tmp_path / "pictures")},
        "encoder": {"type": "open_clip", "model": "pocket"},
        "adapter": {"type": "none"},
    }
    path = write(tmp_path / "spec.json", json.dumps(spec))
    said = [CliRunner().invoke(cli, ["plan", str(path), "--format", "json"]) for _ in range(2)]
    assert [json.loads(one.stdout)["trainings"] for one in said] == [1, 1]
    stage = "read files (sha256)"
    assert [one.stderr for one in said] == [f"{stage}: 0 of 20\n{stage}: 20 of 20\n", ""]


@pytest.mark.usefixtures("stable")
def test_progress_counts_files_and_those_remembered(tmp_path):
    """Nothing is told when nothing is read."""
    paths, heard = folder_of(tmp_path / "data", 300), []
    FileMemo(tmp_path / "store").sha256(tmp_path / "data", paths[:10])
    memo = FileMemo(tmp_path / "store", heard.append)
    memo.sha256(tmp_path / "data", paths)
    stage = "read files (sha256)"
    assert heard == [StageStarted(stage, 300, 10), StageAdvanced(stage, 266), StageAdvanced(stage, 300)]
    memo.sha256(tmp_path / "data", paths)
    assert len(heard) == 3
