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
import mmap
import os
import re
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from ..files import StorageError, write_whole
from .shard import SUFFIXES, Array, Shard, tensors_in

#: A file or folder that changed this recently may change again under the same time (FAT's tick is 2 s).
STABLE_NS = 2_000_000_000
#: Of a shard's file.
SHARD_NAME = re.compile(r"[0-9a-f]{64}(\.safetensors|\.jsonl)")
_LAYOUT = "1"
_SHARD = np.dtype(
    [
        ("name", "S64"),
        ("text", "u1"),
        ("size", "<i8"),
        ("mtime", "<i8"),
        ("ctime", "<i8"),
        ("inode", "<u8"),
        ("width", "<i8"),
    ]
)
_ENTRY = np.dtype([("digest", "S32"), ("shard", "<u4"), ("crc", "<u4"), ("start", "<i8"), ("length", "<i8")])


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Items of some shards: shards [s] by name, entries [n] by the first 8 bytes of their digest, then by shard."""

    shards: Array
    prefix: Array
    entries: Array
    #: Time of modification of the shards' folder when they were listed; 0: list them again.
    folder: int = 0
    #: Shards that are not whole; who copies one in may not have come to its end.
    unfit: Array = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "unfit", self.shards[self.shards["width"] < 0])

    def rows(self, wanted: Array, last: bool) -> Array:
        """Row int64 [k] of each of ``wanted``, digests uint8 [k, 32]; -1 of what is not there. Of several shards that
        hold it the first by name, or the ``last``."""
        if not len(self.entries):
            return np.full(len(wanted), -1)
        prefix = _prefix(wanted)
        order = np.argsort(prefix)  # neighbours in the file are asked for one after the other
        at = np.empty(len(wanted), np.int64)
        at[order] = self.prefix.searchsorted(prefix[order])
        at = np.minimum(at, len(self.entries) - 1)
        digests = wanted.view("S32")[:, 0]
        found = np.where(self.entries[at]["digest"] == digests, at, -1)
        several = self.prefix[np.minimum(at + 1, len(self.entries) - 1)] == prefix
        for one in np.flatnonzero(several):
            end = int(self.prefix.searchsorted(prefix[one], "right"))
            same = at[one] + np.flatnonzero(self.entries["digest"][at[one] : end] == digests[one])
            found[one] = same[-1 if last else 0] if len(same) else -1
        return found


#: Of files that this process could not write.
_UNWRITTEN: dict[Path, Table] = {}
_EMPTY = Table(np.empty(0, _SHARD), np.empty(0, np.uint64), np.empty(0, _ENTRY))


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a look found: which of the asked are ``there``, bool [k], the entries [k] of these and their shards."""

    there: Array
    entries: Array
    shards: Array


