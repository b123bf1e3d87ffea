"""Captioners that look descriptions up."""

from __future__ import annotations

import hashlib
from typing import Any

from ..captioner import PictureKey, WrittenCaptions
from .case import Case
from .check import NotApplicable

UNKNOWN = [
    PictureKey(f"no such item {number}", hashlib.sha256(str(number).encode()).hexdigest(), f"/nowhere/{number}.png")
    for number in range(3)
]


def make(case: Case) -> WrittenCaptions:
    """As a plan builds it."""
    if missing := case.spec.missing_files():
        raise NotApplicable(f"its files are not here: {missing}")
    built = case.build()
    assert isinstance(built, WrittenCaptions), f"build gives a {type(built).__name__}, not WrittenCaptions"
    return built


def exercise(case: Case) -> Any:
    """What a new one finds."""
    return make(case).look_up(UNKNOWN)


def answers(case: Case) -> None:
    """As many as keys."""
    for keys in (UNKNOWN, []):
        given = case.made.look_up(keys)
        assert isinstance(given, list), f"it gives a {type(given).__name__}, not a list"
        assert len(given) == len(keys), f"it gives {len(given)} answers to {len(keys)} keys"


def unknown_keys(case: Case) -> None:
    """It looks up and cannot make up."""
    given = case.made.look_up(UNKNOWN)
    assert not any(given), f"it describes what nobody described: {given}"
