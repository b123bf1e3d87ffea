"""GA-Net's adapter: messages at bottleneck width between a down- and an up-projection."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from ...core.roles import Adapter
from ...triton_kernels import SparseGraph, gcn_bottleneck, propagate
from ...triton_kernels.bottleneck.activations import activate
from .bottleneck import projections
from .diffusion import mixed, mixed_share
from .specs import GANetSpec


class GANet(Adapter):
    """H0 = M Wd + bd;  Hl = phi(Â H(l-1) Wg + H(l-1) W0 + bg);  Z = M + a (HL Wu + bu).

    Â is the adjacency with self-loops, normalised. W0 is there with ``self_message`` (ours): without it a node's own
    evidence drowns in its neighbours'. Source: Cheng & Lu, arXiv 2408.00290, from the abstract; equations ours.
    With ``skip`` (ours) Z = M' + a (HL Wu + bu), where M' has the neighbours mixed in at full width (``mixed``): what
    a bottleneck that starts at zero would have to learn to pass is there before training.
    """

    def __init__(self, spec: GANetSpec, width: int) -> None:
        super().__init__()
        self.output_width = width
        self.down, self.up = projections(width, spec.bottleneck)
        self.convolutions = nn.ModuleList(_Convolution(spec) for _ in range(spec.layers))
        self._spec = spec
        self._shifts: deque[tuple[Tensor, int, SparseGraph, Tensor]] = deque(maxlen=2)

    def forward(self, x: Tensor, graph: SparseGraph | None = None) -> Tensor:
        """Adapted vectors [N, width] over ``graph`` [N, N] without self-loops (they are added here)."""
        if graph is None:
            raise ValueError("GANet passes messages: give it a graph over the nodes")
        looped = graph.with_self_loops(self._spec.loop)
        adapted = self._fused(x, looped) if len(self.convolutions) == 1 else self._layered(x, looped)
        return adapted + self._shift(x, graph) if self._spec.skip else adapted

    def aggregate(self, x: Tensor, graph: SparseGraph) -> tuple[Tensor, ...] | None:
        """M, Â M, the row sums of Â and with ``skip`` M', of one layer: Â (M Wd + bd) = (Â M) Wd + (Â 1) bd."""
        if len(self.convolutions) > 1:
            return None
        looped, norm = graph.with_self_loops(self._spec.loop), self._spec.norm
        sums = propagate(looped, x.new_ones(len(x), 1), norm=norm)
        skip = (mixed(x, graph, self._spec.skip),) if self._spec.skip else ()
        return x, propagate(looped, x, norm=norm), sums, *skip

    def forward_aggregated(self, *aggregated: Tensor) -> Tensor:
        """Z of those rows."""
        x, received, sums, *skip = aggregated
        (layer,) = self.convolutions
        assert isinstance(layer, _Convolution)
        message = linear(received, self.down.weight) + sums * self.down.bias
        change: Tensor = self.up(layer.update(message, lambda: self.down(x)))
        base = skip[0] if skip else x
        return base + (change if self._spec.scale == 1 else self._spec.scale * change)

    def _layered(self, x: Tensor, looped: SparseGraph) -> Tensor:
        hidden: Tensor = self.down(x)
        for convolution in self.convolutions:
            hidden = convolution(hidden, looped)
        change: Tensor = self.up(hidden)
        return x + self._spec.scale * change

    def _shift(self, x: Tensor, graph: SparseGraph) -> Tensor:
        """M' - M. It does not train: for the two latest of fixed vectors, of training and of selection, it is kept."""
        if x.requires_grad or x.is_inference() or torch.is_inference_mode_enabled():
            return mixed(x, graph, self._spec.skip) - x
        for known, version, over, shift in self._shifts:
            if known is x and version == x._version and over is graph:
                return shift
        self._shifts.append((x, x._version, graph, mixed(x, graph, self._spec.skip) - x))
        return self._shifts[-1][-1]

    def neighbour_shares(self, graph: SparseGraph) -> dict[str, Tensor]:
        """Of ``bottleneck``, of what is summed over a node and its neighbours; and with ``skip`` of that."""
        looped = graph.with_self_loops(self._spec.loop)
        ones = torch.ones(graph.num_nodes, 1, dtype=torch.float64, device=graph.device)
        own = looped.edge_weight[looped.row == looped.col] / looped.degree()
        whole = propagate(looped, ones, norm=self._spec.norm)[:, 0]
        shares = {"bottleneck": 1 - own / whole}
        return shares if not self._spec.skip else {"skip": mixed_share(graph, self._spec.skip), **shares}

    def _fused(self, x: Tensor, looped: SparseGraph) -> Tensor:
        """One layer is one operation; the same as below to rounding."""
        (layer,) = self.convolutions
        assert isinstance(layer, _Convolution)
        return gcn_bottleneck(
            x,
            looped,
            self.down.weight,
            layer.neighbours.weight,
            self.up.weight,
            b_down=self.down.bias,
            b_gcn=layer.neighbours.bias,
            b_up=self.up.bias,
            w_self=None if layer.own is None else layer.own.weight,
            norm=self._spec.norm,
            activation=self._spec.activation,
            scale=self._spec.scale,
        )


class _Convolution(nn.Module):
    """One graph convolution at bottleneck width."""

    def __init__(self, spec: GANetSpec) -> None:
        super().__init__()
        self.neighbours = nn.Linear(spec.bottleneck, spec.bottleneck)
        self.own = nn.Linear(spec.bottleneck, spec.bottleneck, bias=False) if spec.self_message else None
        self._norm, self._activation = spec.norm, spec.activation

    def forward(self, hidden: Tensor, graph: SparseGraph) -> Tensor:
        return self.update(propagate(graph, hidden, norm=self._norm), lambda: hidden)

    def update(self, received: Tensor, hidden: Callable[[], Tensor]) -> Tensor:
        """phi(R Wg + H W0 + bg) of what nodes receive [n, r] and of their own state [n, r]."""
        message: Tensor = self.neighbours(received)
        return activate(self._activation, message if self.own is None else message + self.own(hidden()))
