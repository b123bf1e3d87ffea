"""The task role: loss and metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor


class Task(ABC):
    """Built as ``build(spec)``."""

    #: The metric (a key of ``metrics``, higher is better) that selects epochs and search values.
    primary: str

    @abstractmethod
    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss of each item, [N], of logits [N, C] against int64 targets [N]."""

    @abstractmethod
    def metrics(self, logits: Tensor, targets: Tensor) -> dict[str, float]:
        """Named figures over all items at once."""
