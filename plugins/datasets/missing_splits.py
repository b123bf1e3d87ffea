"""Splits that a data set does not bring, cut off ``train``; and whether every class is in every split."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence

from ...core.data.items import DataError, Item
from ...core.data.names import alike, look_of
from .stratified import Splits, stratified_split


def with_missing_splits(
    given: Mapping[str, Sequence[Item]], fractions: Mapping[str, float], where: str, to_score: bool = False
) -> Splits:
    """``given`` with the splits of ``fractions`` that it lacks cut off its ``train``, class by class.

    Items go by sha256 of their content and id, so that the cut is the same everywhere and no seed moves it. Items of
    one content stay together: none is trained on and tested on. Unlabelled ones stay in ``train``, and labelled ones of
    the same content with them. Raises ``DataError`` when a class has one item alone, but where items are ``to_score``,
    as ``Dataset`` has it.
    """
    splits = {name: list(items) for name, items in given.items() if items}
    missing = {name: share for name, share in fractions.items() if name not in splits and share > 0}
    train = splits.get("train", [])
    if not missing or not train:
        return splits
    contents = {item.id: _content(item) for item in train}
    staying = {contents[item.id] for item in train if item.target is None}
    labelled = [item for item in train if item.target is not None]
    if not to_score:
        _require_two(labelled, where)
    free = [item for item in labelled if contents[item.id] not in staying]
    order = {item.id: contents[item.id] + item.id for item in free}
    cut = stratified_split(free, order, {**missing, "train": 1.0}, contents)
    gone = {item.id for name in missing for item in cut[name]}
    return splits | cut | {"train": [item for item in train if item.id not in gone]}


def how_cut(given: Mapping[str, Sequence[Item]], fractions: Mapping[str, float]) -> str:
    """The same in words, for a split id: ``val as given, test 30% a class by content hash``."""
    return ", ".join(
        f"{name} {'as given' if given.get(name) else f'{share:.0%} a class by content hash'}"
        for name, share in fractions.items()
    )


def require_classes_everywhere(
    splits: Mapping[str, Sequence[Item]],
    names: Sequence[str],
    where: str,
    *,
    excludes: bool = False,
    to_score: bool = False,
) -> None:
    """A class that training never sees, or that no score covers, is a mistake in the data: ``DataError``.

    ``excludes``: whether the data set has a field ``exclude`` for classes. ``to_score``: nothing is trained on them.
    """
    if to_score:
        return
    present = {split: {item.target for item in items} for split, items in splits.items() if items}
    for index, name in enumerate(names):
        lacking = [split for split, targets in present.items() if index not in targets]
        having = [split for split, targets in present.items() if index in targets]
        if lacking:
            same = alike(one for one in names if look_of(one) == look_of(name))
            out = f"by --set {shlex.quote(f'dataset.exclude={json.dumps([name])}')}" if excludes else "of the data"
            note = f"{same[0]} look alike: spell them in one way" if same else f"add some, or take the class out {out}"
            raise DataError(
                f"class `{name}` is in {' and '.join(having) or 'no split'} but not in {' and '.join(lacking)} of "
                f"{where}; every class needs {_kind(_any(splits))}s in every split{_of_copies(splits, index)}; {note}"
            )


def _of_copies(splits: Mapping[str, Sequence[Item]], index: int) -> str:
    """Why a class that has enough items lacks some in a split: copies stay together."""
    contents = Counter(_content(item) for items in splits.values() for item in items if item.target == index)
    copies = contents.total() - len(contents)
    return f" ({copies} of its {contents.total()} are copies of others, and copies stay together)" if copies else ""


def _kind(item: Item) -> str:
    words = {"image": "picture", "video": "clip", "audio": "sound", "vector": "vector"}
    return next((word for kind, word in words.items() if kind in item.modalities), "item")


def _any(splits: Mapping[str, Sequence[Item]]) -> Item:
    return next(item for items in splits.values() for item in items)


def _content(item: Item) -> str:
    """Digest of its picture, of its clip's bytes whichever frames are seen, of its sound, or of its text."""
    if "video" in item.modalities:
        return item.modalities["video"].bytes_digest
    return next(
        item.modalities[kind].digest for kind in ("image", "audio", "vector", "text") if kind in item.modalities
    )


def _require_two(items: Sequence[Item], where: str) -> None:
    counts = Counter(item.target for item in items)
    for item in items:
        if counts[item.target] == 1:
            raise DataError(
                f"{where}/{item.id} is the only {_kind(item)} of its class, so the class cannot be divided into "
                f"splits; add {_kind(item)}s, or give train, val and test folders"
            )
