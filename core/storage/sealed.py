"""A JSON object that carries the sha256 of its other keys: an altered one blames itself. Light: no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

#: The key of the sha256.
SEAL = "sha256"


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """``value`` with the sha256 of all its other keys. Raises ``ValueError`` for what JSON has no word for."""
    plain: dict[str, Any] = json.loads(json.dumps({key: one for key, one in value.items() if key != SEAL}))
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return {**plain, SEAL: hashlib.sha256(canonical.encode()).hexdigest()}


def is_unaltered(value: Mapping[str, Any]) -> bool:
    """Whether the sha256 in ``value`` is that of its other keys."""
    try:
        return bool(sealed(value)[SEAL] == value.get(SEAL))
    except (ValueError, RecursionError):
        return False
