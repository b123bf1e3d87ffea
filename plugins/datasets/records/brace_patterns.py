"""How many names a brace pattern stands for, told before it is expanded."""

from __future__ import annotations

import re

_RANGE = re.compile(r"\{(-?\d+|[A-Za-z])\.\.(-?\d+|[A-Za-z])(?:\.\.(-?\d+))?\}")
#: Digits of a number in a range; longer ones count as endless.
_DIGITS = 18
ENDLESS = 1_000_000_000_000_000_000


def most_expansions(pattern: str) -> int:
    """At least the number of names: the product over ranges and alternatives, ``ENDLESS`` at most."""
    most = 1
    for first, last, step in _RANGE.findall(pattern):
        most = min(most * _count(first, last, step), ENDLESS)
    alternatives: list[int] = []
    for letter in _RANGE.sub("", pattern):
        if letter == "{":
            alternatives.append(1)
        elif letter == "," and alternatives:
            alternatives[-1] += 1
        elif letter == "}" and alternatives:
            most = min(most * alternatives.pop(), ENDLESS)
    return most


def _count(first: str, last: str, step: str) -> int:
    if max(map(len, (first, last, step))) > _DIGITS:
        return ENDLESS
    start, stop = (int(one) if one.lstrip("-").isdecimal() else ord(one) for one in (first, last))
    return abs(stop - start) // max(abs(int(step or 1)), 1) + 1
