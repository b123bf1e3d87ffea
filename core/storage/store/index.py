"""Where each stored item lies: sorted digests in one mapped file a shelf, so that a look costs the same however many
items there are.

A shard is read whole once, and its sha256 held against its name; from then on it is known by size, inode and times,
asked for whenever an item of it is. Each item's CRC-32 is noted when its shard was whole, and checked when it is read.
The file is derived: one that is gone, torn or out of date is made anew. It stands outside of the shards' folder, whose
time of modification says whether shards came or went.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

import numpy as np

from ..files import StorageError, sweep_partials
from .shard import SUFFIXES, Array, Shard
from .table import EMPTY, ENTRY, SHARD, Table, mapped, merged, only, opened, rows_of, sorted_table, written

#: A file or folder that changed this recently may change again under the same time (FAT's tick is 2 s).
STABLE_NS = 2_000_000_000
#: Of a shard's file.
SHARD_NAME = re.compile(r"[0-9a-f]{64}(\.safetensors|\.jsonl)")


@dataclass(frozen=True, slots=True)
class _Recent:
    """Shards that this process has read and no file has yet: a table of each, by name."""

    tables: dict[str, Table] = field(default_factory=dict)
    #: When each was read, in ns.
    read: dict[str, int] = field(default_factory=dict)
    #: All of them.
    merged: Table = EMPTY

    def has(self, name: str, status: os.stat_result) -> bool:
        """Whether it is known, unaltered, by times that were old enough when it was read."""
        if name not in self.tables or _record(name, status) != _identity(self.tables[name].shards[0]):
            return False
        return self.read[name] - max(status.st_mtime_ns, status.st_ctime_ns) >= STABLE_NS

    def only(self, names: Collection[str]) -> _Recent:
        """Those of ``names``."""
        tables = {name: table for name, table in self.tables.items() if name in names}
        return _Recent(tables, {name: self.read[name] for name in tables}, merged(list(tables.values()), 0))


#: By file of the index.
_RECENT: dict[Path, _Recent] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a look found: which of the asked are ``there``, bool [k], the entries [k] of these and their shards."""

    there: Array
    entries: Array
    shards: Array


