"""What data sets share that people fetch by hand: their files, and what becomes of media that are not there."""

from __future__ import annotations

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Generic, NoReturn, TypeVar

from ....core.data.items import DataError, Media, some_of
from ....core.roles import DatasetSpec
from ....core.storage.files import read_regular
from ....core.storage.json_files import json_in
from ....core.storage.text_files import lines_of
from ....registry.errors import counted

T = TypeVar("T")
#: Bytes of an annotation file: those of VQA v2 have 365 MB.
MAX_ANNOTATION = 1 << 30


@dataclass(frozen=True, slots=True)
class Release:
    """A published data set: how people get it, and what it holds when it is whole."""

    title: str
    #: What is to be fetched, from where and on what terms; a line each.
    get: tuple[str, ...]

    def file(self, root: Path, *names: str) -> Path:
        """The first of these that is there. Raises ``DataError`` that says what is missing and how to get it."""
        found = next((root / name for name in names if (root / name).is_file()), None)
        if found is None:
            self.lacks(root, _any_of(names))
        return found

    def folder(self, root: Path, *names: str) -> Path:
        """The first of these that is there; the first of all where none is."""
        return next((root / name for name in names if (root / name).is_dir()), root / names[0])

    def lacks(self, root: Path, what: str) -> NoReturn:
        """Raises ``DataError``."""
        raise DataError(f"dataset.root: {root} has no {what} of {self.title}. {self.how()}")

    def how(self) -> str:
        """How to get it."""
        lines = "".join(f"\n  {line}" for line in self.get)
        return f"Fetch it by hand (docs/datasets.md says more):{lines}"


def _any_of(names: Sequence[str]) -> str:
    """``a.json or data/a.json``; of more the files, and the folders in which any of them may lie."""
    if len(names) <= 3:
        return " or ".join(names)
    parts = [PurePosixPath(name) for name in names]
    files = dict.fromkeys(part.name for part in parts)
    folders = [f"{one}/" for one in dict.fromkeys(str(part.parent) for part in parts) if one != "."]
    named = " or ".join(files)
    return f"{named}, at its top or in {', '.join(folders)}," if folders else named


def is_there(path: Path) -> bool:
    """Whether it is a file; what no file can be called, as an annotation may, is none."""
    return os.path.isfile(path)


def csv_rows(path: Path, lines: Sequence[str], delimiter: str = ",") -> Iterator[tuple[int, dict[str, str]]]:
    """The rows under a header, with the numbers of their lines; no cell goes on in the next line.

    Raises ``DataError`` for what is no CSV, for a column that stands twice, and for another number of cells.
    """
    header: list[str] = []
    for number, line in enumerate(lines, start=1):
        try:
            cells = next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except csv.Error as error:
            raise DataError(f"{path}:{number}: cannot be read as CSV: {error}; fetch it again") from None
        if not header:
            header = cells
            require_once(filter(None, header), f"the first line of {path}")
        elif cells and len(cells) != len(header):
            raise DataError(
                f"{path}:{number}: {len(cells)} cells, and {len(header)} columns; a cell that holds a {delimiter!r} "
                f'stands in quotes ("): {line[:80]!r}'
            )
        elif cells:
            yield number, dict(zip(header, cells, strict=True))


def read_json(path: Path, form: str) -> Any:
    """The value in an annotation file, whose ``form`` stands in messages. Raises ``DataError``."""
    try:
        return json_in(path, MAX_ANNOTATION)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: no {form}: {getattr(error, 'strerror', None) or error}; fetch it again") from None


def read_lines(path: Path) -> list[str]:
    """The lines of a text file without their ends, and without an empty last one. Raises ``DataError``."""
    try:
        lines = [line.removesuffix("\r") for line in lines_of(read_regular(path, MAX_ANNOTATION))]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    return lines[:-1] if lines and not lines[-1] else lines


