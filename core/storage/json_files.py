"""JSON in files that a stranger may have written: of bounded size and depth. Light: no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .files import read_regular
from .text_files import text_of

#: Bytes: a run names every item of its support, an index of weights every tensor.
MAX_JSON = 1 << 26
#: Objects and lists inside one another.
MAX_DEPTH = 64
_HOLD_OTHERS = (Mapping, list, tuple)
TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"


def json_in(path: str | Path, most: int = MAX_JSON) -> Any:
    """The value in a regular file of at most ``most`` bytes.

    Raises ``OSError`` where it cannot be read, ``ValueError`` for what is no JSON of at most ``MAX_DEPTH`` levels, or
    has a key twice.
    """
    content = read_regular(path, most)
    try:
        value = json.loads(text_of(content), object_pairs_hook=once)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    if deeper_than(value, MAX_DEPTH):
        raise ValueError(TOO_DEEP)
    return value


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of those keys and values. Raises ``ValueError`` for a key twice: either value could be meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for number, (key, _) in enumerate(pairs) if any(key == other for other, _ in pairs[:number]))
        raise ValueError(f"key `{twice}` stands there twice")
    return found


def deeper_than(value: Any, most: int) -> bool:
    """Whether objects and lists stand in one another more than ``most`` deep; endlessly, perhaps."""
    level = [value] if isinstance(value, _HOLD_OTHERS) else []
    for _ in range(most + 1):
        inside = [node.values() if isinstance(node, Mapping) else node for node in level]
        level = [child for children in inside for child in children if isinstance(child, _HOLD_OTHERS)]
        if not level:
            return False
    return True
