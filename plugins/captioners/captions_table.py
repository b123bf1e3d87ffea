"""Read a file of descriptions, JSON lines or CSV, and name the line that is wrong."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

from ...core.roles import CaptionerError
from ...core.spec.json_source import parse_json
from ...core.storage.files import read_regular
from ...core.storage.text_files import text_of
from ...registry.errors import SpecError, nearest

#: Columns that may say which item is meant.
KEYS = ("id", "file_name", "sha256")
COLUMNS = (*KEYS, "text")
#: What else separates fields, as spreadsheets of some countries write them.
_OTHERS = {";": "semicolons", "\t": "tabs"}

#: Line number, from 1, and what stands there.
Row = tuple[int, dict[str, str]]


def read_rows(file: Path, sha256: str | None = None) -> list[Row]:
    """Every description, of the file that had that sha256 (hex).

    Raises ``CaptionerError``: unreadable, changed, of another kind, unknown column, no text.
    """
    readers = {".jsonl": _json_lines, ".csv": _csv}
    if file.suffix.lower() not in readers:
        raise CaptionerError(f"captioner.file: {file} is neither *.jsonl nor *.csv")
    rows = list(readers[file.suffix.lower()](file, _content(file, sha256)))
    if not rows:
        raise CaptionerError(f"captioner.file: {file} holds no descriptions")
    return rows


def _content(file: Path, sha256: str | None) -> str:
    try:
        content = read_regular(file)
        if sha256 not in (None, hashlib.sha256(content).hexdigest()):
            raise CaptionerError(f"captioner.file: {file} changed while it was in use; run again")
        return text_of(content)
    except ValueError as error:
        raise CaptionerError(f"captioner.file: {file} is {error}") from None
    except OSError as error:
        raise CaptionerError(f"captioner.file: {file} cannot be read: {error.strerror or error}") from None


def _json_lines(file: Path, content: str) -> Iterator[Row]:
    for number, line in enumerate(content.split("\n"), start=1):  # not splitlines: JSON may hold U+2028 as it is
        if line.strip():
            yield number, _row(f"{file}:{number}", _parsed(file, number, line))


def _parsed(file: Path, number: int, line: str) -> dict[str, Any]:
    try:
        value = parse_json(line, f"{file}:{number}").value
    except SpecError as error:
        raise CaptionerError(f"captioner: {file}:{number}: not JSON: {error.problems[0].reason}") from None
    if not isinstance(value, dict):
        raise CaptionerError(f'captioner: {file}:{number}: write an object, as {{"id": "1", "text": "a dog"}}')
    return value


def _csv(file: Path, content: str) -> Iterator[Row]:
    reader = csv.DictReader(StringIO(content, newline=""), strict=True)
    try:
        columns = list(reader.fieldnames or ())
        if len(columns) == 1 and (found := next((one for one in _OTHERS if one in columns[0]), None)):
            raise CaptionerError(
                f"captioner: {file}:{reader.line_num}: its fields are separated by {_OTHERS[found]}; separate them by "
                "commas"
            )
        if twice := [name for name in columns if columns.count(name) > 1]:
            raise CaptionerError(f"captioner: {file}:{reader.line_num}: column `{twice[0]}` stands there twice")
        for row in reader:
            if None in row or None in row.values():
                wanted = f"not {len(columns)} fields, as in the header"
                raise CaptionerError(f"captioner: {file}:{reader.line_num}: {wanted}")
            yield reader.line_num, _row(f"{file}:{reader.line_num}", row)
    except csv.Error as error:
        raise CaptionerError(f"captioner: {file}:{reader.line_num}: not CSV: {error}") from None


def _row(place: str, row: dict[str, Any]) -> dict[str, str]:
    _require_known(place, row)
    for name, value in row.items():
        if not isinstance(value, str):
            raise CaptionerError(f"captioner: {place}: `{name}` must be a string, not {value!r}")
    if "text" not in row:
        raise CaptionerError(f"captioner: {place}: `text` is missing")
    return row


def _require_known(place: str, columns: Iterable[str]) -> None:
    for name in columns:
        if name not in COLUMNS:
            near = nearest(name, COLUMNS)
            hint = f"did you mean `{near}`?" if near else f"known: {', '.join(COLUMNS)}"
            raise CaptionerError(f"captioner: {place}: unknown column `{name}`; {hint}")
