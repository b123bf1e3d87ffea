"""Signals that ask to end wait for the end of a step: what was trained until then is whole, and can be kept."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any, Self

#: Those that wait; not all systems have each.
NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
#: Seconds after the first signal from which on another ends at once: many launchers pass on what a terminal sent as
#: well, so that it comes twice.
PATIENCE = 1.0


class WaitingSignals:
    """Within it each signal waits until ``end_if_asked``; then it does what it would have done.

    Outside of the main thread, where none arrives, and for signals that are ignored, it changes nothing.
    """

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self._asked: signal.Signals | None = None
        self._since, self._at_once = 0.0, False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            known = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
            handlers = {one: signal.getsignal(one) for one in known}
            self._before = {one: was for one, was in handlers.items() if was not in (signal.SIG_IGN, None)}
            for one in self._before:
                signal.signal(one, self._hear)
        return self

    def __exit__(self, *error: object) -> None:
        for one, was in self._before.items():
            if signal.getsignal(one) == self._hear:  # who heard of one may have them ignored from then on
                signal.signal(one, was)
        asked, self._asked = self._asked, None
        if asked is not None and error[0] is None:
            _act(asked, self._before[asked], sys._getframe())

    @property
    def asked(self) -> bool:
        """Whether one waits."""
        return self._asked is not None

    def end_if_asked(self) -> None:
        """Nothing is half done here: let a signal that waits do what it does, which is to raise for most."""
        if self._asked is not None:
            asked, self._asked = self._asked, None
            _act(asked, self._before[asked], sys._getframe())

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Within it no signal waits: nothing is done that would be half."""
        self._at_once = True
        try:
            self.end_if_asked()
            yield
        finally:
            self._at_once = False

    def _hear(self, number: int, frame: FrameType | None) -> None:
        one = signal.Signals(number)
        if self._at_once or (self._asked is not None and time.monotonic() - self._since >= PATIENCE):
            self._asked = None
            _act(one, self._before[one], frame)
        elif self._asked is None:
            self._asked, self._since = one, time.monotonic()


def _act(one: signal.Signals, handler: Any, frame: FrameType | None) -> None:
    if callable(handler):
        handler(one, frame)
    else:  # the system's own: most end the process
        signal.signal(one, handler)
        signal.raise_signal(one)
