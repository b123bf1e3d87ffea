"""Signals that ask a command to end: each ends it as Ctrl-C does, with what was done so far kept.

Imports nothing that takes time: before signals are caught one is a traceback of Python's.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

#: What each leaves behind is said with its word; the exit code is 128 and its number. Not all systems have each.
WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "terminated, as its terminal closed"}
#: Seconds until a signal is looked at again that came at a time when nothing may be raised.
_PAUSE = 0.02


class Received:
    """The signal that asked to end; ``None`` while none did."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        #: Whether somebody waits for the ``KeyboardInterrupt``; else a signal ends the process where it is.
        self.raises = False
        #: Whether the command ends by one, and its process soon after.
        self.ends = False
        #: How the command goes on that was ended, where it does; it says so itself.
        self.goes_on = ""

    def said(self) -> int:
        """Say that the command ends, which another signal could only make a traceback of; the exit code."""
        from .say import say

        found, self.ends = self.signal or signal.SIGINT, True
        with contextlib.suppress(ValueError):  # not in the main thread, where none arrives
            for one in _known():
                signal.signal(one, signal.SIG_IGN)
        say(f"{WORDS[found.name]}; what was encoded so far is stored{self.goes_on and f'; {self.goes_on}'}", err=True)
        return 128 + found


def _known() -> list[signal.Signals]:
    return [getattr(signal, name) for name in WORDS if hasattr(signal, name)]


@contextlib.contextmanager
def caught_signals() -> Iterator[Received]:
    """Within it each raises ``KeyboardInterrupt``, unless it is ignored or someone else's already (``nohup``, a test).

    Before ``raises`` is set there is nothing to keep: the process ends at once, with the signal's code.
    Once a signal was said to end the command they are ignored to the end of the process; else as they were afterwards.
    Not while C code imports a module: that would make an ``ImportError`` of it, and the command would go on without.
    """
    received, waiting = Received(), threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        received.signal = received.signal or signal.Signals(number)
        if not received.raises:
            _quit(received.signal)
        if not _in_c_import(frame):
            waiting.clear()
            raise KeyboardInterrupt
        if not waiting.is_set():
            waiting.set()
            _thread.start_new_thread(end_soon, (number,))

    def end_soon(number: int) -> None:
        time.sleep(_PAUSE)
        if waiting.is_set():
            waiting.clear()
            _raise_in_main(number)

    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {one: signal.getsignal(one) for one in _known()}
        before = {one: was for one, was in handlers.items() if was in (signal.SIG_DFL, signal.default_int_handler)}
    for one in before:
        signal.signal(one, end)
    try:
        yield received
    finally:
        waiting.clear()
        for one, was in before.items() if not received.ends else ():
            signal.signal(one, was)


def _quit(received: signal.Signals) -> None:
    with contextlib.suppress(OSError):  # standard error may be closed, or read by nobody
        os.write(2, f"\n{WORDS[received.name]}\n".encode())
    os._exit(128 + received)


def _raise_in_main(number: int) -> None:
    """As from outside, so that the main thread wakes where it waits."""
    if sys.platform == "win32":
        signal.raise_signal(number)
    else:
        signal.pthread_kill(threading.main_thread().ident or 0, number)


def _in_c_import(frame: FrameType | None) -> bool:
    """Whether Python is importing a module written in C, from whose code no ``KeyboardInterrupt`` may come back."""
    while frame is not None:
        if frame.f_code.co_qualname.startswith("ExtensionFileLoader."):
            return True
        frame = frame.f_back
    return False