class Index:
    """Of the shards in ``folder``, kept in ``file``."""

    def __init__(self, folder: Path, file: Path) -> None:
        self.folder, self.file = folder, file

    def look(self, wanted: Array, last: bool = False) -> Found:
        """Which of ``wanted``, digests uint8 [k, 32], are stored, and where. Those of altered shards are not."""
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
        tables = self._listed(_open(self.file))
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
        _mapped.cache_clear()
        _UNWRITTEN.pop(self.file, None)
        with contextlib.suppress(OSError):
            self.file.unlink()

    def _tables(self) -> tuple[Table, Table]:
        """Of the shards that are known by their times, and of those too young for it."""
        settled = _open(self.file)
        try:
            changed = os.stat(self.folder).st_mtime_ns
        except OSError:
            return _EMPTY, _EMPTY
        is_known = settled.folder == changed and all(self._is_intact(shard) for shard in settled.unfit)
        return (settled, _EMPTY) if is_known else self._listed(settled)

    def _listed(self, before: Table) -> tuple[Table, Table]:
        """The same, of the shards that are in the folder now. What is new or changed is read, and held against its
        name."""
        try:
            changed = os.stat(self.folder).st_mtime_ns
            listed = {path.name: status for path, status in shards_in(self.folder)}
        except OSError:
            return _EMPTY, _EMPTY
        known = {self._path(shard).name: number for number, shard in enumerate(before.shards)}
        kept = {
            number
            for name, number in known.items()
            if name in listed and _record(name, listed[name]) == _identity(before.shards[number])
        }
        settled: list[Table] = []
        young: list[Table] = []
        for name in sorted(listed.keys() - {name for name, number in known.items() if number in kept}):
            for made, status in self._read_whole(name):
                is_stable = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) >= STABLE_NS
                (settled if is_stable else young).append(made)
        is_stable = time.time_ns() - changed >= STABLE_NS and not young
        folder = changed if is_stable else 0
        table = before
        if settled or len(kept) < len(before.shards) or (folder and folder != before.folder):
            table = _merged([_only(before, sorted(kept)), *settled], folder)
            self._write(table)
        return table, _merged(young, 0)

    def _read_whole(self, name: str) -> Iterator[tuple[Table, os.stat_result]]:
        """The table of one shard; of one that is not whole, a table without items. None of what cannot be read."""
        path = self.folder / name
        try:
            with open(path, "rb") as file:
                status, content = os.fstat(file.fileno()), file.read()
        except OSError:  # removed meanwhile, or not readable: not there
            return
        made = np.zeros(1, _SHARD)
        made[0] = (*_record(name, status), -1)
        entries = np.empty(0, _ENTRY)
        if hashlib.sha256(content).hexdigest() == path.stem:
            with contextlib.suppress(ValueError, KeyError, TypeError, IndexError, RecursionError):
                shard = Shard.read(content, path.suffix)
                made["width"], entries = shard.width, _entries(shard, content)
        yield _sorted(made, entries, 0), status

    def _write(self, table: Table) -> None:
        """A disk that takes nothing costs time in the next run, not this one."""
        tensors = {
            "prefix": table.prefix,
            "entries": np.ascontiguousarray(table.entries).view(np.uint8).reshape(-1, _ENTRY.itemsize),
            "shards": np.ascontiguousarray(table.shards).view(np.uint8).reshape(-1, _SHARD.itemsize),
        }
        try:
            write_whole(self.file, save(tensors, {"layout": _LAYOUT, "folder": str(table.folder)}))
        except StorageError:
            _UNWRITTEN[self.file] = table

    def _altered(self, found: Found) -> set[int]:
        """Shards of what was found that are no longer what they were when they were read."""
        return {
            int(number)
            for number in np.unique(found.entries["shard"][found.there])
            if number >= len(found.shards) or not self._is_intact(found.shards[number])
        }

    def _is_intact(self, shard: Array) -> bool:
        path = self._path(shard)
        try:
            return _record(path.name, os.stat(path)) == _identity(shard)
        except (OSError, ValueError):  # not there, or a name that none can have
            return False

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
        with open(self._path(shard), "rb", buffering=0) as file:
            at_once = _bytes_at(file.fileno(), low, high - low) if 2 * int(length.sum()) >= high - low else None
            for one in entries:
                begin, size = int(one["start"]), int(one["length"])
                if at_once is None:
                    value = memoryview(_bytes_at(file.fileno(), begin, size))
                else:
                    value = memoryview(at_once)[begin - low : begin - low + size]
                if zlib.crc32(value) != one["crc"]:
                    raise ValueError("altered")
                yield value


