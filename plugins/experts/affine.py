"""The expert by which the partner scales and shifts."""

from __future__ import annotations

import torch
from torch import Tensor

from ...core.roles import Expert, masked_mean
from .specs import AffineSpec


class Affine(Expert):
    """(a (1 + gamma) + beta) Wo with [gamma, beta] = masked mean(y Wb) (FiLM, Perez et al. 2018, eq. 1, at rank r)."""

    def __init__(self, spec: AffineSpec, rank: int) -> None:
        super().__init__()

    def forward(self, x: Tensor, y: Tensor | None, x_mask: Tensor | None, y_mask: Tensor | None) -> Tensor:
        """[B, N, r]."""
        assert y is not None
        mean = y if y.shape[1] == 1 and y_mask is None else masked_mean(y, y_mask)[:, None]
        scale, shift = mean.chunk(2, dim=-1)
        return torch.addcmul(x + shift, x, scale)
