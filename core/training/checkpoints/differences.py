"""What differs between two JSON objects, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


def differences(before: Any, now: Any, at: str = "") -> Iterator[str]:
    """A line each: dotted path, what it was, what it is."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in {**before, **now}:
            yield from differences(before.get(key), now.get(key), f"{at}.{key}" if at else key)
    elif before != now:
        yield f"{at}: was {json.dumps(before)}, is {json.dumps(now)}"
