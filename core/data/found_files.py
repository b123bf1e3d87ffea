"""What lies at a path, by names alone: light even of a million files, none of which is opened. No torch."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..events import Event, StageAdvanced, StageStarted
from .items import DataError

#: Files between two ticks of progress, and names of its own files that are kept of a folder.
_TICK, _NAMES = 10_000, 10_000


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """A file, or a folder with all below it that is not hidden."""

    path: Path
    is_folder: bool
    #: Suffix in lower case to number of files, at any depth.
    suffixes: Counter[str]
    #: The same of the files that lie in folders of the folder.
    below: Counter[str]
    #: Names of the folder's own files, in order, 10,000 at most; of a file its name.
    own: tuple[str, ...]

    def count(self, suffixes: Collection[str]) -> int:
        """Files of these suffixes."""
        return sum(self.suffixes[one] for one in suffixes)

    def count_below(self, suffixes: Collection[str]) -> int:
        """Those of them that lie in folders of the folder."""
        return sum(self.below[one] for one in suffixes)


@dataclass(frozen=True, slots=True)
class Reading:
    """How a type of data set would read what was found."""

    #: The fields of its spec, without ``type``.
    fields: Mapping[str, Any]
    #: How many of the files it reads; of several types that which reads the most is taken.
    files: int
    #: What it takes them for, in words: ``pictures``; and where: ``in folders``.
    media: str
    where: str
    #: Whether a list of the files says what they are: it goes before folders.
    listed: bool = False


def of_folders(found: FoundFiles, suffixes: Collection[str], media: str) -> Reading | None:
    """As folders of classes, where files of these suffixes lie in folders."""
    files = found.count_below(suffixes)
    return Reading({"root": str(found.path)}, files, media, "in folders") if files else None


def find_files(path: Path, tell: Callable[[Event], None] = lambda event: None) -> FoundFiles:
    """Count what lies at ``path``; linked folders are followed, each folder once.

    Raises ``DataError`` where nothing is there, and for a folder that cannot be read.
    """
    if not path.exists():
        raise DataError(f"{path} is not there")
    if not path.is_dir():
        return FoundFiles(path, False, Counter([path.suffix.lower()]), Counter(), (path.name,))
    tell(StageStarted("count files", 0))
    own: list[str] = []
    all_, below = Counter[str](), Counter[str]()
    seen: set[tuple[int, int]] = set()
    waiting, count = [str(path)], 0
    while waiting:
        folder = waiting.pop()
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir():
                        waiting.append(entry.path)
                        continue
                    suffix = os.path.splitext(entry.name)[1].lower()
                    all_[suffix] += 1
                    if folder != str(path):
                        below[suffix] += 1
                    elif len(own) < _NAMES:
                        own.append(entry.name)
                    count += 1
                    if count % _TICK == 0:
                        tell(StageAdvanced("count files", count))
        except OSError as error:
            raise DataError(
                f"folder {folder} cannot be read: {error.strerror or error}; allow it, or move it away"
            ) from None
    return FoundFiles(path, True, all_, below, tuple(sorted(own)))
