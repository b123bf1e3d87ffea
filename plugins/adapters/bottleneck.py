"""The bottleneck adapter, and what it shares with GA-Net: projections that start as the identity."""

from __future__ import annotations

from torch import Tensor, nn

from ...core.roles import Adapter
from ...triton_kernels import SparseGraph
from ...triton_kernels.bottleneck.activations import activate
from .specs import BottleneckSpec


def projections(width: int, bottleneck: int) -> tuple[nn.Linear, nn.Linear]:
    """Down- and up-projection. Unit vectors [N, width] come down with unit variance; the up-projection starts at zero.

    The scale ``a`` starts at one, never at zero: a zero gate on a zero projection would not train.
    """
    down, up = nn.Linear(width, bottleneck), nn.Linear(bottleneck, width)
    nn.init.normal_(down.weight)
    for zero in (down.bias, up.weight, up.bias):
        nn.init.zeros_(zero)
    return down, up


class Bottleneck(Adapter):
    """Z = M + a (phi(M Wd + bd) Wu + bu)."""

    def __init__(self, spec: BottleneckSpec, width: int) -> None:
        super().__init__()
        self.output_width = width
        self.down, self.up = projections(width, spec.bottleneck)
        self._activation, self._scale = spec.activation, spec.scale

    def forward(self, x: Tensor, graph: SparseGraph | None = None) -> Tensor:
        """Adapted vectors [N, width]; ``graph`` is not looked at."""
        change: Tensor = self.up(activate(self._activation, self.down(x)))
        return x + self._scale * change
