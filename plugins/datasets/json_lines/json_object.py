"""Strict JSON of one item, fast where nothing is wrong with it."""

from __future__ import annotations

import json
from typing import Any

from ....core.data.items import DataError
from ....core.spec.json_source import parse_json
from ....core.storage.json_files import once
from ....core.storage.text_files import text_of
from ....registry.errors import SpecError

#: What a line looks like, for messages.
AN_OBJECT = '{"id": "1", "image": "pics/a.png", "label": "cat"}'


def json_object(place: str, content: bytes) -> dict[str, Any]:
    """The object that a line holds; ``place`` stands in messages. Raises ``DataError`` for anything else."""
    try:
        text = text_of(content)
    except ValueError as error:
        raise DataError(f"{place}: {error}") from None
    fields = json_value(place, text)
    if not isinstance(fields, dict):
        raise DataError(f"{place}: every line is an object, as {AN_OBJECT}")
    return fields


def json_value(place: str, text: str) -> Any:
    """What stands there; ``place`` stands in messages. Raises ``DataError`` for what is no JSON, or a key twice."""
    try:
        # The standard library's decoder is many times faster; half surrogates, which it takes, are all written \ud...
        return _strict_json(text) if "\\ud" not in text.lower() else parse_json(text, place).value
    except (ValueError, RecursionError, SpecError):
        return _explained(place, text)


def _explained(place: str, text: str) -> Any:
    """Read once more by the reader that says what is wrong."""
    try:
        return parse_json(text, place).value
    except SpecError as error:
        raise DataError(f"{place}: not JSON: {error.problems[0].reason}") from None


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


_strict_json = json.JSONDecoder(object_pairs_hook=once, parse_constant=_refuse).decode
