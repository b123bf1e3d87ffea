"""Trainings side by side: the numbers of one after another, and no process that stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from torch import Tensor

from graftwork import Pipeline, compare
from graftwork.core.events import Note
from graftwork.core.roles import EncoderError
from graftwork.core.run.jobs.pool import Pool
from graftwork.core.storage.files import write_whole
from graftwork.core.studies.compare_report import Entry
from graftwork.registry.catalogue import Catalogue
from graftwork.registry.component import Component
from graftwork.registry.discovery import discover

from ....support.command_answers import answer, signals_as_in_a_terminal
from ....support.plugin_folder import plugin_folder
from ....support.small_layers import LittleSpec
from ....support.small_pipeline import SMALL, Hearing, Pixels, PixelsSpec, pipeline

#: What the entry module of a distribution says that brings it.
SOURCE = f"""
from graftwork.registry.hookspecs import hookimpl

GRAFTWORK_API = 1


@hookimpl
def graftwork_components():
    from {__name__} import COMPONENTS
    yield from COMPONENTS
"""
#: Names the folder where encoders of all processes note what they do.
NOTES = "GRAFTWORK_TEST_NOTES"


class OddSpec(PixelsSpec):
    """Encodes, fails, kills its process, or waits to be ended, as ``marker`` says."""

    type: Literal["odd"] = "odd"


class Odd(Pixels):
    """Notes each item that it encodes."""

    def encode(self, modality: str, batch: Sequence[Any]) -> Tensor:
        folder = Path(os.environ[NOTES])
        with open(folder / self.spec.marker, "a") as file:
            file.write(f"{os.getpid()}\n" * len(batch))
        if self.spec.marker == "fail":
            raise EncoderError("this picture is odd")
        if self.spec.marker == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.spec.marker.startswith("wait"):
            write_whole(folder / f"{self.spec.marker}.pid", str(os.getpid()).encode())
            time.sleep(3600)
        return super().encode(modality, batch)


COMPONENTS = (
    Component("dataset", "little", LittleSpec, f"{LittleSpec.__module__}:Little", "tiny"),
    Component("encoder", "odd", OddSpec, f"{__name__}:Odd", "fails or waits"),
)
ODD: dict[str, Any] = SMALL | {
    "dataset": {"type": "little", "task": "image"},
    "encoder": {"type": "odd", "marker": "a"},
    "evaluation": {"seeds": [0, 1]},
}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    """What other processes find as well; they note what they encode in ``tmp_path / "notes"``."""
    (tmp_path / "notes").mkdir()
    monkeypatch.setenv(NOTES, str(tmp_path / "notes"))
    plugin_folder(tmp_path, monkeypatch).install(SOURCE, "odd-encoders")
    return discover()


def numbers(folder: Path) -> dict[str, bytes]:
    """The files of a run that hold numbers, but for its events."""
    files = [*folder.rglob("*.safetensors"), folder / "predictions.jsonl"]
    return {path.name: path.read_bytes() for path in files}


def told(folder: Path) -> list[dict[str, Any]]:
    """The events of a run without what a clock or a meter says."""
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    timed = {"time", "seconds", "peak_memory_mb", "folder", "result"}
    return [{key: one for key, one in line.items() if key not in timed} for line in lines]


def gone(process: int) -> bool:
    """Whether no process has that number; one that ended and that nobody has waited for is none."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def until(what: Callable[[], bool], seconds: float = 300.0) -> None:
    """Wait for it; a test that would wait longer has failed."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_run_is_that_of_one_after_another(installed: Catalogue, tmp_path: Path) -> None:
    """To the bit: seeds and search values, one of which fails; its events in the same order."""
    search = {"trainer.optimizer.lr": [0.01, 1e30, 0.02]}
    pipeline = Pipeline.from_dict(ODD | {"search": search, "reporters": [{"type": "jsonl"}]}, catalogue=installed)
    alone, beside = (pipeline.run(tmp_path / f"jobs-{jobs}", tmp_path / f"store-{jobs}", jobs=jobs) for jobs in (1, 2))
    assert numbers(alone.folder).keys() > {"adapter_model.safetensors", "predictions.jsonl"}
    assert numbers(alone.folder) == numbers(beside.folder)
    for key in ("test", "selection", "tried", "chosen", "epochs_kept"):
        assert alone.result[key] == beside.result[key]
    assert [one.failure is None for one in beside.typed.tried] == [True, False, True]
    assert told(alone.folder) == told(beside.folder)
    assert sum(line["event"] == "EpochFinished" for line in told(beside.folder)) > 20


def test_a_comparison_is_that_of_one_after_another(installed: Catalogue, tmp_path: Path) -> None:
    """To the bit, though one fails and the process of another is killed; what two encode alike is encoded once."""

    def compared(jobs: int, *markers: str) -> dict[str, Any]:
        changes = [
            {"name": f"{marker}-{lr}", "encoder.marker": marker, "trainer.optimizer.lr": lr}
            for marker in markers
            for lr in ((0.01, 0.02) if marker == "a" else (0.01,))
        ]
        given = [Pipeline.from_dict(ODD, one, installed) for one in changes]
        place = tmp_path / f"jobs-{jobs}"
        found = compare(given, out=place, store=place / "store", jobs=jobs, catalogue=installed)
        failed = {name: (str(error), error.exit_code) for name, error in found.failures.items()}
        return {one.name: numbers_of(one) for one in found.entries} | {"failed": failed}

    def numbers_of(entry: Entry) -> Any:
        return entry.result.test, numbers(entry.folder), told(entry.folder)

    beside = compared(2, "fail", "a", "kill")
    failed = beside.pop("failed")
    encoded = (tmp_path / "notes" / "a").read_text().splitlines()
    alone = compared(1, "a")
    assert alone.pop("failed") == {}
    assert list(beside) == ["a-0.01", "a-0.02"]
    assert beside == alone
    assert failed["fail-0.01"] == ("this picture is odd", 2)
    assert "SIGKILL" in failed["kill-0.01"][0]
    assert len(encoded) == len((tmp_path / "notes" / "a").read_text().splitlines()) / 2


def test_what_this_process_alone_knows_is_trained_in_it(tmp_path: Path) -> None:
    """In words, to the same result."""
    made = pipeline(reporters=[{"type": "hearing"}], evaluation__seeds=[0, 1]).run(tmp_path / "x", jobs=2)
    notes = [event.message for event in Hearing.heard if isinstance(event, Note)]
    said = [note for note in notes if note.startswith("one after another in this process")]
    assert len(said) == 1
    assert "do not know dataset.few_digits, which no installed plugin brings: it is registered in this" in said[0]
    assert "; encoder.pixels, which no" in said[0]
    assert len(made.result["test"]["accuracy"]["per_seed"]) == 2


def test_ctrl_c_ends_all(
    installed: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the code of one process, in its words and no others; what trained leaves folders that can be taken again."""
    monkeypatch.setattr("graftwork.core.pipeline.default_catalogue", lambda: installed)
    monkeypatch.chdir(tmp_path)
    Path("spec.json").write_text(json.dumps(ODD))
    notes = tmp_path / "notes"

    def interrupt() -> None:
        try:
            until(lambda: len(list(notes.glob("*.pid"))) == 2)
        finally:  # where it waited in vain, the test fails below
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    command = ["sweep", "spec.json", "--jobs", "2", "--out", "swept", "--grid", 'encoder.marker=["wait-1","wait-2"]']
    with signals_as_in_a_terminal():
        threading.Thread(target=interrupt, daemon=True).start()
        said = answer(command)
    assert said["code"] == 130
    assert said["err"].strip().splitlines()[-1].startswith("interrupted; what was encoded so far is stored")
    assert "Traceback" not in said["err"] + capsys.readouterr().err
    processes = [int(path.read_text()) for path in notes.glob("*.pid")]
    assert len(processes) == 2
    assert all(map(gone, processes))
    assert [path.suffix for path in (tmp_path / "swept" / "points").iterdir()] == [".partial"] * 2


