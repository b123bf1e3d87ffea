"""A stratified split that depends on content alone: the same on every machine and with every library version."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from ...core.data.items import Item

Splits = dict[str, list[Item]]


def stratified_split(
    items: Sequence[Item], order: dict[str, str], fractions: dict[str, float], contents: Mapping[str, str] | None = None
) -> Splits:
    """Divide each class by ``fractions``.

    The first ``round(fraction * n)`` items in ``order`` (id to hash) go to the first split, and so on; the
    last of ``fractions`` takes what is left. Items keep their given order within a split. Items of equal ``contents``
    (id to digest) then go together to where most of them are, whatever their classes; among equals, to the later of
    ``fractions``. Without such items ``contents`` changes nothing.
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
    if contents is not None:
        split_of |= _together(contents, split_of, list(fractions))
    splits: Splits = {name: [] for name in fractions}
    for item in items:
        splits[split_of[item.id]].append(item)
    return splits


def _together(contents: Mapping[str, str], split_of: Mapping[str, str], order: Sequence[str]) -> dict[str, str]:
    """Id to split of the items whose content lies in several."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for id_, split in split_of.items():
        found[contents[id_]][split] += 1
    moved = {
        content: max(counts, key=lambda split: (counts[split], order.index(split)))
        for content, counts in found.items()
        if len(counts) > 1
    }
    return {id_: moved[contents[id_]] for id_ in split_of if contents[id_] in moved}
