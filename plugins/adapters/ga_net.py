"""GA-Net's adapter: messages at bottleneck width between a down- and an up-projection."""

from __future__ import annotations

from torch import Tensor, nn

from ...core.adapter import Adapter
from ...triton_kernels import SparseGraph, propagate
from . import GANetSpec
from .bottleneck import ACTIVATIONS, projections


class GANet(Adapter):
    """H0 = M Wd + bd;  Hl = phi(Â H(l-1) Wg + H(l-1) W0 + bg);  Z = M + a (HL Wu + bu).

    Â is the adjacency with self-loops, normalised. W0 is there with ``self_message`` (ours): without it a node's own
    evidence drowns in its neighbours'. Source: Cheng & Lu, arXiv 2408.00290, from the abstract; equations ours.
    """

    def __init__(self, spec: GANetSpec, width: int) -> None:
        super().__init__()
        self.output_width = width
        self.down, self.up = projections(width, spec.bottleneck)
        self.convolutions = nn.ModuleList(_Convolution(spec) for _ in range(spec.layers))
        self._scale = spec.scale

    def forward(self, x: Tensor, graph: SparseGraph | None = None) -> Tensor:
        """Adapted vectors [N, width] over ``graph`` [N, N] without self-loops (they are added here)."""
        if graph is None:
            raise ValueError("GANet passes messages: give it a graph over the nodes")
        looped = graph.with_self_loops()
        hidden: Tensor = self.down(x)
        for convolution in self.convolutions:
            hidden = convolution(hidden, looped)
        change: Tensor = self.up(hidden)
        return x + self._scale * change


class _Convolution(nn.Module):
    """One graph convolution at bottleneck width."""

    def __init__(self, spec: GANetSpec) -> None:
        super().__init__()
        self.neighbours = nn.Linear(spec.bottleneck, spec.bottleneck)
        self.own = nn.Linear(spec.bottleneck, spec.bottleneck, bias=False) if spec.self_message else None
        self._norm, self._activation = spec.norm, ACTIVATIONS[spec.activation]

    def forward(self, hidden: Tensor, graph: SparseGraph) -> Tensor:
        message: Tensor = self.neighbours(propagate(graph, hidden, norm=self._norm))
        return self._activation(message if self.own is None else message + self.own(hidden))