def field(place: str, row: object, name: str, kind: type) -> Any:
    """The value of a row of an annotation. Raises ``DataError`` where it is of another kind or not there."""
    value = row.get(name) if isinstance(row, Mapping) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DataError(f"{place}: `{name}` must be {_KINDS[kind]}, not {value!r:.80}; fetch the file again")
    return value


_KINDS = {str: "a string", int: "a whole number", list: "a list", dict: "an object"}


def require_once(ids: Iterable[str], source: object) -> None:
    """Raises ``DataError`` for ids that stand twice, all counted, ten named."""
    if twice := [name for name, count in Counter(ids).items() if count > 1]:
        raise DataError(f"{source} has {counted(len(twice), 'ids')} more than once:{some_of(twice)}")


def require_plain(names: Iterable[str], source: object) -> None:
    """Raises ``DataError`` for names of media that would lead out of their folder."""
    if out := [name for name in names if not name or {"/", "\\", "\0"} & set(name) or name in (".", "..")]:
        raise DataError(f"{source} has {counted(len(out), 'ids')} that are no names of files:{some_of(out)}")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """The files that an annotation names."""

    #: Those that are there, opened.
    of: Mapping[Path, T]
    #: That some are missing.
    notes: tuple[str, ...] = ()


def files_of(
    paths: Iterable[Path],
    what: str,
    source: object,
    spec: DatasetSpec,
    release: Release,
    opened: Callable[[list[Path]], Sequence[T]],
) -> Found[T]:
    """The files that an annotation (``source``) names; ``what`` is their noun, ``pictures``.

    Those that are not there are counted and named: a ``DataError`` under ``on_error`` ``fail``, and where all lack;
    else a note.
    """
    wanted = list(dict.fromkeys(paths))
    there = [path for path in wanted if is_there(path)]
    found = dict(zip(there, opened(there), strict=True))
    missing = [path for path in wanted if path not in found]
    if not missing:
        return Found(found)
    be = "is" if len(missing) == 1 else "are"
    said = f"{source} names {len(wanted):,} {what}, of which {len(missing):,} {be} not there"
    if spec.on_error == "fail" or not there:
        go_on = "" if not there else 'Or go on without them: "on_error": "skip" and "max_errors" in `dataset`. '
        raise DataError(f"{said}. {go_on}{release.how()}\nnot there:{some_of(list(map(str, missing)))}")
    return Found(found, (said,))


def media_in_files(
    paths: Sequence[Path],
    what: str,
    source: object,
    spec: DatasetSpec,
    release: Release,
    opened: Callable[[list[Path]], Sequence[Media]],
) -> Found[Media]:
    """As ``files_of``; what is not there is media that cannot be read, whose items the run leaves out."""
    found = files_of(paths, what, source, spec, release, opened)
    return Found({path: found.of.get(path) or absent(path) for path in paths}, found.notes)


def require_in_every_split(splits: Mapping[str, Iterable[bool]], what: str, release: Release) -> None:
    """``splits`` say of each item whether its file is there. Raises ``DataError`` for a split in which none is."""
    for name, there in splits.items():
        if (each := list(there)) and not any(each):
            raise DataError(f"none of the {len(each):,} {what} of split {name} is there. {release.how()}")


def absent(path: Path) -> Media:
    """Media of a file that is not there: it cannot be read."""

    def read() -> NoReturn:
        raise DataError(f"{path}: is not there, and the annotation names it")

    return Media(hashlib.sha256(f"not there: {path}".encode(errors="surrogateescape")).hexdigest(), str(path), read)


def other_size(found: Mapping[str, int], published: Mapping[str, int], what: str) -> tuple[str, ...]:
    """A note where splits have other sizes than the published ones."""
    if dict(found) == dict(published):
        return ()
    return (f"{sizes(found)} {what}, published are {sizes(published)}: this is not the whole data set",)


def sizes(of: Mapping[str, int]) -> str:
    """``train 86,373, val 6,982``."""
    return ", ".join(f"{name} {size:,}" for name, size in of.items())
