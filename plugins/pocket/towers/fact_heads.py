"""Linear heads that read facts off a tower's tokens while it learns; they are dropped afterwards."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .picture_lessons import NOTHING


class TokenHeads(nn.Module):
    """One linear classifier a fact, on each token."""

    def __init__(self, width: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.sizes = list(sizes)
        self.linear = nn.Linear(width, sum(sizes))

    def forward(self, states: Tensor, facts: Tensor) -> Tensor:
        """Mean cross-entropy over facts of ``states`` [..., width] against ``facts`` int64 [..., facts].

        Where a fact is ``NOTHING`` it does not count; a fact that counts nowhere has loss 0.
        """
        losses = []
        for number, logits in enumerate(self.linear(states).flatten(0, -2).split(self.sizes, 1)):
            wanted = facts[..., number].flatten()
            total = F.cross_entropy(logits, wanted, ignore_index=NOTHING, reduction="sum")
            losses.append(total / (wanted != NOTHING).sum().clamp(min=1))
        return torch.stack(losses).mean()
