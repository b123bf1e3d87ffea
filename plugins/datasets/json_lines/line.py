"""One line of a ``json_lines`` file: what it may say, checked as far as the line alone can tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ....core.data.items import DataError
from ....registry.errors import nearest
from ..split_names import USUAL_NAMES, split_of
from .answers import soft_scores
from .json_object import AN_OBJECT
from .line_fields import read_fields
from .line_view import MODALITIES, TIMES, View, in_segments, view_of

FIELDS = ("id", *MODALITIES, *TIMES, "segments", "passes", "label", "answers")
NONE: Mapping[str, str] = MappingProxyType({})
#: What a pass may hold.
OWN = (*MODALITIES, *TIMES)


@dataclass(frozen=True, slots=True)
class Line:
    """One item as written."""

    #: ``file:line``, for messages.
    place: str
    id: str
    #: What all passes share, and what each has of its own.
    shared: View
    passes: tuple[View, ...]
    #: A class name, one a pass (``None``: unlabelled), or ``None`` where the line says nothing.
    label: str | tuple[str | None, ...] | None
    #: Answer to soft score, in (0, 1]; ``None`` where the line says nothing.
    answers: Mapping[str, float] | None
    #: What it says of its split; ``None`` where it says nothing.
    split: str | None = None

    def views(self) -> tuple[View, ...]:
        """What each pass shows."""
        return tuple({**self.shared, **own} for own in self.passes) or (self.shared,)


def read_lines(file: Path, columns: Mapping[str, str] = NONE) -> Iterator[Line]:
    """The items of a file, one at a time; ``columns``: what keys or columns are called, where that is otherwise.

    Raises ``DataError`` naming file, line, what is wrong and what to write.
    """
    for number, fields in read_fields(file):
        place = f"{file}:{number}"
        yield _line(place, number, _called(place, fields, columns) if columns else fields)


def _called(place: str, fields: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """What ``columns`` names, under our names. Raises ``DataError`` for a line that has none of them."""
    if not any(name in fields for name in columns.values()):
        near = "; ".join(f"{ours}: `{name}`" for ours, name in columns.items())
        raise DataError(f"{place}: has none of dataset.columns ({near}); there are: {', '.join(fields) or 'none'}")
    return {ours: fields[name] for ours, name in columns.items() if name in fields}


def _line(place: str, number: int, fields: Mapping[str, Any]) -> Line:
    split = fields.get("split")
    if split is not None:
        fields = {name: value for name, value in fields.items() if name != "split"}
    for name in fields:
        if name not in FIELDS:
            near = nearest(name, FIELDS)
            hint = f"did you mean `{near}`?" if near else f"known: {', '.join(FIELDS)}"
            raise DataError(f"{place}: unknown field `{name}`; {hint}")
    if fields.get("segments") is None:
        passes = _passes(place, fields.get("passes"))
    else:
        fields, passes = in_segments(place, fields)
    shared = view_of(place, fields)
    if repeated := next((kind for own in passes for kind in own if kind in shared), None):
        raise DataError(f"{place}: `{repeated}` stands beside `passes` and inside them; write it in one of the two")
    if not shared and not passes:
        raise DataError(f"{place}: shows nothing; give it {', '.join(MODALITIES)} or passes, as {AN_OBJECT}")
    label, answers = _label(place, fields.get("label"), len(passes)), fields.get("answers")
    if label is not None and answers is not None:
        raise DataError(f"{place}: has both `label` and `answers`; an item has one or the other")
    scores = None if answers is None else soft_scores(place, answers)
    said = None if split is None else _split(place, split)
    return Line(place, _id(place, fields.get("id"), number), shared, passes, label, scores, said)


def _split(place: str, split: Any) -> str:
    meant = split_of(split) if isinstance(split, str) else None
    if meant is None:
        raise DataError(f"{place}: split {split!r:.80} is none of {USUAL_NAMES}")
    return meant


def _id(place: str, id_: Any, number: int) -> str:
    if isinstance(id_, int) and not isinstance(id_, bool):
        return str(id_)
    if id_ is not None and not (isinstance(id_, str) and id_):
        raise DataError(
            f"{place}: `id` must be a string or a whole number, not {id_!r:.80}; without it, the line counts"
        )
    return id_ or str(number)


def _passes(place: str, passes: Any) -> tuple[View, ...]:
    if passes is None:
        return ()
    if not isinstance(passes, list) or not passes or not all(isinstance(own, dict) and own for own in passes):
        raise DataError(f'{place}: `passes` must be a list of objects, as [{{"image": "l.png"}}, {{"image": "r.png"}}]')
    for own in passes:
        if stray := [name for name in own if name not in OWN]:
            raise DataError(f"{place}: a pass holds {', '.join(OWN)}, not `{stray[0]}`; write it beside `passes`")
        if empty := [name for name, value in own.items() if value is None]:
            raise DataError(f"{place}: `{empty[0]}` of a pass is null; leave it out, or name what it shows")
    return tuple(_shown(place, own) for own in passes)


def _shown(place: str, own: Mapping[str, Any]) -> View:
    if not (view := view_of(place, own)):
        raise DataError(f"{place}: a pass shows nothing; give it {', '.join(MODALITIES)}")
    return view


def _label(place: str, label: Any, passes: int) -> str | tuple[str | None, ...] | None:
    if not isinstance(label, list):
        return None if label is None else _name(place, label)
    if len(label) != passes:
        raise DataError(f"{place}: `label` lists {len(label)} classes for {passes} passes; give each pass one, or null")
    names = tuple(None if one is None else _name(place, one) for one in label)
    return names if any(name is not None for name in names) else None


def _name(place: str, label: Any) -> str:
    """True and false are the names of two classes, as a statement's label."""
    if isinstance(label, bool):
        return str(label).lower()
    if not isinstance(label, str) or not label:
        raise DataError(f'{place}: a label is the name of a class, as "cat", or true or false, not {label!r:.80}')
    return label
