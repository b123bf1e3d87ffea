"""Targets that are too large to be held: read whenever a step asks for some of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..data.items import Item, Masks
from ..roles.task import Task, targets_of
from .read_outs import batches

#: Items that are read at a time before training.
CHUNK = 64


class ReadTargets:
    """In place of the tensor that ``Task.targets`` makes of all items: rows of it, made when they are asked for."""

    #: Where rows are chosen.
    device = torch.device("cpu")

    def __init__(self, task: Task, items: Sequence[Item], classes: int, device: torch.device) -> None:
        """Reads everything once, so that what is wrong is said before training. Raises ``DataError``."""
        self._task, self._items, self._classes, self._place = task, items, classes, device
        # Stands before every batch: a batch may be without any mask, and all are of its size.
        self._sized = next((one for one in items if isinstance(one.target, Masks) and any(one.target.of)), items[0])
        for rows in batches(len(items), CHUNK):
            self._read([items[row] for row in rows])

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """Those rows, read now, on the device of the training."""
        chosen = self._items[rows] if isinstance(rows, slice) else [self._items[row] for row in rows.tolist()]
        return self._read(chosen).to(self._place)

    def _read(self, items: Sequence[Item]) -> Tensor:
        return targets_of(self._task, [self._sized, *items], self._classes)[1:]
