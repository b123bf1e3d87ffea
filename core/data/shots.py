"""Few-shot samples, drawn by content: the same on every machine. Light: no torch."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence

from .items import DataError, Item


def sample_fingerprint(ids: Iterable[str]) -> str:
    """sha256 (hex) of a few-shot sample: two runs with equal ones trained on the same items, whatever the method."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def sample_shots(items: Sequence[Item], shots: int | None, seed: int) -> tuple[Item, ...]:
    """The labelled items of a few-shot sample: ``shots`` of each class, or all where a class has fewer.

    Drawn by sha256 of seed and id, so that the sample is the same on every machine, whatever the method, and four
    shots are a subset of sixteen. Raises ``DataError`` for shots of items that have no single class.
    """
    if shots is None:
        return tuple(item for item in items if item.target is not None)
    classes: dict[int, list[Item]] = defaultdict(list)
    for item in items:
        if isinstance(item.target, int):
            classes[item.target].append(item)
        elif item.target is not None:
            raise DataError(f"dataset.shots: item {item.id} has no single class to draw shots of; remove `shots`")
    draw = lambda item: hashlib.sha256(f"{seed}:{item.id}".encode()).digest()  # noqa: E731
    chosen = {item.id for group in classes.values() for item in sorted(group, key=draw)[:shots]}
    return tuple(item for item in items if item.id in chosen)
