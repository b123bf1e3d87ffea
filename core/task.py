"""The task role: loss and metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from .dataset import DataError, Item


class Task(ABC):
    """Built as ``build(spec)``."""

    #: The metric (a key of ``metrics``, higher is better) that selects epochs and search values.
    primary: str

    def targets(self, items: Sequence[Item], classes: int) -> Tensor:
        """The targets of items as a tensor, one row an item: int64 [N], -1 where unlabelled. Raises ``DataError``."""
        for item in items:
            if item.target is not None and not isinstance(item.target, int):
                raise DataError(f"item {item.id}: the task needs one class an item, and its target is {item.target!r}")
        return torch.tensor([-1 if item.target is None else item.target for item in items], dtype=torch.int64)

    @abstractmethod
    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss of each item, [N], of logits [N, C] against int64 targets [N] (or as ``targets`` makes them)."""

    @abstractmethod
    def metrics(self, logits: Tensor, targets: Tensor) -> dict[str, float]:
        """Named figures over all items at once."""
