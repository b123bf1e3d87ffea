"""Neighbours mixed in at full width: by itself an adapter that trains nothing, and the start of GA-Net's."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import normalize

from ...core.roles import Adapter
from ...triton_kernels import SparseGraph, propagate
from .specs import DiffusionSpec


class Diffusion(Adapter):
    """H(k) = unit((1 - a_i) M + a_i A H(k-1)), H(0) = M, where A is the row-normalised adjacency without loops.

    a_i is ``share``, and 0 for a node without neighbours. Source: Gasteiger et al. 2019 (arXiv 1810.05997), eq. 4,
    personalised propagation with 1 - a as its restart, of vectors instead of predictions; the unit length is ours.
    """

    def __init__(self, spec: DiffusionSpec, width: int) -> None:
        super().__init__()
        self.output_width = width
        self._spec = spec

    def forward(self, x: Tensor, graph: SparseGraph | None = None) -> Tensor:
        """Mixed vectors [N, width] over ``graph`` [N, N] without self-loops."""
        if graph is None:
            raise ValueError("diffusion passes messages: give it a graph over the nodes")
        return mixed(x, graph, self._spec.share, self._spec.steps)

    def aggregate(self, x: Tensor, graph: SparseGraph) -> tuple[Tensor, ...]:
        """All of it: nothing trains."""
        return (self(x, graph),)

    def forward_aggregated(self, *aggregated: Tensor) -> Tensor:
        """As it is."""
        return aggregated[0]

    def neighbour_shares(self, graph: SparseGraph) -> dict[str, Tensor]:
        """Of each step."""
        return {"skip": mixed_share(graph, self._spec.share)}


def mixed(x: Tensor, graph: SparseGraph, share: float, steps: int = 1) -> Tensor:
    """unit((1 - a_i) x_i + a_i sum_j A_ij h_j) [N, d] with h = x [N, d], or what the step before gave.

    A is row-normalised over neighbours alone; a_i is ``share``, and 0 for a node that hears nobody.
    """
    heard = mixed_share(graph, share).to(x.dtype)[:, None]
    h = x
    for _ in range(steps):
        h = normalize((1 - heard) * x + heard * propagate(graph, h, norm="row"), dim=-1)
    return h


def mixed_share(graph: SparseGraph, share: float) -> Tensor:
    """float64 [N]: a_i, the weight that neighbours have in ``mixed``."""
    return (graph.degree() > 0).double() * share
