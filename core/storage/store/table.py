"""The table of an index: sorted digests and where each item lies, in memory or mapped from its file."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from ..files import StorageError, write_whole
from .shard import Array, tensors_in

_LAYOUT = "2"
SHARD = np.dtype(
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
ENTRY = np.dtype([("digest", "S32"), ("shard", "<u4"), ("crc", "<u4"), ("start", "<i8"), ("length", "<i8")])


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Items of some shards: shards [s] by name, entries [n] by the first 8 bytes of their digest, then by shard."""

    shards: Array
    prefix: Array
    entries: Array
    #: Where the entries begin whose prefix has these first bits, [2 ** bits + 1]: some four a bucket.
    begin: Array
    #: Time of modification of the shards' folder when they were listed; 0: list them again.
    folder: int = 0
    #: Shards that are not whole; who copies one in may not have come to its end.
    unfit: Array = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "unfit", self.shards[self.shards["width"] < 0])

    def rows(self, wanted: Array, last: bool) -> Array:
        """Row int64 [k] of each of ``wanted``, digests uint8 [k, 32]; -1 of what is not there. Of several shards that
        hold it the first by name, or the ``last``."""
        found = np.full(len(wanted), -1)
        if not len(self.entries):
            return found
        prefix = prefix_of(wanted)
        at = self._first(prefix)
        alike = np.flatnonzero(rows_of(self.prefix, at) == prefix)
        digests, at = wanted.view("S32")[alike, 0], at[alike]
        found[alike] = np.where(self.entries[at]["digest"] == digests, at, -1)
        for one in np.flatnonzero(rows_of(self.prefix, at + 1) == prefix[alike]):
            end = int(self.prefix.searchsorted(prefix[alike[one]], "right"))
            same = at[one] + np.flatnonzero(self.entries["digest"][at[one] : end] == digests[one])
            found[alike[one]] = same[-1 if last else 0] if len(same) else -1
        return found

    def _first(self, prefix: Array) -> Array:
        """The first entry of each prefix, or where it would stand. Digests are evenly spread, so that a bucket is a
        line or two of memory, whereas a binary search from the start reads one at each of its steps."""
        bucket = (prefix >> np.uint64(64 - _bits(len(self.entries)))).astype(np.int64)
        low, high = self.begin[bucket].astype(np.int64), self.begin[bucket + 1].astype(np.int64)
        while (low < high).any():
            middle = (low + high) // 2
            before = rows_of(self.prefix, middle) < prefix
            low = np.where(before & (low < high), middle + 1, low)
            high = np.where(before, high, middle)
        return low


def _bits(count: int) -> int:
    return max(1, (count // 4).bit_length())


EMPTY = Table(np.empty(0, SHARD), np.empty(0, np.uint64), np.empty(0, ENTRY), np.zeros(3, np.uint32))


def opened(file: Path) -> Table:
    """The table in a file; an empty one where it is not there, or not whole."""
    try:
        status = os.stat(file)
        return mapped(file, status.st_ino, status.st_mtime_ns, status.st_size)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return EMPTY


@lru_cache(maxsize=32)
def mapped(file: Path, inode: int, mtime_ns: int, size: int) -> Table:
    """The same, mapped once while the file is the one of those facts. Raises ``ValueError`` and the like."""
    with open(file, "rb") as file_:
        content = mmap.mmap(file_.fileno(), 0, access=mmap.ACCESS_READ)
    tensors, _, said = tensors_in(content)
    if said["layout"] != _LAYOUT:
        raise ValueError("another layout")
    entries, shards = tensors["entries"].view(ENTRY)[:, 0], tensors["shards"].view(SHARD)[:, 0]
    if len(entries) != len(tensors["prefix"]) or len(tensors["begin"]) != 2 ** _bits(len(entries)) + 1:
        raise ValueError("torn")
    return Table(shards, tensors["prefix"], entries, tensors["begin"], int(said["folder"]))


def sorted_table(shards: Array, entries: Array, folder: int) -> Table:
    """Of shards that stand by name, and entries in any order."""
    prefix = prefix_of(np.ascontiguousarray(entries["digest"]).view(np.uint8).reshape(-1, 32))
    order = np.lexsort((entries["shard"], prefix))
    prefix, bits = prefix[order], _bits(len(entries))
    begin = prefix.searchsorted(np.arange(2**bits, dtype=np.uint64) << np.uint64(64 - bits))
    begin = np.append(begin, len(entries)).astype(np.uint32)
    return Table(shards, prefix, entries[order], begin, folder)


def merged(tables: list[Table], folder: int) -> Table:
    """One table of all their shards, by name."""
    if not tables:
        return EMPTY
    shards = np.concatenate([table.shards for table in tables])
    entries = np.concatenate([table.entries for table in tables])
    first = np.cumsum([0, *(len(table.shards) for table in tables)])
    entries["shard"] += np.repeat(first[:-1], [len(table.entries) for table in tables]).astype(np.uint32)
    order = np.argsort(shards["name"], kind="stable")
    entries["shard"] = np.argsort(order)[entries["shard"]]
    return sorted_table(shards[order], entries, folder)


def only(table: Table, kept: list[int]) -> Table:
    """What lies in the shards of those numbers; an entry of none was altered, and goes."""
    sound = table.entries["shard"] < len(table.shards)
    if len(kept) == len(table.shards) and sound.all():
        return table
    numbers = np.full(len(table.shards), -1)
    numbers[kept] = np.arange(len(kept))
    entries = table.entries[sound]
    entries = entries[numbers[entries["shard"]] >= 0]
    entries["shard"] = numbers[entries["shard"]]
    return sorted_table(table.shards[kept], entries, 0)


def rows_of(table: Array, rows: Array) -> Array:
    """A copy of those rows; anything of those that are not there."""
    if not len(table):
        return np.zeros(rows.shape, table.dtype)
    return np.asarray(table.take(rows.astype(np.int64), mode="clip"))


def prefix_of(digests: Array) -> Array:
    """The first 8 bytes as uint64, in the digests' order."""
    return np.ascontiguousarray(digests[:, :8]).view(">u8")[:, 0].astype("<u8")


def written(table: Table, file: Path) -> bool:
    """Write it; whether the disk takes it. One that does not costs time in the next run, not this one."""
    tensors = {
        "prefix": table.prefix,
        "entries": np.ascontiguousarray(table.entries).view(np.uint8).reshape(-1, ENTRY.itemsize),
        "shards": np.ascontiguousarray(table.shards).view(np.uint8).reshape(-1, SHARD.itemsize),
        "begin": table.begin,
    }
    said = {"layout": _LAYOUT, "folder": str(table.folder)}
    try:
        write_whole(file, save(tensors, said))
    except StorageError:
        return False
    return True
