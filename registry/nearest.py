"""The nearest known name, for messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like ``name``, or ``None`` when none is near."""
    return next(iter(get_close_matches(name, list(known), n=1, cutoff=0.6)), None)
