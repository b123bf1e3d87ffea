"""Whether every item has what the nodes are made of. Light: no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .items import DataError, Item


def require_modalities(splits: Mapping[str, Sequence[Item]], modalities: Iterable[str]) -> None:
    """Raises ``DataError`` for an item that lacks one of them, with what to do."""
    for modality in modalities:
        for name, items in splits.items():
            if lacking := next((item for item in items if modality not in item.modalities), None):
                remedy = 'add a "captioner", or a `text` for every item' if modality == "text" else "take other nodes"
                raise DataError(f"item {lacking.id} of split {name} has no {modality}, which the nodes need; {remedy}")
