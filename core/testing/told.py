"""What is said of an exception out of a check: what it is, and where in the author's own code."""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from types import FrameType
from typing import Any

from .case import Case
from .check import Check

Place = tuple[FrameType, int]


def told(error: Exception, check: Check, case: Case) -> str:
    """An assertion of the check's own is its message; whatever else is raised is told with its kind and place.

    The place is the last frame in the component's package, also of what caused the error; else the last of all.
    """
    last = list(traceback.walk_tb(error.__traceback__))[-1]
    if isinstance(error, AssertionError) and str(error) and _of_kit(last, check):
        return str(error)
    frame, line = next(iter(_own(error, check, case)), last)
    said = str(error) or linecache.getline(frame.f_code.co_filename, line).strip()
    return f"raised {type(error).__name__}: {said} ({frame.f_code.co_filename}:{line}){_hint(case)}"


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _of_kit(place: Place, check: Check) -> bool:
    module = _module(place[0])
    return module.startswith(f"{__package__}.") or module == check.run.partition(":")[0]


def _own(error: BaseException, check: Check, case: Case) -> Iterator[Place]:
    """Places in the component's package, the last first; then those of the error's cause."""
    named = (case.component.spec.__module__, case.component.build.partition(":")[0])
    packages = {one.partition(".")[0] for one in named}
    for place in reversed(list(traceback.walk_tb(error.__traceback__))):
        if _module(place[0]).partition(".")[0] in packages and not _of_kit(place, check):
            yield place
    if error.__cause__ is not None:
        yield from _own(error.__cause__, check, case)


def _hint(case: Case) -> str:
    """What the kind knows of the usual reason, where it has a word on that (``hint``)."""
    kind: Any = import_module(case.kind.module) if case.kind.module else None
    found: str | None = None
    with suppress(Exception):  # it asks the spec, which may be what fails
        found = kind.hint(case) if hasattr(kind, "hint") else None
    return f"; {found}" if found else ""
