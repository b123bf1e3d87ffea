"""Each kernel in a few lines of dense torch: what the tests and benchmarks compare with. Small inputs only."""

import torch
from torch import Tensor

from .cosines import rounded
from .degree_cap import Cap
from .propagate import Norm


def similarity_graph(
    x: Tensor,
    threshold: float,
    *,
    y: Tensor | None = None,
    max_degree: int | None = None,
    cap: Cap = "union",
    self_loops: bool = False,
) -> tuple[Tensor, Tensor]:
    """Which edges there are (bool [N, M]) and every pair's cosine (float32 [N, M]); loops have weight 1."""
    cosine = rounded(_unit(x) @ _unit(x if y is None else y).T)
    edge = cosine >= torch.tensor(threshold, dtype=torch.float32)
    if y is None:
        edge.fill_diagonal_(False)
    if max_degree is not None:
        order = torch.where(edge, cosine, -2).sort(dim=1, descending=True, stable=True).indices
        edge &= torch.zeros_like(edge).scatter_(1, order[:, :max_degree], True)
        if y is None:
            edge = edge | edge.T if cap == "union" else edge & edge.T
    if self_loops:
        edge.fill_diagonal_(True)
        cosine.fill_diagonal_(1)
    return edge, cosine


def propagate(adjacency: Tensor, h: Tensor, *, norm: Norm = "sym") -> Tensor:
    """Â h for a dense weighted adjacency [N, M] and h [M, r], in h's dtype; zeros where a degree is 0."""
    degree = adjacency.sum(1)
    if norm == "row":
        adjacency = adjacency / degree.where(degree != 0, torch.inf)[:, None]
    elif norm == "sym":
        root = degree.where(degree != 0, torch.inf).sqrt()
        adjacency = adjacency / (root[:, None] * root[None, :])
    return adjacency @ h


def _unit(x: Tensor) -> Tensor:
    x = x.double()
    norm: Tensor = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    return x / norm.where(norm > 0, 1)