def shards_in(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """The files in ``folder`` that may be shards by their names. Raises ``OSError`` where it cannot be listed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if SHARD_NAME.fullmatch(entry.name):
                with contextlib.suppress(OSError):  # removed meanwhile
                    yield Path(entry.path), entry.stat()


def _bytes_at(descriptor: int, start: int, size: int) -> bytearray:
    """So many bytes of a file. Raises ``ValueError`` where it has fewer."""
    content = bytearray(size)
    view, done = memoryview(content), 0
    os.lseek(descriptor, start, os.SEEK_SET)
    with open(descriptor, "rb", buffering=0, closefd=False) as file:
        while done < size:
            if not (read := file.readinto(view[done:])):
                raise ValueError("cut off")
            done += read
    return content


def _find(settled: Table, young: Table, wanted: Array, last: bool) -> Found:
    """In both; of two shards that hold an item the first by name, or the ``last``."""
    rows, others = settled.rows(wanted, last), young.rows(wanted, last)
    if not len(young.entries):
        return Found(rows >= 0, _at(settled.entries, rows), settled.shards)
    ours, theirs = _at(settled.entries, rows), _at(young.entries, others)
    before = _at(young.shards["name"], theirs["shard"]) < _at(settled.shards["name"], ours["shard"])
    taken = (others >= 0) & ((rows < 0) | (before != last))
    theirs["shard"] += np.uint32(len(settled.shards))
    return Found((rows >= 0) | taken, np.where(taken, theirs, ours), np.concatenate([settled.shards, young.shards]))


def _at(table: Array, rows: Array) -> Array:
    """A copy of those rows; anything of those that are not there."""
    if not len(table):
        return np.zeros(len(rows), table.dtype)
    return table[np.clip(rows.astype(np.int64), 0, len(table) - 1)]


def _prefix(digests: Array) -> Array:
    """The first 8 bytes as uint64, in the digests' order."""
    return np.ascontiguousarray(digests[:, :8]).view(">u8")[:, 0].astype("<u8")


def _record(name: str, status: os.stat_result) -> tuple[bytes, int, int, int, int, int]:
    """What a shard is known by."""
    stem, suffix = os.path.splitext(name)
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return (stem.encode()[:64], SUFFIXES.index(suffix), status.st_size, *times, status.st_ino)


def _identity(shard: Array) -> tuple[bytes, int, int, int, int, int]:
    name, text, size, mtime, ctime, inode, _ = shard.item()
    return name, text, size, mtime, ctime, inode


def _entries(shard: Shard, content: bytes) -> Array:
    entries, view = np.zeros(len(shard.digests), _ENTRY), memoryview(content)
    entries["digest"] = np.ascontiguousarray(shard.digests).view("S32")[:, 0]
    entries["start"], entries["length"] = shard.start, shard.length
    bounds = zip(shard.start.tolist(), shard.length.tolist(), strict=True)
    entries["crc"] = [zlib.crc32(view[start : start + length]) for start, length in bounds]
    return entries


def _sorted(shards: Array, entries: Array, folder: int) -> Table:
    digests = np.ascontiguousarray(entries["digest"]).view(np.uint8).reshape(-1, 32)
    prefix = _prefix(digests)
    order = np.lexsort((entries["shard"], prefix))
    return Table(shards, prefix[order], entries[order], folder)


def _merged(tables: list[Table], folder: int) -> Table:
    """One table of all their shards, by name."""
    if not tables:
        return _EMPTY
    shards = np.concatenate([table.shards for table in tables])
    entries = np.concatenate([table.entries for table in tables])
    first = np.cumsum([0, *(len(table.shards) for table in tables)])
    entries["shard"] += np.repeat(first[:-1], [len(table.entries) for table in tables]).astype(np.uint32)
    order = np.argsort(shards["name"], kind="stable")
    entries["shard"] = np.argsort(order)[entries["shard"]]
    return _sorted(shards[order], entries, folder)


def _only(table: Table, kept: list[int]) -> Table:
    """What lies in the shards of those numbers."""
    if len(kept) == len(table.shards):
        return table
    numbers = np.full(len(table.shards), -1)
    numbers[kept] = np.arange(len(kept))
    entries = table.entries[table.entries["shard"] < len(numbers)]
    entries = entries[numbers[entries["shard"]] >= 0]
    entries["shard"] = numbers[entries["shard"]]
    return Table(table.shards[kept], _EMPTY.prefix, entries)


def _open(file: Path) -> Table:
    """The table in a file; an empty one where it is not there, or not whole."""
    try:
        status = os.stat(file)
        return _mapped(file, status.st_ino, status.st_mtime_ns, status.st_size)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return _UNWRITTEN.get(file, _EMPTY)


@lru_cache(maxsize=32)
def _mapped(file: Path, inode: int, mtime_ns: int, size: int) -> Table:
    with open(file, "rb") as opened:
        content = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    tensors, _, said = tensors_in(content)
    if said["layout"] != _LAYOUT:
        raise ValueError("another layout")
    entries, shards = tensors["entries"].view(_ENTRY)[:, 0], tensors["shards"].view(_SHARD)[:, 0]
    if len(entries) != len(tensors["prefix"]):
        raise ValueError("torn")
    return Table(shards, tensors["prefix"], entries, int(said["folder"]))
