"""Processes that do jobs beside each other; this one reads what they say.

Each is an interpreter of its own, never a fork: threads of torch do not live through one. It reads jobs from its
standard input, a line of JSON each, and ends where that does: none outlives this process, however that one ends.
"""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from ....registry.errors import GraftworkError
from .machine import environment

#: Seconds that a process has to write what it holds, after it was asked to end.
PATIENCE = 10.0
_BEGIN = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from {} import main; main()"


class JobError(GraftworkError):
    """What went wrong in a process beside this one, in its words, with its exit code."""

    def __init__(self, words: str, kind: str = "", exit_code: int = 1) -> None:
        super().__init__(words)
        #: The name of the error's class there.
        self.kind = kind
        self.exit_code = exit_code


class Killed(JobError):
    """The process came to its end within a job."""


@dataclass(eq=False)
class Job:
    """Something that a process does."""

    #: What the process is sent.
    said: Mapping[str, Any]
    #: What it is called on the page of progress.
    name: str
    #: Jobs of one key wait until the first of them has ``prepared`` what they share; ``None``: they share nothing.
    key: str | None = None
    #: The process that does it, from 0; ``None`` before one does.
    slot: int | None = None
    #: What it said at its end.
    answer: Mapping[str, Any] | None = None
    #: Why it has none.
    error: JobError | None = None


@dataclass(frozen=True)
class Said:
    """One thing that a process said of a job: an ``event``, a ``note``, its end."""

    job: Job
    what: str
    value: Any = None


@dataclass
class Pool:
    """``count`` processes, for as long as the block lasts. All begin with it: what they import takes seconds.

    ``components``: those that the jobs need, as this process knows them. A process that knows one otherwise does
    nothing, and ``unknown`` names it.
    """

    count: int
    threads: int
    components: Mapping[str, str]
    #: Components that other processes do not know, or know otherwise, each with why: no job is done by them.
    unknown: tuple[str, ...] = ()
    _waiting: list[Job] = field(default_factory=list)
    _preparing: set[str] = field(default_factory=set)
    _prepared: set[str] = field(default_factory=set)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _heard: queue.SimpleQueue[Said | None] = field(default_factory=queue.SimpleQueue)
    _processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)
    _over: bool = False

    def __enter__(self) -> Self:
        self._threads += [threading.Thread(target=self._serve, args=[slot], daemon=True) for slot in range(self.count)]
        for thread in self._threads:
            thread.start()
        return self

    def add(self, jobs: Sequence[Job]) -> None:
        """More to do, after what is waiting."""
        with self._changed:
            self._waiting += jobs
            self._changed.notify_all()

    def hear(self) -> Said | None:
        """The next thing that is said. ``None`` where the processes do nothing: see ``unknown``."""
        return None if self.unknown else self._heard.get()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Every process ends; one in the middle of a job writes what it holds, for ``PATIENCE`` seconds at most."""
        with self._changed:
            self._over = True
            self._waiting.clear()
            self._changed.notify_all()
            running = list(self._processes.values())
        try:
            for process in running:
                process.terminate()
            for process in running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(PATIENCE)
        finally:
            for process in running:
                process.kill()
            for thread in self._threads:
                thread.join(PATIENCE)

    def _serve(self, slot: int) -> None:
        """One process after another, each until a job ends it; in a thread of its own."""
        try:
            with contextlib.suppress(Exception):  # whoever waits for a job hears of it where that is to be done
                self._started(slot)
            while (job := self._taken(slot)) is not None:
                try:
                    self._do(job, slot)
                except Exception as error:  # noqa: BLE001  # whoever waits for the job must hear of its end
                    self._end(job, JobError(f"no process could do it: {error}"))
        finally:
            if process := self._processes.pop(slot, None):
                _closed(process)

    def _taken(self, slot: int) -> Job | None:
        """The first job whose key nobody prepares; ``None`` where there will be none."""
        with self._changed:
            while not self._over:
                for job in self._waiting:
                    if job.key is None or job.key in self._prepared or job.key not in self._preparing:
                        self._waiting.remove(job)
                        if job.key is not None:
                            self._preparing.add(job.key)
                        job.slot = slot
                        return job
                self._changed.wait()
        return None

    def _do(self, job: Job, slot: int) -> None:
        """Until the job, or the process, ends."""
        process = self._processes.get(slot) or self._started(slot)
        if process is None:  # all is over
            return
        with contextlib.suppress(BrokenPipeError):  # it has ended, as is found where nothing can be read
            _write(process, job.said)
        while (said := _read(process)) is not None:
            what, value = said
            if what == "end":
                job.answer = value
                self._end(job)
                return
            if what == "error":
                self._end(job, JobError(value["words"], value["kind"], value["exit_code"]))
                return
            if what == "prepared":
                self._release(job, prepared=True)
            self._heard.put(Said(job, what, value))
        del self._processes[slot]
        self._end(job, Killed(_killed(_closed(process))))

    def _started(self, slot: int) -> subprocess.Popen[bytes] | None:
        """A process that knows the components; ``None`` where it does not, or all is over."""
        with self._changed:
            if self._over:
                return None
            process = self._processes[slot] = subprocess.Popen(
                [sys.executable, "-c", _BEGIN.format(f"{__package__}.worker"), json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment(self.threads, slot),
                start_new_session=True,  # Ctrl-C is for this process, which asks the others to end
            )
        with contextlib.suppress(BrokenPipeError):
            _write(process, {"threads": self.threads, "components": dict(self.components)})
        _, unknown = _read(process) or ("unknown", [])
        if not unknown:
            return process
        with self._changed:
            self.unknown, self._over = tuple(unknown), True
            self._changed.notify_all()
        self._heard.put(None)
        return None

    def _release(self, job: Job, prepared: bool) -> None:
        if job.key is not None:
            with self._changed:
                self._preparing.discard(job.key)
                if prepared:
                    self._prepared.add(job.key)
                self._changed.notify_all()

    def _end(self, job: Job, error: JobError | None = None) -> None:
        job.error = error
        self._release(job, prepared=error is None)
        self._heard.put(Said(job, "end"))


def _write(process: subprocess.Popen[bytes], value: Any) -> None:
    assert process.stdin
    process.stdin.write(json.dumps(value).encode() + b"\n")
    process.stdin.flush()


def _read(process: subprocess.Popen[bytes]) -> tuple[str, Any] | None:
    """What it says next; ``None`` where it says nothing more."""
    assert process.stdout
    with contextlib.suppress(ValueError):  # it was killed within a line
        what, value = json.loads(process.stdout.readline())
        return what, value
    return None


def _closed(process: subprocess.Popen[bytes]) -> int:
    """Its exit code; it ends where its input does."""
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            if pipe:
                pipe.close()
    try:
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _killed(code: int) -> str:
    """What is said of a process that came to its end within a job."""
    if code != -getattr(signal, "SIGKILL", 9):
        how = f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit code {code}"
        return f"its process ended within it, by {how}"
    return (
        "its process was killed within it (SIGKILL), as systems do where memory runs out; fewer processes take less: "
        "--jobs 1"
    )
