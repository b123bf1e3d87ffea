"""The bus that keeps a broken reporter from harming a run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

from ...registry.hookspecs import hookimpl
from ..events import Event
from ..roles.reporter import Reporter


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
