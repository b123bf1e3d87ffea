"""A split of items by what must stay together, class by class, the same on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from ....core.data.items import Item
from ..stratified import Splits, stratified_split

FRACTIONS = {"train": 0.5, "val": 0.2, "test": 0.3}
#: The same in words, for split ids.
SHARES = "50/20/30"


def split_by_group(items: Sequence[Item], group_of: Mapping[str, str], salt: str) -> Splits:
    """Half of each class's groups to train, a fifth to val, the rest to test, ranked by sha256 of ``salt`` and group.

    ``group_of`` (id to group) says what stays together; groups that share a picture or a sound, byte for byte, are one.
    """
    joined = _joined(items, group_of)
    first: dict[str, Item] = {}
    for item in items:
        first.setdefault(joined[item.id], item)
    order = {item.id: hashlib.sha256(f"{salt}/{group}".encode()).hexdigest() for group, item in first.items()}
    cut = stratified_split(list(first.values()), order, FRACTIONS)
    split_of = {joined[item.id]: name for name, some in cut.items() for item in some}
    return {name: [item for item in items if split_of[joined[item.id]] == name] for name in FRACTIONS}


def _joined(items: Sequence[Item], group_of: Mapping[str, str]) -> dict[str, str]:
    """Id to group, where groups of one content bear the name of the first of them."""
    joined_to: dict[str, str] = {}

    def root(group: str) -> str:
        while group in joined_to:
            group = joined_to[group]
        return group

    group_with: dict[str, str] = {}
    for item in items:
        for kind, media in item.modalities.items():
            group = root(group_of[item.id])
            other = root(group_with.setdefault(media.digest, group)) if kind != "text" else group
            if other != group:
                joined_to[group] = other
    return {item.id: root(group_of[item.id]) for item in items}
