"""The passes of items through the towers, a batch at a time."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..data.items import Item, Media
from ..towers.frozen_tower import FrozenTower
from .open_towers import OpenTowers
from .preprocessed import Reader

#: Tower to the keyword arguments of its forward; ``None``: it does not run.
Inputs = Mapping[str, Mapping[str, Tensor] | None]


#: Passes that run at once where nothing is learnt of them: more than a batch of short clips has, fewer than a film.
MOST_PASSES = 1024


class TowerInputs(dict[str, Tensor]):
    """Keyword arguments of a tower's forward, which know of what they are: of each row the digests of its contents."""

    def __init__(self, inputs: Mapping[str, Tensor], contents: Sequence[Hashable]) -> None:
        super().__init__(inputs)
        self.contents = contents


@dataclass(frozen=True, slots=True)
class Batch:
    """Some items, each with its passes."""

    inputs: Inputs
    #: How many passes each item has; they stand one after another.
    counts: tuple[int, ...]


class Passes:
    """Items in a fixed order."""

    def __init__(self, items: Sequence[Item], towers: OpenTowers, reader: Reader) -> None:
        self.items, self.towers = tuple(items), towers
        self._reader = reader

    def __len__(self) -> int:
        return len(self.items)

    def batch(self, rows: Sequence[int]) -> Batch:
        """Those items with all their passes."""
        views = [self.items[row].views() for row in rows]
        flat = [view for one in views for view in one]
        return Batch(self._of(flat), tuple(map(len, views)))

    def parts(self, rows: Sequence[int], most: int) -> Iterator[Inputs]:
        """What towers take of those items, so many passes at a time."""
        flat = [view for row in rows for view in self.items[row].views()]
        return (self._of(flat[start : start + most]) for start in range(0, len(flat), most))

    def _of(self, views: Sequence[Mapping[str, Media]]) -> Inputs:
        return {one.tower.name: self.inputs(one, views) for one in self.towers.frozen}

    def inputs(self, tower: FrozenTower, views: Sequence[Mapping[str, Media]]) -> TowerInputs:
        """What one tower takes of those passes."""
        contents = {
            modality: self._reader.contents(modality, [view[modality] for view in views])
            for modality in tower.tower.streams
        }
        digests = [tuple(view[modality].digest for modality in tower.tower.streams) for view in views]
        return TowerInputs(tower.collate(contents), digests)


@dataclass(frozen=True, slots=True)
class ReadOut:
    """What the towers gave of a batch."""

    #: Tower to its read-outs [V, width], unit rows.
    vectors: Mapping[str, Tensor]
    #: What the adapter adds to the loss: a scalar, 0 without one.
    auxiliary: Tensor | float = 0.0
    #: ``meeting.stream`` to the mean share [E] of each expert.
    usage: Mapping[str, Tensor] = field(default_factory=dict)


def joined_parts(each: Iterable[ReadOut]) -> ReadOut:
    """Of passes that ran apart; a share is the mean over the parts, each as heavy as it has passes."""
    parts = list(each)
    if len(parts) == 1:
        return parts[0]
    vectors = {name: torch.cat([part.vectors[name] for part in parts]) for name in parts[0].vectors}
    sizes = [len(next(iter(part.vectors.values()))) for part in parts]
    weights = [size / sum(sizes) for size in sizes]
    shares = [
        {name: share * weight for name, share in part.usage.items()}
        for part, weight in zip(parts, weights, strict=True)
    ]
    usage = {name: torch.stack([one[name] for one in shares]).sum(dim=0) for name in shares[0]}
    auxiliary = sum(part.auxiliary * weight for part, weight in zip(parts, weights, strict=True))
    return ReadOut(vectors, auxiliary, usage)


def most_passes() -> int:
    """How many passes run at once: all of them where something is learnt of them."""
    return sys.maxsize if torch.is_grad_enabled() else MOST_PASSES
