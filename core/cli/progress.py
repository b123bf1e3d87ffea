"""Progress and notes of commands that make no run, in the form of those that do: by the ``console`` reporter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .say import is_quiet

if TYPE_CHECKING:
    from ..events import Event, Tell


@contextmanager
def shown_progress() -> Iterator[Tell]:
    """Shows the events that it is told on standard error; none where the command is quiet."""
    if is_quiet():
        yield _unheard
        return
    from ...registry.build import build
    from ...registry.discovery import default_catalogue
    from ..roles.reporter import Reporter

    catalogue = default_catalogue()
    spec = catalogue.find("reporter", "console").spec.model_validate({"type": "console"})
    reporter = build(Reporter, catalogue, spec, Path())
    try:
        yield reporter.hear
    finally:
        reporter.close()


def _unheard(event: Event) -> None:
    pass
