"""The expert that changes nothing."""

from __future__ import annotations

from torch import Tensor

from ...core.roles import Expert
from .specs import IdentitySpec


class NoChange(Expert):
    """An update of zero."""

    def __init__(self, spec: IdentitySpec, rank: int) -> None:
        super().__init__()

    def forward(self, x: Tensor, y: Tensor | None, x_mask: Tensor | None, y_mask: Tensor | None) -> Tensor:
        """[B, N, 0]."""
        return x
