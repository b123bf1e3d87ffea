"""The expert that looks at one modality."""

from __future__ import annotations

from torch import Tensor

from ...core.roles import Expert
from ...triton_kernels.bottleneck.activations import activate
from .specs import UnimodalSpec


class Unimodal(Expert):
    """phi(x Wdown) Wup; both projections are the site's."""

    def __init__(self, spec: UnimodalSpec, rank: int) -> None:
        super().__init__()
        self._activation = spec.activation

    def forward(self, x: Tensor, y: Tensor | None, x_mask: Tensor | None, y_mask: Tensor | None) -> Tensor:
        """[B, N, r]."""
        return activate(self._activation, x)
