"""K2: message passing over a sparse graph, Â H."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from ..sparse.sparse_graph import SparseGraph
from . import library
from .normalise import Norm, Operator, learned_values, operator
from .spmm import spmm

WIDE = (torch.float32, torch.float64)


def propagate(graph: SparseGraph, h: Tensor, *, norm: Norm = "sym", edge_weight: Tensor | None = None) -> Tensor:
    """Each row's weighted sum of its senders: out_i = sum_j Â_ij h_j.

    Â_ij is w_ij / sqrt(d_i d_j) for `sym` (Kipf & Welling, arXiv 1609.02907), w_ij / d_i for `row`, w_ij for None, with
    d the row sums of w. Of a square graph that is not symmetric (see `attach`) both ends take their row sum. A node
    whose degree is 0 receives zeros, and under `sym` sends nothing. For A + I, `graph.with_self_loops()` comes first.
    Differentiable with respect to h any number of times, also in forward mode and under `torch.func`; and with respect
    to the weights, through the degrees too, where the graph's require a gradient or `edge_weight` is given. Without
    that the normalised weights are computed once a graph and kept.

    Args:
        graph: [N, M], square for `sym`.
        h: floating [M, r] on the graph's device. float16 and bfloat16 are summed in float32.
        norm: `sym`, `row` or None.
        edge_weight: floating [E], in place of the graph's weights, in the order of its edges.

    Returns:
        [N, r], of h's dtype.

    Raises:
        ValueError: h or edge_weight of another shape, dtype or device; `sym` on a bipartite graph or with a negative
            degree (compiled, that gives NaN).
    """
    _check(graph, h, norm, edge_weight)
    if edge_weight is None and graph.weight is not None and graph.weight.requires_grad:
        edge_weight = graph.weight
    if edge_weight is not None:
        wide = h if h.dtype in WIDE else h.float()
        return spmm(graph.structure, learned_values(graph, edge_weight, norm).to(wide.dtype), wide).to(h.dtype)
    if torch.compiler.is_compiling():
        ahead, back = (operator(graph, norm, transposed, _sums(h)) for transposed in (False, True))
        return library.message_pass(ahead, back, h.contiguous())
    return message_pass(graph, h, norm)


def message_pass(graph: SparseGraph, h: Tensor, norm: Norm, *, transposed: bool = False) -> Tensor:
    """Â h or Â' h with the graph's fixed weights, unchecked."""
    return cast(Tensor, library.applied(_Propagate, h, graph, norm, transposed))


def _sums(h: Tensor) -> torch.dtype:
    """What messages are summed in, and the values are of."""
    return h.dtype if h.dtype in WIDE else torch.float32


class _Propagate(torch.autograd.Function):
    """Â h, or Â' h when transposed. Linear in h, so every derivative is the same function again."""

    @staticmethod
    def forward(h: Tensor, graph: SparseGraph, norm: Norm, transposed: bool) -> Tensor:
        fixed: Operator = operator(graph, norm, transposed, _sums(h))
        return library.spmm(*fixed, h.contiguous())

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, SparseGraph, Norm, bool], output: Tensor) -> None:
        _, *ctx.operator = inputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        graph, norm, transposed = ctx.operator
        return library.applied(_Propagate, gradients[0], graph, norm, not transposed), None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        return library.applied(_Propagate, tangents[0], *ctx.operator)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], h: Tensor, *fixed: Any) -> tuple[Tensor, int]:
        h = h.movedim(in_dims[0], 1)  # [M, B, r]: a batch is only more features
        out = cast(Tensor, library.applied(_Propagate, h.flatten(1), *fixed))
        return out.reshape(len(out), *h.shape[1:]), 1


def _check(graph: SparseGraph, h: Tensor, norm: Norm, edge_weight: Tensor | None) -> None:
    if norm not in ("sym", "row", None):
        raise ValueError(f"norm must be 'sym', 'row' or None, got {norm!r}")
    if h.ndim != 2 or len(h) != graph.num_cols or not h.is_floating_point():
        found = f"{h.dtype} {list(h.shape)}"
        raise ValueError(f"h must be floating [{graph.num_cols}, r], a row a sender of {graph}, got {found}")
    if edge_weight is not None and (edge_weight.shape != graph.col.shape or not edge_weight.is_floating_point()):
        found = f"{edge_weight.dtype} {list(edge_weight.shape)}"
        raise ValueError(f"edge_weight must be floating [{graph.num_edges}], one an edge of {graph}, got {found}")
    for name, tensor in (("h", h), ("edge_weight", edge_weight)):
        if tensor is not None and tensor.device != graph.device:
            raise ValueError(f"{name} is on {tensor.device}, the graph on {graph.device}: use graph.to({name}.device)")
    if norm == "sym" and graph.num_rows != graph.num_cols:
        raise ValueError(
            f"norm='sym' needs one degree a node, {graph} has two kinds: use norm='row', or attach() first"
        )
