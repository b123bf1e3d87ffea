"""The passes of items through the towers, a batch at a time."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from ..data.items import Item, Media
from ..towers.frozen_tower import FrozenTower
from .open_towers import OpenTowers
from .preprocessed import Reader

#: Tower to the keyword arguments of its forward; ``None``: it does not run.
Inputs = Mapping[str, Mapping[str, Tensor] | None]


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
