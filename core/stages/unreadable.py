"""Items whose content cannot be read: all of them named, then left out or refused as the data set's spec says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..data.items import DataError, Item, Media
from ..events import Event, Note
from ..roles.specs import DatasetSpec

MAX_NAMED = 10
Splits = Mapping[str, Sequence[Item]]
T = TypeVar("T")


class Unreadable(DataError):
    """Content that cannot be decoded. Raised after everything readable was described or encoded, and stored."""

    def __init__(self, reasons: Mapping[str, str], media: Sequence[Media]) -> None:
        #: Digest to reason, which names the source.
        self.reasons = dict(reasons)
        lines = _lines(reasons, media)
        super().__init__(
            f"{len(lines)} of {len(media)} cannot be read; remove or replace them, or leave them out with "
            f'"on_error": "skip" in `dataset` (everything readable is stored):\n  ' + "\n  ".join(shortened(lines))
        )


def shortened(lines: Sequence[str]) -> list[str]:
    """The first ten, and how many more there are."""
    more = [f"and {len(lines) - MAX_NAMED} more"] if len(lines) > MAX_NAMED else []
    return [*lines[:MAX_NAMED], *more]


def _lines(reasons: Mapping[str, str], media: Sequence[Media]) -> list[str]:
    """A line for every source that cannot be read, also for those that share their bytes (empty files do)."""
    said: set[str] = set()
    lines = []
    for one in media:
        if one.digest in reasons:
            lines.append(f"{one.source}: the same bytes" if one.digest in said else reasons[one.digest])
            said.add(one.digest)
    return lines


@dataclass(frozen=True, slots=True)
class LeftOutItem:
    """One item that a run goes on without."""

    split: str
    id: str
    source: str
    reason: str


class LeftOut:
    """Applies a data set's ``on_error`` and ``max_errors`` to whatever turns out unreadable in any stage."""

    def __init__(self, spec: DatasetSpec, tell: Callable[[Event], None]) -> None:
        self._spec, self._tell = spec, tell
        #: In the order of the splits.
        self.items: list[LeftOutItem] = []

    def tolerate(self, attempt: Callable[[Splits], T], splits: Splits) -> tuple[T, Splits]:
        """What ``attempt`` gives for ``splits``, or for those of their items that it can read; and these splits.

        Raises ``Unreadable`` with ``on_error`` ``fail``, ``DataError`` when more than ``max_errors`` are left out.
        """
        while True:
            try:
                return attempt(splits), splits
            except Unreadable as error:
                splits = self._without(splits, error)

    def _without(self, splits: Splits, error: Unreadable) -> Splits:
        new = [
            LeftOutItem(name, item.id, media.source, error.reasons[media.digest])
            for name, items in splits.items()
            for item in items
            if (media := _unreadable_part(item, error.reasons)) is not None
        ]
        if self._spec.on_error == "fail" or not new:
            raise error
        self.items += new
        self._require_few()
        named = "\n  ".join(shortened([one.reason for one in new]))
        self._tell(Note(f"{len(new)} items that cannot be read are left out:\n  {named}"))
        gone = {(item.split, item.id) for item in new}
        kept = {name: tuple(item for item in items if (name, item.id) not in gone) for name, items in splits.items()}
        for name, items in kept.items():
            if splits[name] and not items:
                raise DataError(f"no item of split `{name}` can be read:\n  {named}")
        return kept

    def _require_few(self) -> None:
        cap = self._spec.max_errors
        if len(self.items) > cap:
            reasons = "\n  ".join(shortened([one.reason for one in self.items]))
            raise DataError(
                f"{len(self.items)} items cannot be read, and dataset.max_errors allows {cap}; remove or replace them, "
                f"or raise it (everything readable is stored):\n  {reasons}"
            )


def _unreadable_part(item: Item, reasons: Mapping[str, str]) -> Media | None:
    contents = (media for view in item.views() for media in view.values())
    return next((media for media in contents if media.digest in reasons), None)
