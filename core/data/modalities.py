"""Whether every item has what the nodes are made of, and whether all that it has is read. Light: no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from ...registry.errors import counted
from .items import DataError, Item, Splits

_OTHERS = (
    'take "nodes" of what all items have; `fused`, `pair` and `tokens` join an image and a text, and others are joined '
    "inside towers (adapter `hmmoe`)"
)
#: Modality to what to do about an item without it.
_REMEDIES = {"text": 'add a "captioner", or a `text` for every item'}


def require_modalities(splits: Mapping[str, Sequence[Item]], modalities: Iterable[str]) -> None:
    """Raises ``DataError`` for an item that lacks one of them, with what to do."""
    for modality in modalities:
        for name, items in splits.items():
            if lacking := next((item for item in items if modality not in item.modalities), None):
                remedy = _REMEDIES.get(modality, _OTHERS)
                raise DataError(f"item {lacking.id} of split {name} has no {modality}, which the nodes need; {remedy}")


def unread_modalities(splits: Splits, read: Collection[str], reader: str) -> str | None:
    """What to say of modalities that items have and that nothing reads: ``reader`` reads only those of ``read``."""
    found: Counter[str] = Counter()
    for items in splits.values():
        for item in items:
            found.update({kind for view in item.views() for kind in view} - set(read))
    unread = ", ".join(f"{kind} ({counted(number, 'items')})" for kind, number in sorted(found.items()))
    return f"{reader} {' and '.join(read)}; not used: {unread}" if unread else None