def test_all_processes_begin_at_once() -> None:
    """Before there is a job: the second does not wait until the first has prepared what they share, to import."""
    with Pool(2, 1, {}) as pool:
        until(lambda: len(pool._processes) == 2, 60.0)


PARENT = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from graftwork.core.run.jobs.pool import Job, Pool
with Pool(1, 1, {}) as pool:
    pool.add([Job(json.loads(sys.argv[2]), "waits")])
    while pool.hear().what != "end":
        pass
"""


def test_no_process_outlives_one_that_is_killed(installed: Catalogue, tmp_path: Path) -> None:
    """It can ask nobody to end; the others see that it is gone."""
    spec = Pipeline.from_dict(ODD, {"encoder.marker": "wait"}, installed).spec.to_json()
    job = {"do": "run", "spec": spec, "folder": str(tmp_path / "x"), "store": str(tmp_path / "store")}
    job |= {"resume": "ask", "every": 60.0}
    note = tmp_path / "notes" / "wait.pid"
    command = [sys.executable, "-c", PARENT, json.dumps(sys.path), json.dumps(job)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as started:
        try:
            until(lambda: note.is_file() or started.poll() is not None)
        finally:
            started.kill()
    assert started.returncode == -signal.SIGKILL
    until(lambda: gone(int(note.read_text())))
