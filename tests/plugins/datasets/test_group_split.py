"""Splits by group: what belongs together is never trained on and tested on."""

from __future__ import annotations

import hashlib
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from graftwork.core.data.items import Item, Media
from graftwork.plugins.datasets.registries.group_split import split_by_group


def item(number: int, content: int, target: int) -> Item:
    digest = hashlib.sha256(f"{content}".encode()).hexdigest()
    return Item(str(number), {"image": Media(digest, "", lambda: None), "text": Media.of_text("the same")}, target)


rows = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 30), st.integers(0, 2)), min_size=1, max_size=60)


@given(rows, st.integers(0, 3))
def test_neither_groups_nor_contents_straddle(drawn, seed):
    """Each item is in one split, with its group and all that shows the same, however they chain; texts do not."""
    items = [item(number, content, target) for number, (_, content, target) in enumerate(drawn)]
    group_of = {one.id: f"group {group}" for one, (group, _, _) in zip(items, drawn, strict=True)}
    splits = split_by_group(items, group_of, f"{seed}")
    assert sorted(one.id for some in splits.values() for one in some) == sorted(one.id for one in items)
    places = defaultdict(set)
    for name, some in splits.items():
        for one in some:
            places[group_of[one.id]].add(name)
            places[one.modalities["image"].digest].add(name)
    assert {len(found) for found in places.values()} == {1}


def test_classes_are_divided_by_groups():
    """Half of each class's groups, a fifth, the rest; in the order of the items; another salt, another split."""
    items = [item(number, number, number % 2) for number in range(80)]
    group_of = {one.id: f"{int(one.id) % 40}" for one in items}
    splits = split_by_group(items, group_of, "0")
    assert {name: len(some) for name, some in splits.items()} == {"train": 40, "val": 16, "test": 24}
    assert all(sum(one.target == 0 for one in some) * 2 == len(some) for some in splits.values())
    assert [int(one.id) for one in splits["train"]] == sorted(int(one.id) for one in splits["train"])
    assert split_by_group(items, group_of, "0") == splits
    assert split_by_group(items, group_of, "1") != splits