class Index:
    """Of the shards in ``folder``, kept in ``file``. With ``sweep`` what killed writers left there goes."""

    def __init__(self, folder: Path, file: Path, *, sweep: bool = False) -> None:
        self.folder, self.file, self._sweep = folder, file, sweep

    def look(self, wanted: Array, last: bool = False) -> Found:
        """Which of ``wanted``, digests uint8 [k, 32], are stored, and where. Those of altered shards are not."""
        try:
            return self._looked(wanted, last)
        except (IndexError, ValueError, OverflowError):  # a file whose bytes were altered: it is made again
            self.forget()
            return self._looked(wanted, last)

    def _looked(self, wanted: Array, last: bool) -> Found:
        settled, young = self._tables()
        found = _find(settled, young, wanted, last)
        if self._altered(found):
            settled, young = self._listed(settled)
            found = _find(settled, young, wanted, last)
            if altered := self._altered(found):
                there = found.there & ~np.isin(found.entries["shard"], list(altered))
                found = Found(there, found.entries, found.shards)
        return found

    def count(self) -> int:
        """How many items are stored."""
        return len(self.digests())

    def digests(self) -> Array:
        """Digests uint8 [n, 32] of all stored items, each once."""
        try:
            tables = self._listed(opened(self.file))
        except (IndexError, ValueError, OverflowError):  # as in a look
            self.forget()
            tables = self._listed(opened(self.file))
        held = np.unique(np.concatenate([table.entries["digest"] for table in tables]))
        return np.frombuffer(held.astype("S32").tobytes(), np.uint8).reshape(-1, 32)

    def values(self, wanted: Array, last: bool = False) -> tuple[list[memoryview | None], list[int]]:
        """The bytes of each of ``wanted`` and the numbers a row; ``None`` for what is not stored.

        Raises ``StorageError`` for bytes that were altered while their file kept its times.
        """
        for _ in range(2):
            found = self.look(wanted, last)
            values: list[memoryview | None] = [None] * len(wanted)
            widths = [0] * len(wanted)
            rows = np.flatnonzero(found.there)
            rows = rows[np.argsort(found.entries["shard"][rows], kind="stable")]
            altered = None
            for some in np.split(rows, np.flatnonzero(np.diff(found.entries["shard"][rows])) + 1):
                if not len(some):
                    continue
                shard = found.shards[found.entries["shard"][some[0]]]
                try:
                    for row, value in zip(some, self._read(shard, found.entries[some]), strict=True):
                        values[row], widths[row] = value, int(shard["width"])
                except (OSError, ValueError):
                    altered = self._path(shard)
            if altered is None:
                return values, widths
            self.forget()
        raise StorageError(f"{altered} was altered since it was stored; `graftwork cache verify --remove`, then again")

    def forget(self) -> None:
        """Have all shards read anew at the next look."""
        mapped.cache_clear()
        _RECENT.pop(self.file, None)
        with contextlib.suppress(OSError):
            self.file.unlink()

    def _tables(self) -> tuple[Table, Table]:
        """Of the shards that are known by their times, and of those too young for it."""
        settled = opened(self.file)
        try:
            changed = os.stat(self.folder).st_mtime_ns
        except OSError:
            return EMPTY, EMPTY
        is_known = settled.folder == changed and all(self._intact(settled.unfit))
        return (settled, EMPTY) if is_known else self._listed(settled)

    def _listed(self, before: Table) -> tuple[Table, Table]:
        """The same, of the shards that are in the folder now. What is new or changed is read, and held against its
        name; the file is written when no shard is too young for it, or when it grows by much."""
        if self._sweep:
            sweep_partials(self.folder, below=False)
        try:
            changed = os.stat(self.folder).st_mtime_ns
            listed = {path.name: status for path, status in shards_in(self.folder)}
        except OSError:
            return EMPTY, EMPTY
        names = [self._path(shard).name for shard in before.shards]
        kept = [
            number
            for number, name in enumerate(names)
            if name in listed and _record(name, listed[name]) == _identity(before.shards[number])
        ]
        known = {names[number] for number in kept}
        recent = self._read_recent({name: listed[name] for name in sorted(listed.keys() - known)})
        settled = [name for name, status in listed.items() if name not in known and recent.has(name, status)]
        are_all = len(settled) == len(recent.tables)
        folder = changed if are_all and time.time_ns() - changed >= STABLE_NS else 0
        grown = sum(len(recent.tables[name].entries) for name in settled)
        is_due = settled and (are_all or 8 * grown >= len(before.entries))
        if is_due or len(kept) < len(before.shards) or (folder and folder != before.folder):
            table = merged([only(before, kept), *(recent.tables[name] for name in settled)], folder)
            if written(table, self.file):
                recent = _RECENT[self.file] = recent.only(recent.tables.keys() - settled)
                return table, recent.merged
        return only(before, kept), recent.merged

    def _read_recent(self, listed: dict[str, os.stat_result]) -> _Recent:
        """Of those shards that no file knows."""
        recent = _RECENT.get(self.file, _Recent())
        fresh = {name for name, status in listed.items() if not recent.has(name, status)}
        if not fresh and recent.tables.keys() <= listed.keys():
            return recent
        known = recent.only(listed.keys() - fresh)
        tables, read = dict(known.tables), dict(known.read)
        for name in sorted(fresh):
            for table, when in self._read_whole(name):
                tables[name], read[name] = table, when
        _RECENT[self.file] = recent = _Recent(tables, read, merged(list(tables.values()), 0))
        return recent

    def _read_whole(self, name: str) -> Iterator[tuple[Table, int]]:
        """The table of one shard and when it was read; of one that is not whole, a table without items. None of what
        cannot be read."""
        path, now = self.folder / name, time.time_ns()
        try:
            with open(path, "rb") as file:
                status, content = os.fstat(file.fileno()), file.read()
        except OSError:  # removed meanwhile, or not readable: not there
            return
        made = np.zeros(1, SHARD)
        made[0] = (*_record(name, status), -1)
        entries = np.empty(0, ENTRY)
        if hashlib.sha256(content).hexdigest() == path.stem:
            with contextlib.suppress(ValueError, KeyError, TypeError, IndexError, RecursionError):
                shard = Shard.read(content, path.suffix)
                made["width"], entries = shard.width, _entries(shard, content)
        yield sorted_table(made, entries, 0), now

    def _altered(self, found: Found) -> set[int]:
        """Shards of what was found that are no longer what they were when they were read."""
        numbers = np.unique(found.entries["shard"][found.there])
        there = numbers[numbers < len(found.shards)]
        intact = self._intact(found.shards[there])
        return set(numbers.tolist()) - {number for number, same in zip(there.tolist(), intact, strict=True) if same}

    def _intact(self, shards: Array) -> list[bool]:
        """Whether each is what it was. It is asked at each look, of many: without path objects, which take longer than
        all the rest."""
        return [_is_known(f"{self.folder}{os.sep}", *shard) for shard in shards.tolist()]

    def _path(self, shard: Array) -> Path:
        name, text, *_ = shard.item()
        return self.folder / f"{name.decode('ascii', 'replace')}{SUFFIXES[text & 1]}"

    def _read(self, shard: Array, entries: Array) -> Iterator[memoryview]:
        """The bytes of some entries of one shard: at once where they are most of what lies between them.

        Raises ``OSError``, and ``ValueError`` where they are not what they were.
        """
        start, length = entries["start"], entries["length"]
        low, high = int(start.min()), int((start + length).max())
        if low < 0 or int(length.min()) < 0 or high > shard["size"]:
            raise ValueError("out of bounds")
        at_once = 2 * int(length.sum()) >= high - low
        content = memoryview(bytearray(high - low if at_once else int(length.sum())))
        placed = start - low if at_once else np.cumsum(length) - length
        with open(self._path(shard), "rb", buffering=0) as file:
            if at_once:
                _read_into(file, low, content)
            places = (start.tolist(), placed.tolist(), length.tolist(), entries["crc"].tolist())
            for begin, at, size, crc in zip(*places, strict=True):
                value = content[at : at + size]
                if not at_once:
                    _read_into(file, begin, value)
                if zlib.crc32(value) != crc:
                    raise ValueError("altered")
                yield value


