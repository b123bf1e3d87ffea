"""Items whose content cannot be read: all of them named, then left out or refused as the data set's spec says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ...registry.errors import counted
from ..data.items import DataError, Item, Items, LeftOutItem, Media, some_of
from ..events import Note, Tell
from ..roles.specs import DatasetSpec


class Unreadable(DataError):
    """Content that cannot be decoded. Raised after everything readable was described or encoded, and stored.

    ``reasons`` are by digest, each naming its source; ``media`` is all that was tried.
    """

    def __init__(self, reasons: Mapping[str, str], media: Sequence[Media]) -> None:
        lines = _lines(reasons, media)
        super().__init__(
            f"{len(lines)} of {len(media)} cannot be read; remove or replace them, or leave them out with "
            f'"on_error": "skip" in `dataset` (everything readable is stored):{some_of(lines)}'
        )


def leave_out(items: Items, reasons: Mapping[str, str], kinds: Iterable[str], spec: DatasetSpec, tell: Tell) -> Items:
    """The items without those that cannot be read, by the data set's ``on_error`` and ``max_errors``.

    ``reasons`` are by digest, of a stage that tried the contents of these ``kinds``; a ``Note`` names what is left out.
    Raises ``Unreadable`` with ``on_error`` ``fail``, ``DataError`` where more than ``max_errors`` are left out, and
    where nothing is left of a split.
    """
    if not reasons:
        return items
    if spec.on_error == "fail":
        raise Unreadable(reasons, _tried(items, reasons, kinds))
    new = [
        LeftOutItem(name, item.id, media.source, reasons[media.digest])
        for name, split in items.splits.items()
        for item in split
        if (media := _unreadable_part(item, reasons)) is not None
    ]
    kept = items.without(new)
    _require_few(kept.left_out, spec.max_errors)
    named = some_of([one.reason for one in new])
    verb = "is" if len(new) == 1 else "are"
    tell(Note(f"{counted(len(new), 'items')} that cannot be read {verb} left out:{named}"))
    for name, split in kept.splits.items():
        if items.splits[name] and not split:
            raise DataError(f"no item of split `{name}` can be read:{named}")
    return kept


def _lines(reasons: Mapping[str, str], media: Sequence[Media]) -> list[str]:
    """A line for every source that cannot be read, also for those that share their bytes (empty files do)."""
    said: set[str] = set()
    lines = []
    for one in media:
        if one.digest in reasons:
            lines.append(f"{one.source}: the same bytes" if one.digest in said else reasons[one.digest])
            said.add(one.digest)
    return lines


def _tried(items: Items, reasons: Mapping[str, str], kinds: Iterable[str]) -> list[Media]:
    """All contents of those kinds that have an unreadable one among them."""
    views = [view for item in items.of_all_splits() for view in item.views()]
    by_kind = ([view[kind] for view in views if kind in view] for kind in dict.fromkeys(kinds))
    return [one for media in by_kind if any(one.digest in reasons for one in media) for one in media]


def _require_few(left_out: Sequence[LeftOutItem], most: int) -> None:
    if len(left_out) > most:
        raise DataError(
            f"{counted(len(left_out), 'items')} cannot be read, and dataset.max_errors allows {most}; remove or "
            f"replace them, or raise it (everything readable is stored):{some_of([one.reason for one in left_out])}"
        )


def _unreadable_part(item: Item, reasons: Mapping[str, str]) -> Media | None:
    contents = (media for view in item.views() for media in view.values())
    return next((media for media in contents if media.digest in reasons), None)
