"""What was found out about files, remembered for as long as they stay as they are.

A data set of 100,000 pictures is known by its contents; reading 5 GB again for every run would cost more than the run.
Light: no torch.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..events import Event, Note, StageAdvanced, StageStarted
from ..storage.files import StorageError, read_regular
from ..storage.store import Namespace, TextShelf
from .items import DataError, some_of

#: A file that changed this recently may change again without another time stamp (FAT's tick is 2 s): not remembered.
STABLE_NS = 2_000_000_000
FLUSH_SECONDS = 20.0
#: Files between two ticks of progress; files that a thread takes at a time (a task costs as much as a small file).
_CHUNK, _SLICE = 256, 16


class FileMemo:
    """Findings on files, under path, size, time of modification and time of status change (which no tool can set back).

    Findings are only ever added, each under all it depends on, so that runs may share a store and a killed one keeps
    what it found. Without a ``store`` nothing is remembered.
    """

    def __init__(self, store: Path | None = None, tell: Callable[[Event], None] = lambda event: None) -> None:
        self.store, self.tell = store, tell
        self._workers = min(8, 2 * (os.cpu_count() or 1))

    def sha256(self, root: Path, paths: Sequence[Path]) -> list[str]:
        """sha256 (hex) of each file's content; ``root`` is the folder that they belong to. Raises ``DataError``."""
        return self.of("sha256", root, paths, _sha256)

    def pictures(self, root: Path, paths: Sequence[Path]) -> list[str]:
        """What each picture file is known by (``pictures.finding``). Raises ``DataError``."""
        return self.of("sha256, as pictures are seen 1", root, paths, _finding)

    def of(self, what: str, root: Path, paths: Sequence[Path], find: Callable[[Path], str]) -> list[str]:
        """``find(path)`` of each path, in parallel, or as remembered under the name ``what``.

        ``what`` holds all that a finding depends on besides the file; raise a number in it when findings change their
        form. What stands before its first comma is told while files are read. ``find`` may raise ``OSError`` or
        ``DataError``: all such files are named in one ``DataError``, after the findings on the others were stored.
        """
        broken: dict[Path, str] = {}
        keys = {path: key for path in paths if (key := _key(root, path, broken)) is not None}
        memory = self._memory(what, root)
        known = memory.find(list(keys.values())) if memory else {}
        missing = [path for path, key in keys.items() if key not in known]
        fresh: dict[Path, str] = {}
        flushed = time.monotonic()
        try:
            for path, finding in self._each(find, missing, f"read files ({what.partition(',')[0]})", len(keys)):
                if isinstance(finding, str):
                    known[keys[path]] = fresh[path] = finding
                else:
                    broken[path] = _in_words(path, finding)
                if time.monotonic() - flushed > FLUSH_SECONDS:
                    self._remember(memory, root, keys, fresh)
                    flushed = time.monotonic()
        finally:
            self._remember(memory, root, keys, fresh)
        if broken:
            raise DataError(f"{len(broken)} of {len(paths)} files cannot be used:{some_of(list(broken.values()))}")
        return [known[keys[path]] for path in paths]

    def _each(
        self, find: Callable[[Path], str], paths: Sequence[Path], stage: str, total: int
    ) -> Iterator[tuple[Path, str | Exception]]:
        """Each path with what was found, or with why nothing was, in order; a few hundred at a time are under way."""
        if not paths:
            return
        done = total - len(paths)
        self.tell(StageStarted(stage, total, done))
        with ThreadPoolExecutor(self._workers) as pool:
            for start in range(0, len(paths), _CHUNK):
                chunk = paths[start : start + _CHUNK]
                slices = [chunk[at : at + _SLICE] for at in range(0, len(chunk), _SLICE)]
                found = pool.map(lambda some: [_tried(find, path) for path in some], slices)
                yield from zip(chunk, itertools.chain.from_iterable(found), strict=True)
                self.tell(StageAdvanced(stage, done + start + len(chunk)))

    def _memory(self, what: str, root: Path) -> _Memory | None:
        return _Memory(Namespace(self.store, "files", {"what": what, "root": str(root)})) if self.store else None

    def _remember(self, memory: _Memory | None, root: Path, keys: dict[Path, str], fresh: dict[Path, str]) -> None:
        """Store and forget ``fresh``. A store that takes nothing costs time in the next run, not this one."""
        if memory is None:
            return
        stable = {keys[path]: finding for path, finding in fresh.items() if _is_stable(root, path, keys[path])}
        fresh.clear()
        if stable:
            try:
                memory.add(stable)
            except StorageError as error:
                self.tell(Note(f"files will be read again in the next run: {error}"))


class _Memory:
    """Key to finding, of one kind, in one folder."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace, self._shelf = namespace, TextShelf(namespace, "found")

    def find(self, keys: Sequence[str]) -> dict[str, str]:
        return self._shelf.find(keys)

    def add(self, findings: dict[str, str]) -> None:
        if self._namespace.about() is None:
            self._namespace.note({})
        self._shelf.add(list(findings), findings.values())


def _key(root: Path, path: Path, broken: dict[Path, str]) -> str | None:
    """All that a finding depends on, or ``None`` for a file that is not there (said in ``broken``)."""
    try:
        stat = os.stat(path)
    except OSError as error:
        broken[path] = _in_words(path, error)
        return None
    name = str(path).removeprefix(f"{root}{os.sep}")
    return f"{name} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"


def _is_stable(root: Path, path: Path, key: str) -> bool:
    """Whether the file is still what it was before it was read, and not so young that it may have changed unseen."""
    *_, modified, changed = key.rsplit(" ", 2)
    return _key(root, path, {}) == key and time.time_ns() - max(int(modified), int(changed)) >= STABLE_NS


def _sha256(path: Path) -> str:
    """Reads the file at once: pictures are small, and a buffer for large files costs more than to read one."""
    return hashlib.sha256(read_regular(path)).hexdigest()


def _finding(path: Path) -> str:
    from .pictures import finding  # Pillow and numpy: a memo of other files does without

    return finding(read_regular(path))


def _tried(find: Callable[[Path], str], path: Path) -> str | Exception:
    try:
        return find(path)
    except (OSError, DataError) as error:
        return error


def _in_words(path: Path, error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{path}: cannot be read: {error.strerror or error}"
    return str(error)