def _read_into(file: FileIO, start: int, content: memoryview) -> None:
    """Fill ``content`` with what begins there. Raises ``ValueError`` where the file ends before."""
    file.seek(start)
    done = file.readinto(content)
    while done < len(content):
        if not (read := file.readinto(content[done:])):
            raise ValueError("cut off")
        done += read


def shards_in(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """The files in ``folder`` that may be shards by their names. Raises ``OSError`` where it cannot be listed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if SHARD_NAME.fullmatch(entry.name):
                with contextlib.suppress(OSError):  # removed meanwhile
                    yield Path(entry.path), entry.stat()


def _find(settled: Table, young: Table, wanted: Array, last: bool) -> Found:
    """In both; of two shards that hold an item the first by name, or the ``last``."""
    rows, others = settled.rows(wanted, last), young.rows(wanted, last)
    if not len(young.entries):
        return Found(rows >= 0, rows_of(settled.entries, rows), settled.shards)
    ours, theirs = rows_of(settled.entries, rows), rows_of(young.entries, others)
    before = rows_of(young.shards["name"], theirs["shard"]) < rows_of(settled.shards["name"], ours["shard"])
    taken = (others >= 0) & ((rows < 0) | (before != last))
    theirs["shard"] += np.uint32(len(settled.shards))
    return Found((rows >= 0) | taken, np.where(taken, theirs, ours), np.concatenate([settled.shards, young.shards]))


def _record(name: str, status: os.stat_result) -> tuple[bytes, int, int, int, int, int]:
    """What a shard is known by."""
    stem, suffix = os.path.splitext(name)
    return (stem.encode()[:64], SUFFIXES.index(suffix), *_of_file(status))


def _of_file(status: os.stat_result) -> tuple[int, int, int, int]:
    """What another file of the same name has otherwise."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _identity(shard: Array) -> tuple[bytes, int, int, int, int, int]:
    name, text, size, mtime, ctime, inode, _ = shard.item()
    return name, text, size, mtime, ctime, inode


def _is_known(folder: str, name: bytes, text: int, *known: int) -> bool:
    """Whether a shard's file has that size, these times and that inode; the last number is another matter."""
    try:
        status = os.stat(f"{folder}{name.decode('ascii', 'replace')}{SUFFIXES[text]}")
    except (OSError, ValueError, IndexError):  # not there, or a name that none can have
        return False
    return known[:-1] == _of_file(status)


def _entries(shard: Shard, content: bytes) -> Array:
    entries, view = np.zeros(len(shard.digests), ENTRY), memoryview(content)
    entries["digest"] = np.ascontiguousarray(shard.digests).view("S32")[:, 0]
    entries["start"], entries["length"] = shard.start, shard.length
    bounds = zip(shard.start.tolist(), shard.length.tolist(), strict=True)
    entries["crc"] = [zlib.crc32(view[start : start + length]) for start, length in bounds]
    return entries
