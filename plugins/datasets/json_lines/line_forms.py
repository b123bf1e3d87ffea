"""Whether the lines of a ``json_lines`` data set can be items of one task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....core.data.items import DataError
from .line import Line

#: What no two lines of one data set may differ in.
_EITHER = (
    ("passes", "no passes"),
    ("one label", "a label a pass"),
    ("one label", "answers"),
    ("a label a pass", "answers"),
)


def require_ids_once(lines: Sequence[Line]) -> None:
    """Raises ``DataError`` for an id that stands twice."""
    first: dict[str, str] = {}
    for line in lines:
        if (where := first.setdefault(line.id, line.place)) != line.place:
            raise DataError(f"{line.place}: id {line.id!r} is that of {where} already; every item has an id of its own")


def require_one_form(lines: Sequence[Line]) -> None:
    """Every pass of every item shows the same modalities, and is labelled in the same way; else ``DataError``.

    An item that lacks what others have (a clip without sound) would silently be another task for the model.
    """
    _require_same_modalities(lines)
    first: dict[str, str] = {}
    for line in lines:
        for form in _forms(line):
            first.setdefault(form, line.place)
    for one, other in _EITHER:
        if one in first and other in first:
            raise DataError(f"{first[one]} has {one}, and {first[other]} has {other}; every item needs the same form")


def _require_same_modalities(lines: Sequence[Line]) -> None:
    having = {kind: line.place for line in reversed(lines) for view in line.views() for kind in view}
    for line in lines:
        for number, view in enumerate(line.views()):
            if lacking := [kind for kind in having if kind not in view]:
                which = f"pass {number} of item {line.id}" if line.passes else f"item {line.id}"
                raise DataError(
                    f"{line.place}: {which} has no {lacking[0]}, and {having[lacking[0]]} has; every item needs the "
                    "same modalities: add it, or remove the line"
                )


def _forms(line: Line) -> Iterator[str]:
    yield "passes" if line.passes else "no passes"
    if line.answers is not None:
        yield "answers"
    if line.label is not None:
        yield "a label a pass" if isinstance(line.label, tuple) else "one label"
