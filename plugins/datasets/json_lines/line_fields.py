"""The lines of a file of items, and the rows of a table, as written: field or column to value."""

from __future__ import annotations

import csv
import io
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from ....core.data.items import DataError
from ....core.storage.files import open_regular
from .json_object import json_object

#: What files of lines and tables are called.
LINES, TABLES = frozenset({".jsonl", ".ndjson"}), frozenset({".csv", ".tsv"})
#: Columns whose values are numbers of seconds.
_NUMBERS = ("at", "start", "end")


def read_fields(file: Path) -> Generator[tuple[int, Mapping[str, Any]]]:
    """Number of its line, and what stands there, one at a time. Raises ``DataError``."""
    try:
        with open_regular(file) as content:
            yield from _rows(file, content) if file.suffix.lower() in TABLES else _lines(file, content)
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from None


def _lines(file: Path, content: BinaryIO) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(content, start=1):
        if line.strip():
            yield number, json_object(f"{file}:{number}", line)


def _rows(file: Path, content: BinaryIO) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Cells that are empty are as if they were not there. A semicolon separates where the first line has no comma."""
    text = io.TextIOWrapper(content, encoding="utf-8-sig", newline="")
    try:
        first = text.readline()
        text.seek(0)
        comma = "\t" if file.suffix.lower() == ".tsv" else "," if "," in first or ";" not in first else ";"
        rows = csv.reader(text, delimiter=comma, strict=True)
        header = [name.strip() for name in next(rows, [])]
        _require_header(file, header)
        for row in rows:
            if len(row) > len(header):
                raise DataError(
                    f"{file}:{rows.line_num}: {len(row)} cells, and {len(header)} columns; quote cells that hold a "
                    f"{comma!r}"
                )
            if any(row):
                yield rows.line_num, {name: _value(file, rows.line_num, name, one) for name, one in _full(header, row)}
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8: byte {error.start}; save it as UTF-8") from None
    except csv.Error as error:
        raise DataError(f"{file}: no table: {error}") from None
    finally:
        text.detach()  # whoever opened the file closes it


def _full(header: list[str], row: list[str]) -> Iterator[tuple[str, str]]:
    return ((name, cell) for name, cell in zip(header, row, strict=False) if name and cell != "")


def _value(file: Path, number: int, name: str, cell: str) -> Any:
    if name not in _NUMBERS:
        return cell
    try:
        return float(cell)
    except ValueError:
        raise DataError(f"{file}:{number}: `{name}` must be a time in seconds, not {cell!r:.80}") from None


def _require_header(file: Path, header: list[str]) -> None:
    if not any(header):
        raise DataError(f"{file} has no columns: its first line names them, as image,label")
    if twice := [name for number, name in enumerate(header) if name and name in header[:number]]:
        raise DataError(f"{file}: column {twice[0]!r:.80} stands there twice")
