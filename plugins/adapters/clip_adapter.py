"""CLIP-Adapter on the visual side."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...core.roles import Adapter
from ...triton_kernels import SparseGraph
from .specs import CLIPAdapterSpec


class CLIPAdapter(Adapter):
    """Z = alpha ReLU(M W1) W2 + (1 - alpha) M (Gao et al. 2021, arXiv 2110.04544).

    W1 [d, r] and W2 [r, d] without biases, drawn as torch draws a linear layer's: unlike our own adapters it starts
    near the frozen vectors, not at them. The authors' code has a second ReLU behind W2, which the equation has not.
    """

    def __init__(self, spec: CLIPAdapterSpec, width: int) -> None:
        super().__init__()
        self.output_width = width
        bottleneck = spec.bottleneck(width)
        self.down = nn.Linear(width, bottleneck, bias=False)
        self.up = nn.Linear(bottleneck, width, bias=False)
        self._ratio = spec.ratio

    def forward(self, x: Tensor, graph: SparseGraph | None = None) -> Tensor:
        """Adapted vectors [N, width]; ``graph`` is not looked at."""
        adapted: Tensor = self.up(torch.relu(self.down(x)))
        return self._ratio * adapted + (1 - self._ratio) * x
