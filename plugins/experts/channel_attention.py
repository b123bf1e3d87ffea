"""The expert that weighs channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from ...core.roles import Expert, masked_mean
from .specs import ChannelAttentionSpec


class ChannelAttention(Expert):
    """(phi(a) * (1 + c)) Wo with c = sigmoid(W2 phi(W1 mean(a * g))) and g = masked mean(y Wb).

    Source: HMMoE, arXiv 2503.20633; form ours.
    """

    def __init__(self, spec: ChannelAttentionSpec, rank: int) -> None:
        super().__init__()
        hidden = max(rank // spec.reduction, 1)
        self.squeeze, self.excite = nn.Linear(rank, hidden), nn.Linear(hidden, rank)

    def forward(self, x: Tensor, y: Tensor | None, x_mask: Tensor | None, y_mask: Tensor | None) -> Tensor:
        """[B, N, r]."""
        assert y is not None
        theirs = y.squeeze(1) if y.shape[1] == 1 and y_mask is None else masked_mean(y, y_mask)
        both = masked_mean(x, x_mask) * theirs
        gate = torch.sigmoid(self.excite(gelu(self.squeeze(both))))
        given = gelu(x)
        return torch.addcmul(given, given, gate[:, None])
