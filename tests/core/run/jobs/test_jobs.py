"""How many processes train beside each other; that they do, in a process of its own (``processes``)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from graftwork.core.run.jobs import machine
from graftwork.core.run.jobs.known import known_as, unknown_to
from graftwork.registry.catalogue import Catalogue, Plugin
from graftwork.registry.component import Component
from graftwork.registry.errors import UserError

from ....support.small_layers import LittleSpec
from ....support.small_pipeline import pipeline


def test_processes_side_by_side() -> None:
    """Some of these tests kill, interrupt and wait for processes: they are no matter of the process of other tests, nor
    what those left in it of theirs.
    """
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        str(Path(__file__).parent / "processes.py"),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GRAFTWORK_", "PYTEST_"))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_why_another_process_does_not_know_a_component_is_said() -> None:
    """Its plugin is not there, fails there, is left out there, or is another one."""
    mine = Component("dataset", "little", LittleSpec, "mine:Mine", "tiny")
    here = known_as(Catalogue([Plugin("mine", "acme", "1.0", components=(mine,))]))
    assert unknown_to(Catalogue([Plugin("mine", "acme", "1.0", components=(mine,))]), here) == []
    for plugins, why in (
        ([], "which no installed plugin brings: it is registered in this process alone; install its plugin"),
        ([Plugin("mine", "acme", "1.0", failure="no module x")], "whose plugin mine fails: no module x there"),
        ([Plugin("mine", "acme", "1.0", left_out="GRAFTWORK_PLUGINS_OFF")], "left out by GRAFTWORK_PLUGINS_OFF there"),
        ([Plugin("mine", "acme", "1.1", components=(mine,))], "`acme 1.1, "),
    ):
        (said,) = unknown_to(Catalogue(plugins), here)
        assert said.startswith("dataset.little, ")
        assert why in said


def test_threads_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most the cores together; never more than one process alone has."""
    monkeypatch.setattr(machine, "cores", lambda: 8)
    for alone, shares in ((8, [8, 4, 2, 1]), (2, [2, 2, 2, 1])):
        with machine.with_threads(alone):
            assert [machine.shared_threads(jobs) for jobs in (1, 2, 3, 8)] == shares


def test_a_number_of_processes_is_one(tmp_path: Path) -> None:
    """Anything else is the user's mistake, and nothing is begun."""
    for wrong in (0, -1, True, "many", 1.5):
        with pytest.raises(UserError, match="a number of processes from 1, or auto"):
            pipeline().run(tmp_path / "x", jobs=wrong)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_auto_takes_what_pays_and_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as the cores take of those threads, as the memory, as there is work; one where little is left."""
    monkeypatch.setattr(machine, "cores", lambda: 8)
    monkeypatch.setattr(machine, "free_memory_mb", lambda: 10_000.0)
    assert machine.fitting(20, threads=1, seconds=60, megabytes=500) == 8
    assert machine.fitting(20, threads=4, seconds=60, megabytes=500) == 2
    assert machine.fitting(20, threads=8, seconds=60, megabytes=500) == 1
    assert machine.fitting(5, threads=1, seconds=60, megabytes=500) == 5
    assert machine.fitting(20, threads=1, seconds=60, megabytes=2500) == 3
    assert machine.fitting(20, threads=1, seconds=60, megabytes=50_000) == 1
    assert machine.fitting(20, threads=1, seconds=1, megabytes=500) == 1


def test_what_begins_a_process_is_not_taken_for_training() -> None:
    """The first training of a process takes seconds more than those that follow; `auto` counts them once."""
    began, own = machine.BEGINS, 2.0
    assert [machine.each(began + done * own, done) for done in (1, 2, 10)] == [own, own, own]
    assert machine.each(began / 2, 1) == 0.0
