"""Read JSON strictly, and know where in the file every value stands.

Refused with line and column: syntax errors, duplicate keys, NaN and infinities, numbers no float or int can hold, lone
surrogates, nesting deeper than ``MAX_DEPTH``, files larger than ``MAX_BYTES`` or with more than ``MAX_VALUES`` values.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from math import isinf
from pathlib import Path
from typing import Any, NoReturn

from ...registry.errors import Problem, SpecError
from ..storage.files import open_regular
from ..storage.text_files import text_of

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_VALUES = 20_000

_SPACE = re.compile(r"[ \t\n\r]*")
_SCALAR = re.compile(r'[^\s,:\[\]{}"]+')
JsonPath = tuple[str | int, ...]


@dataclass(frozen=True)
class JsonSource:
    """A parsed file: the value, and the offset of each value in the text."""

    name: str
    text: str
    value: Any
    offsets: dict[JsonPath, int]
    #: Size of the file; 0 for what was parsed from a string.
    bytes: int = 0

    def position(self, path: JsonPath) -> tuple[int, int]:
        """1-based line and column of the value at ``path``, or of its nearest ancestor that the file holds."""
        while path not in self.offsets:
            path = path[:-1]
        return _line_column(self.text, self.offsets[path])


def read_json(path: Path, name: str | None = None, limit: int = MAX_BYTES) -> JsonSource:
    """Read a spec file of at most ``limit`` bytes; ``name`` (default: the path) stands in the messages.

    Raises ``SpecError`` for anything that is not one clean JSON value.
    """
    name = str(path) if name is None else name
    try:
        with open_regular(path) as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            together = "" if limit == MAX_BYTES else "with the files before it "
            raise SpecError(
                [Problem(f"{together}larger than {MAX_BYTES} bytes, the most that a spec holds", source=name)]
            )
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise SpecError([Problem(f"cannot be read: {reason}", source=name)]) from None
    try:
        text = text_of(content)
    except ValueError as error:
        raise SpecError([Problem(str(error), source=name)]) from None
    return replace(parse_json(text, name), bytes=len(content))


def parse_json(text: str, name: str) -> JsonSource:
    """Parse ``text``; ``name`` stands in the messages. Raises ``SpecError``."""
    reader = _Reader(text, name)
    value, end = reader.value(0, ())
    end = reader.skip(end)
    if end != len(text):
        reader.fail("text after the end of the value", end)
    return JsonSource(name, text, value, reader.offsets)


def _line_column(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class _Reader:
    """A recursive-descent walk over objects and arrays; scalars and strings go to the standard library's decoder."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name
        self.offsets: dict[JsonPath, int] = {}
        self._scalars = json.JSONDecoder(parse_constant=_refuse_constant)

    def fail(self, reason: str, offset: int, path: JsonPath = ()) -> NoReturn:
        line, column = _line_column(self.text, offset)
        raise SpecError([Problem(reason, path, source=self.name, line=line, column=column)])

    def skip(self, at: int) -> int:
        match = _SPACE.match(self.text, at)
        return match.end() if match else at

    def value(self, at: int, path: JsonPath) -> tuple[Any, int]:
        at = self.skip(at)
        self.offsets[path] = at
        if len(self.offsets) > MAX_VALUES:
            self.fail(
                f"more than {MAX_VALUES} values, the most that a spec holds; data belongs in files of its own", at
            )
        if len(path) > MAX_DEPTH:
            self.fail(f"nested deeper than {MAX_DEPTH} levels", at)
        start = self.text[at : at + 1]
        if start == "{":
            return self._object(at + 1, path)
        if start == "[":
            return self._array(at + 1, path)
        return self._scalar(at, path)

    def _object(self, at: int, path: JsonPath) -> tuple[dict[str, Any], int]:
        out: dict[str, Any] = {}
        at = self.skip(at)
        while self.text[at : at + 1] != "}":
            if self.text[at : at + 1] != '"':
                self.fail("expected a key in double quotes", at, path)
            key, after = self._scalar(at, path)
            if key in out:
                self.fail(f"key `{key}` stands here twice", at, (*path, key))
            after = self.skip(after)
            if self.text[after : after + 1] != ":":
                self.fail(f"expected `:` after key `{key}`", after, path)
            out[key], at = self.value(after + 1, (*path, key))
            at = self._separator(at, "}", path)
        return out, at + 1

    def _array(self, at: int, path: JsonPath) -> tuple[list[Any], int]:
        out: list[Any] = []
        at = self.skip(at)
        while self.text[at : at + 1] != "]":
            item, at = self.value(at, (*path, len(out)))
            out.append(item)
            at = self._separator(at, "]", path)
        return out, at + 1

    def _separator(self, at: int, closing: str, path: JsonPath) -> int:
        at = self.skip(at)
        if self.text[at : at + 1] == closing:
            return at
        if at >= len(self.text):
            line, column = _line_column(self.text, self.offsets[path])
            self.fail(
                f"the file ends, and what was opened in line {line}, column {column} lacks its `{closing}`", at, path
            )
        if self.text[at : at + 1] != ",":
            self.fail(f"expected `,` or `{closing}`", at, path)
        following = self.skip(at + 1)
        if self.text[following : following + 1] == closing:
            self.fail(f"a comma before `{closing}`", at, path)
        return following

    def _scalar(self, at: int, path: JsonPath) -> tuple[Any, int]:
        if not self.text[at : at + 1]:
            self.fail("the file ends here; a value is missing", at, path)
        try:
            value, end = self._scalars.raw_decode(self.text, at)
        except json.JSONDecodeError as error:
            token = _SCALAR.match(self.text, at)
            self.fail(f"`{token.group()[:40]}` is not JSON" if token else error.msg, max(at, error.pos), path)
        except ValueError as error:  # NaN, Infinity, an integer of more than 4,300 digits
            self.fail(str(error).split(";")[0], at, path)
        if isinstance(value, float) and isinf(value):
            self.fail("a number too large for a float", at, path)
        if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
            self.fail("a string with half a surrogate pair", at, path)
        return value, end
