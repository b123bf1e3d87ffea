"""A stratified split that depends on content alone: the same on every machine and with every library version."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ...core.data.items import Item

Splits = dict[str, list[Item]]


def stratified_split(items: Sequence[Item], order: dict[str, str], fractions: dict[str, float]) -> Splits:
    """Divide each class by ``fractions``.

    The first ``round(fraction * n)`` items in ``order`` (id to hash) go to the first split, and so on; the
    last of ``fractions`` takes what is left. Items keep their given order within a split.
    """
    classes: dict[Any, list[Item]] = defaultdict(list)
    for item in items:
        classes[item.target].append(item)
    split_of: dict[str, str] = {}
    *named, last = fractions
    for group in classes.values():
        ranked = sorted(group, key=lambda item: order[item.id])
        start = 0
        for name in named:
            stop = start + round(fractions[name] * len(group))
            split_of |= {item.id: name for item in ranked[start:stop]}
            start = stop
        split_of |= {item.id: last for item in ranked[start:]}
    splits: Splits = {name: [] for name in fractions}
    for item in items:
        splits[split_of[item.id]].append(item)
    return splits
