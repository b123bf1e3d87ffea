"""Picture files with their classes and splits, as the annotation files of a data set name them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ...core.data.file_memo import FileMemo
from ...core.data.items import DataError, Item, some_of
from ...registry.errors import counted
from .media_in_files import file_pictures

Rows = Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class LabelledFiles:
    """What an annotation says; nothing of it has been looked for on disk yet."""

    #: Split to rows: path below the folder of the pictures (with slashes), class index.
    splits: Mapping[str, Rows]
    #: Index to the name that prompts use.
    class_names: tuple[str, ...]
    #: Who says so, for messages: the annotation files.
    source: str


def items_of(listed: LabelledFiles, pictures: Path, files: FileMemo, background: str) -> dict[str, list[Item]]:
    """Split to items, whose ids are the listed paths; transparent pictures show ``background``.

    Raises ``DataError`` for paths that lead out of ``pictures``, stand there twice or have no file (all counted, ten
    named), and for labels out of range.
    """
    rows = [row for split in listed.splits.values() for row in split]
    _require_inside([name for name, _ in rows], listed.source, pictures)
    _require_once([name for name, _ in rows], listed.source, pictures)
    _require_labels(rows, len(listed.class_names), listed.source)
    paths = [pictures / name for name, _ in rows]
    missing = [name for path, (name, _) in zip(paths, rows, strict=True) if not os.path.isfile(path)]
    if missing:
        raise DataError(
            f"{listed.source} names {len(rows)} pictures, of which {len(missing)} are not in {pictures}; extract the "
            f"archive again, or take the annotation that belongs to it:{some_of(missing)}"
        )
    made = iter(file_pictures(paths, pictures, files, background))
    return {
        name: [Item(path, {"image": next(made)}, target) for path, target in split]
        for name, split in listed.splits.items()
    }


def _require_inside(names: Sequence[str], source: str, pictures: Path) -> None:
    outside = [name for name in names if PurePosixPath(name).is_absolute() or ".." in name.split("/") or "\0" in name]
    if outside:
        raise DataError(f"{source} names {counted(len(outside), 'paths')} outside {pictures}:{some_of(outside)}")


def _require_once(names: Sequence[str], source: str, pictures: Path) -> None:
    """A picture in two splits would be trained on and tested on. ``./a.png``, ``x//a.png`` and links are ``a.png``."""
    of_file: dict[object, list[str]] = defaultdict(list)
    for name in names:
        of_file[_file(pictures, name)].append(name)
    several = [name for same in of_file.values() if len(same) > 1 for name in same]
    places: dict[str, list[str]] = defaultdict(list)
    for name in several:  # hard links are files of their own
        places[os.path.realpath(pictures / name)].append(name)
    twice = [" = ".join(dict.fromkeys(same)) for same in places.values() if len(same) > 1]
    if twice:
        raise DataError(f"{source} names {counted(len(twice), 'pictures')} more than once:{some_of(twice)}")


def _file(pictures: Path, name: str) -> object:
    """Equal for names of one file. Resolving the links of every name would take longer than all else."""
    try:
        stat = os.stat(f"{pictures}/{name}")
    except OSError:
        return os.path.normpath(name)
    return stat.st_dev, stat.st_ino


def _require_labels(rows: Rows, classes: int, source: str) -> None:
    wrong = [f"{name}: {target}" for name, target in rows if not 0 <= target < classes]
    if wrong:
        raise DataError(f"{source} has {counted(len(wrong), 'labels')} outside of 0..{classes - 1}:{some_of(wrong)}")
