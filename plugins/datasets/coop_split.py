"""CoOp's split files, ``split_zhou_*.json``.

    {"train": [["path.jpg", 0, "class name"], ...], "val": [...], "test": [...]}

Source: Zhou, Yang, Loy, Liu, "Learning to Prompt for Vision-Language Models", IJCV 2022, and its public repository.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...core.data.items import DataError, some_of
from ...core.storage.json_files import json_in
from .labelled_files import LabelledFiles, Rows

EXPECTED = '{"train": [["cat/1.jpg", 0, "cat"], ...], "val": [...], "test": [...]}'


def read_coop_split(path: Path) -> LabelledFiles:
    """The splits and class names of a split file; as in CoOp's prompts, underscores in names become spaces.

    Raises ``DataError`` for a file that cannot be read or contradicts itself.
    """
    value = _read(path)
    named = {split: rows for split, rows in value.items() if split in ("train", "val", "test")}
    if not {"train", "test"} <= named.keys() or len(named) != len(value):
        raise DataError(f"{path}: expected {EXPECTED}, found the keys {', '.join(map(repr, value)) or 'of nothing'}")
    splits: dict[str, Rows] = {}
    names: dict[int, str] = {}
    for split, rows in named.items():
        if not isinstance(rows, list):
            raise DataError(f"{path}: {split}: expected a list, found {type(rows).__name__}")
        splits[split] = list(_rows(path, split, rows, names))
    return LabelledFiles(splits, _class_names(path, names), str(path))


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json_in(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}; download it again") from None
    if not isinstance(value, dict):
        raise DataError(f"{path}: expected {EXPECTED}, found {type(value).__name__}")
    return value


def _rows(path: Path, split: str, rows: list[Any], names: dict[int, str]) -> Iterator[tuple[str, int]]:
    for number, row in enumerate(rows):
        match row:
            case [str() as picture, int() as label, str() as name] if not isinstance(label, bool):
                pass
            case _:
                raise DataError(f'{path}: {split}[{number}]: expected ["path.jpg", 0, "class name"], found {row!r:.80}')
        if names.setdefault(label, name) != name:
            raise DataError(f"{path}: {split}[{number}]: class {label} is {names[label]!r} before and {name!r} here")
        yield picture, label


def _class_names(path: Path, names: dict[int, str]) -> tuple[str, ...]:
    gaps = sorted(set(range(len(names))) ^ set(names))
    if not names or gaps:
        raise DataError(f"{path}: labels must be 0, 1, 2 ... without gaps; missing or out of range: {gaps[:10]}")
    readable = tuple(names[label].replace("_", " ") for label in range(len(names)))
    if len(set(readable)) < len(readable):
        twice = sorted({name for name in readable if readable.count(name) > 1})
        raise DataError(f"{path}: {len(twice)} names are those of several classes:{some_of(twice)}")
    return readable
