"""The bus that keeps a broken reporter from harming a run."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

from ...registry.errors import one_line, printable
from ...registry.hookspecs import hookimpl
from ..events import EpochFinished, Event, JobAdvanced, Note, RunFinished, StageAdvanced
from ..roles.reporter import Reporter

#: What happens in a run, for whoever listens by Python's own means: notes are warnings, the rest is for information,
#: epochs and single steps for debugging.
LOGGER = logging.getLogger("graftwork.run")


class Reporters:
    """Tells every reporter; one that raises is warned about once and not told again."""

    def __init__(self, reporters: Iterable[Reporter], folder: Path) -> None:
        self.folder = folder
        self._listening = list(reporters)

    @hookimpl(tryfirst=True)
    def graftwork_run_event(self, event: Event) -> None:
        """Pass an event on."""
        for reporter in tuple(self._listening):
            self._isolated(reporter, lambda reporter: reporter.hear(event))

    def close(self) -> None:
        """Close every reporter that still listens."""
        for reporter in tuple(self._listening):
            self._isolated(reporter, lambda reporter: reporter.close())

    def _isolated(self, reporter: Reporter, act: Callable[[Reporter], None]) -> None:
        try:
            act(reporter)
        except Exception as error:  # noqa: BLE001  # an observer must not end the run it observes
            self._listening.remove(reporter)
            warnings.warn(f"reporter {type(reporter).__name__} failed and is silent from now on: {error}", stacklevel=3)


def log(event: Event) -> None:
    """An event as a record of ``graftwork.run``, which has it as its attribute ``event``."""
    often = isinstance(event, (EpochFinished, JobAdvanced, StageAdvanced))
    level = logging.WARNING if isinstance(event, Note) else logging.DEBUG if often else logging.INFO
    if LOGGER.isEnabledFor(level):
        LOGGER.log(level, "%s", _in_words(event), extra={"event": event})


def _in_words(event: Event) -> str:
    if isinstance(event, Note):
        return printable(event.message)
    fields = {"folder": event.folder} if isinstance(event, RunFinished) else asdict(event)
    said = ", ".join(f"{name} {one:.4g}" if isinstance(one, float) else f"{name} {one}" for name, one in fields.items())
    return one_line(f"{type(event).__name__}: {said}")
