"""Each kernel in a few lines of dense torch: what the tests and benchmarks compare with. Small inputs only."""

import torch
from torch import Tensor
from torch.nn import functional

from .bottleneck.activations import Activation, activate
from .message_passing.normalise import Norm
from .similarity.cosines import rounded
from .sparse.degree_cap import Cap


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
    exact = _unit(x) @ _unit(x if y is None else y).T
    cosine = rounded(exact.detach()) + (exact - exact.detach()).float()  # rounding has no derivative, the cosine has
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
    some = degree != 0
    degree = degree.where(some, 1)
    if norm == "row":
        adjacency = adjacency / degree[:, None] * some[:, None]
    elif norm == "sym":
        root = degree.sqrt()
        adjacency = adjacency / (root[:, None] * root[None, :]) * (some[:, None] & some[None, :])
    return adjacency @ h


def gcn_bottleneck(
    x: Tensor,
    adjacency: Tensor,
    w_down: Tensor,
    w_gcn: Tensor,
    w_up: Tensor,
    *,
    b_down: Tensor | None = None,
    b_gcn: Tensor | None = None,
    b_up: Tensor | None = None,
    w_self: Tensor | None = None,
    norm: Norm = "sym",
    activation: Activation = "gelu",
    scale: float = 1.0,
) -> Tensor:
    """X + a (phi(Â H Wg' + H W0' + bg) Wu' + bu) with H = X Wd' + bd, for a dense adjacency [N, N]."""
    hidden = functional.linear(x, w_down, b_down)
    state = functional.linear(propagate(adjacency, hidden, norm=norm), w_gcn, b_gcn)
    if w_self is not None:
        state = state + functional.linear(hidden, w_self)
    return x + scale * functional.linear(activate(activation, state), w_up, b_up)


def _unit(x: Tensor) -> Tensor:
    x = x.double()
    norm: Tensor = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    return x / norm.where(norm > 0, torch.inf)  # a zero row stays zero and gets no gradient
