"""What of a store may go, and taking it away: never what a process uses, never what is not the store's own."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..files import StorageError, remove_partial, sweep_partials, write_whole
from . import locks
from .inventory import PICTURES, Unit, index_files, own_files, partials, units
from .namespace import ABOUT, INDEX, USED, WRITING

#: In ``index/``: its time says when leftovers were swept last.
SWEPT = "swept"
#: Seconds after which a file that is still being written has no writer.
DEAD = 3600.0


@dataclass(frozen=True, slots=True)
class Doomed:
    """What goes, and what would and stays."""

    units: tuple[Unit, ...]
    #: Files of dead writers, with their bytes.
    leftovers: dict[Path, int]
    #: Bytes of all that is stored.
    total: int

    @property
    def bytes(self) -> int:
        """Of what goes."""
        return sum(one.bytes for one in self.units) + sum(self.leftovers.values())


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went."""

    units: tuple[Unit, ...]
    bytes: int
    leftovers: int
    #: What stayed, with why.
    stayed: dict[Path, str]


def doomed(
    root: Path,
    *,
    older_than: timedelta | None = None,
    to: int | None = None,
    needed: Collection[Path] | None = None,
    now: datetime | None = None,
) -> Doomed:
    """What a prune takes away. Nothing goes but what all that is given lets go.

    ``older_than``: since its last use, known to the day; ``to``: bytes that may stay, the last used; ``needed``:
    folders of units that stay (``survey.needed``). Raises ``UserError`` for a folder that is no store.
    """
    stored = units(root)
    before = (now or datetime.now(UTC)) - older_than if older_than is not None else None
    may_go = [
        one
        for one in reversed(stored)  # the least recently used first
        if (before is None or one.last_use < before) and one.folder not in (needed or ())
    ]
    left = total = sum(one.bytes for one in stored)
    going: list[Unit] = []
    for unit in may_go:
        if to is not None and left <= to:
            break
        going.append(unit)
        left -= unit.bytes
    leftovers = {path: _size(path) for path in partials(root, DEAD)}
    return Doomed(tuple(going), leftovers, total)


def sweep_daily(root: Path) -> None:
    """Remove what dead writers left; a store of many files is not walked through more than once a day."""
    swept = root / INDEX / SWEPT
    with contextlib.suppress(OSError):
        if time.time() - swept.stat().st_mtime < locks.DAY:
            return
    if root.is_dir():
        sweep_partials(root)
        with contextlib.suppress(StorageError):
            write_whole(swept, b"", durable=False)


def prune(root: Path, going: Doomed) -> Pruned:
    """Take it away, unit by unit, each while no other process uses it."""
    went: list[Unit] = []
    stayed: dict[Path, str] = {}
    size = leftovers = 0
    for path, bytes_ in going.leftovers.items():
        if remove_partial(path, DEAD):
            size, leftovers = size + bytes_, leftovers + 1
    for unit in going.units:
        try:
            with locks.alone(unit.index / USED, unit.index / WRITING):
                why = _remove(unit)
        except BlockingIOError:
            why = "a process uses it"
        except locks.NoLocks:
            young = datetime.now(UTC) - unit.last_use < timedelta(seconds=2 * locks.DAY)
            why = "the disk has no locks, and it was used since yesterday" if young else _remove(unit)
        if why:
            stayed[unit.folder] = why
        else:
            went.append(unit)
            size += unit.bytes
    return Pruned(tuple(went), size, leftovers, stayed)


def _remove(unit: Unit) -> str:
    """Remove what is the store's own, ``about.json`` last; why not all of it could be."""
    files = [path for path, _ in own_files(unit.folder)]
    why = ""
    for path in [*sorted(files, key=lambda path: path.name == ABOUT), *_index_files(unit)]:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            why = why or f"cannot be removed: {error.strerror or error}"
    root = unit.folder.parent if unit.folder.name == PICTURES else unit.folder.parent.parent
    for folder in (unit.folder, unit.index):
        _remove_empty(folder, root)
    return why or ("it holds files that are not the store's" if unit.folder.exists() else "")


def _index_files(unit: Unit) -> Sequence[Path]:
    """The locks last: another process that opens one waits until it is gone, and makes its own."""
    return sorted(index_files(unit.index), key=lambda path: path.name in (USED, WRITING))


def _remove_empty(folder: Path, root: Path) -> None:
    """It, the folders in it and those that it lies in, where nothing is left in them."""
    for place, *_ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(place)
    for above in folder.parents:
        if above in (root, root / INDEX):
            break
        with contextlib.suppress(OSError):
            above.rmdir()


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0
