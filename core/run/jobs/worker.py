"""The other side of ``Pool``: a process that does one job after another, as its standard input says.

Jobs are ``run`` (a whole run) and ``train`` (one training of a run, written where the run finds it).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from ....registry.discovery import default_catalogue
from ....registry.errors import GraftworkError
from ...events import NOTES, Event, RunFinished
from ...spec.load_spec import spec_from_dict
from ..reporters import LOGGER
from .known import unknown_to

Said = Mapping[str, Any]
Say = Callable[[str, Any], None]


class _Hears(logging.Handler):
    """Sends what the library logs of a run, and its notes."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """One record."""
        event: Event | None = getattr(record, "event", None)
        if event is None:
            self._say("note", record.getMessage())
        elif not isinstance(event, RunFinished):  # its folder has all that it says
            self._say("event", [type(event).__name__, asdict(event)])


class _Input(threading.Thread):
    """Reads jobs; where there will be none, because nobody is left who could say one, it ends what is being done."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        super().__init__(daemon=True)
        self._lines = lines
        self.jobs: queue.SimpleQueue[Said | None] = queue.SimpleQueue()
        self.busy = threading.Event()

    def end(self) -> None:
        """The job that is done is interrupted; else there will be none more."""
        if self.busy.is_set():
            self.busy.clear()
            raise KeyboardInterrupt
        self.jobs.put(None)

    def run(self) -> None:
        """To the end of standard input."""
        for line in self._lines:
            self.busy.set()
            self.jobs.put(json.loads(line))
        if self.busy.is_set():
            os._exit(1)
        self.jobs.put(None)


def main() -> None:
    """The process. SIGTERM ends a job as Ctrl-C does a run, with what is finished of it kept, and then the process."""
    say = _saying(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)  # whatever prints in here prints beside the protocol
    with contextlib.suppress(KeyboardInterrupt):
        _serve(say)
    sys.stderr.flush()
    os._exit(0)  # all is written; to take torch's modules apart takes a second, for which the other side would wait


def _serve(say: Say) -> None:
    lines = _lines()
    if (line := next(lines, None)) is None:
        return
    opened = json.loads(line)
    say("unknown", unknown_to(default_catalogue(), opened["components"]))
    import torch  # a process that does not know the components waits for none

    from ..run import run_pipeline  # noqa: F401  # nor does a job for what it imports, while others prepare theirs

    torch.set_num_threads(opened["threads"])
    logging.getLogger("graftwork").addHandler(logging.NullHandler())
    LOGGER.setLevel(logging.DEBUG)
    for logger in (LOGGER, NOTES):
        logger.addHandler(_Hears(say))
    jobs = _Input(lines)
    signal.signal(signal.SIGTERM, lambda number, frame: jobs.end())
    does: dict[str, Callable[[Said, Say], Said]] = {"run": _run, "train": _Trains()}
    jobs.start()
    while (said := jobs.jobs.get()) is not None:
        ended: tuple[str, Said]
        try:
            answer = does[said["do"]](said, say)
        except GraftworkError as error:
            ended = "error", {"words": str(error), "kind": type(error).__name__, "exit_code": error.exit_code}
        except Exception as error:  # noqa: BLE001  # said to whoever waits, and where a mistake of ours is found
            traceback.print_exc()
            words = f"{type(error).__name__}: {error}"
            ended = "error", {"words": words, "kind": type(error).__name__, "exit_code": 1}
        else:
            ended = "end", answer
        jobs.busy.clear()
        say(*ended)


def _lines() -> Iterator[bytes]:
    """Of standard input; not by ``sys.stdin``, whose lock a thread that waits would hold when the process ends."""
    left = b""
    while chunk := os.read(0, 1 << 16):
        *whole, left = (left + chunk).split(b"\n")
        yield from whole


def _saying(out: TextIO) -> Say:
    lock = threading.Lock()

    def say(what: str, value: Any) -> None:
        line = json.dumps([what, value]) + "\n"
        with lock:
            out.write(line)
            out.flush()

    return say


def _run(said: Said, say: Say) -> Said:
    from ..run import run_pipeline

    catalogue = default_catalogue()
    spec = spec_from_dict(said["spec"], catalogue=catalogue)
    folder, store = Path(said["folder"]), Path(said["store"])
    run_pipeline(
        spec,
        catalogue,
        store,
        folder,
        lambda trial: say("prepared", None),
        said["resume"],
        checkpoint_every=said["every"],
    )
    return {}


class _Trains:
    """Trains within runs; what the trainings of one share stays in memory until one of another is asked for."""

    def __init__(self) -> None:
        self._of: Said | None = None
        self._opened: Any = None

    def __call__(self, said: Said, say: Say) -> Said:
        from .trainings import Opened

        if self._of != said["of"]:
            self._opened = None
            self._of, self._opened = said["of"], Opened(said["of"], default_catalogue(), say)
        return self._opened.train(said)  # type: ignore[no-any-return]
