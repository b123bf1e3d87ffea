"""Processes that share a store: each value is computed once, a dead one holds up nobody, and what is used stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from graftwork.core.storage.store import Namespace, VectorShelf
from graftwork.core.storage.store import locks as locks_module
from graftwork.core.storage.store.namespace import USED, WRITING

from ...support.paths import SUPPORT
from ...support.store_writer import digest_of, shelf_in, vector_of

WRITER = SUPPORT / "store_writer.py"


def namespace(root: Path) -> Namespace:
    return Namespace(root, "features", {"encoder": "x"})


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that computes, until it is killed."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, WRITER, "hold", tmp_path], text=True, **pipes)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_processes_with_the_same_request_compute_it_once(tmp_path):
    """Four at a time ask for the same forty items; what one has stored, those after it take."""
    command = [sys.executable, WRITER, "request", tmp_path, "40"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    computed = [int(process.communicate()[0]) for process in processes]
    assert sorted(computed) == [0, 0, 0, 40]
    names = [str(number) for number in range(40)]
    taken = shelf_in(tmp_path).take([digest_of(name) for name in names])
    assert [one.tolist() for one in taken] == [vector_of(name).tolist() for name in names]


def test_who_waits_says_for_whom_and_a_dead_holder_frees(tmp_path, holder):
    """By process, before it waits; kill -9 of the holder lets it go on."""
    said, waits, through = [], threading.Event(), threading.Event()

    def wait() -> None:
        with namespace(tmp_path).writing(lambda message: (said.append(message), waits.set())):
            through.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert waits.wait(60)
    assert not through.is_set()
    holder.send_signal(signal.SIGKILL)
    thread.join(60)
    assert through.is_set()
    assert said == [
        f"process {holder.pid} computes values of the same model; this one waits, and then takes what is stored"
    ]


def test_nobody_is_waited_for_where_nobody_computes(tmp_path):
    """And the lock is free afterwards, also when computing failed."""
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), namespace(tmp_path).writing(pytest.fail):
            raise ZeroDivisionError


def test_what_is_used_is_not_had_alone(tmp_path, holder):
    """Neither what another process computes, nor what an object of this one reads."""
    used, writing = (namespace(tmp_path).index_folder / name for name in (USED, WRITING))
    with pytest.raises(BlockingIOError), locks_module.alone(writing):
        pass
    shelf_in(tmp_path).add([digest_of("a")], [vector_of("a")])
    reader: VectorShelf | None = shelf_in(tmp_path)
    assert reader is not None
    assert reader.stored([digest_of("a")])
    with pytest.raises(BlockingIOError), locks_module.alone(used):
        pass
    del reader
    with locks_module.alone(used):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", '{"process": "x"}', json.dumps({"process": 3, "host": "other"})])
def test_a_holder_that_is_not_known_is_another_process(tmp_path, text):
    """Whatever stands in the file: it is between two writers, or of another program."""
    (tmp_path / "lock").write_text(text)
    known = "process 3 on other" if "other" in text else "another process"
    assert locks_module._holder(tmp_path / "lock") == known


def test_a_disk_without_locks_is_written_as_before(tmp_path, monkeypatch):
    """No waiting, no error."""
    import fcntl

    def no_locks(*given: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with namespace(tmp_path).writing(pytest.fail), namespace(tmp_path).writing(pytest.fail):
        shelf_in(tmp_path).add([digest_of("a")], [vector_of("a")])
    assert shelf_in(tmp_path).stored([digest_of("a")]) == {digest_of("a")}
    with pytest.raises(locks_module.NoLocks), locks_module.alone(tmp_path / "lock"):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="no forks")
def test_a_lock_that_is_over_is_over_for_a_copy_of_its_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a process has one that another thread forks, until it becomes another program: nobody waits for that."""
    path, copies, locked = tmp_path / "writing", list[int](), locks_module._locked

    def copied(path: Path, *, exclusive: bool, wait: bool) -> int:
        descriptor = locked(path, exclusive=exclusive, wait=wait)
        copies.append(os.dup(descriptor))
        return descriptor

    monkeypatch.setattr(locks_module, "_locked", copied)
    for _ in range(2):
        with locks_module.writing(path, lambda holder: pytest.fail(f"{holder} is waited for")):
            pass
    with locks_module.alone(path):
        assert len(copies) == 3
    for copy in copies:
        os.close(copy)
