"""K2: message passing over a sparse graph, Â H."""

from __future__ import annotations

from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from .sparse_graph import SparseGraph

Norm = Literal["sym", "row"] | None


def propagate(graph: SparseGraph, h: Tensor, *, norm: Norm = "sym") -> Tensor:
    """Each row's weighted sum of its senders: out_i = sum_j Â_ij h_j.

    Â_ij is w_ij / sqrt(d_i d_j) for `sym` (Kipf & Welling, arXiv 1609.02907), w_ij / d_i for `row`, w_ij for None, with
    d the row sums of w. Of a square graph that is not symmetric (see `attach`) both ends take their row sum. A node
    whose degree is 0 receives zeros, and under `sym` sends nothing. For A + I, `graph.with_self_loops()` comes first.
    Differentiable with respect to h any number of times, also in forward mode and under `torch.func`; not yet with
    respect to the weights.

    Args:
        graph: [N, M], square for `sym`.
        h: floating [M, r] on the graph's device. float16 and bfloat16 are summed in float32.
        norm: `sym`, `row` or None.

    Returns:
        [N, r], of h's dtype.

    Raises:
        ValueError: h of another shape, dtype or device; `sym` on a bipartite graph or with a negative degree.
    """
    if norm not in ("sym", "row", None):
        raise ValueError(f"norm must be 'sym', 'row' or None, got {norm!r}")
    if h.ndim != 2 or len(h) != graph.num_cols or not h.is_floating_point():
        found = f"{h.dtype} {list(h.shape)}"
        raise ValueError(f"h must be floating [{graph.num_cols}, r], a row a sender of {graph}, got {found}")
    if h.device != graph.device:
        raise ValueError(f"h is on {h.device}, the graph on {graph.device}: use graph.to(h.device)")
    if norm == "sym" and graph.num_rows != graph.num_cols:
        raise ValueError(
            f"norm='sym' needs one degree a node, {graph} has two kinds: use norm='row', or attach() first"
        )
    wide = h if h.dtype in (torch.float32, torch.float64) else h.float()
    return cast(Tensor, _Propagate.apply(wide, graph, norm, False)).to(h.dtype)  # type: ignore[no-untyped-call]


class _Propagate(torch.autograd.Function):
    """Â h, or Â' h when transposed. Linear in h, so every derivative is the same function again."""

    @staticmethod
    def forward(h: Tensor, graph: SparseGraph, norm: Norm, transposed: bool) -> Tensor:
        rowptr, col, weight = _operator(graph, norm, transposed, h.dtype)
        # embedding_bag is a fused CPU SpMM; its own backward is five times slower than this one on the transpose
        return F.embedding_bag(
            col, h.contiguous(), rowptr, mode="sum", per_sample_weights=weight, include_last_offset=True
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, SparseGraph, Norm, bool], output: Tensor) -> None:
        _, *ctx.operator = inputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        graph, norm, transposed = ctx.operator
        return _Propagate.apply(gradients[0], graph, norm, not transposed), None, None, None  # type: ignore[no-untyped-call]

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        return _Propagate.apply(tangents[0], *ctx.operator)  # type: ignore[no-untyped-call]

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], h: Tensor, *operator: Any) -> tuple[Tensor, int]:
        h = h.movedim(in_dims[0], 1)  # [M, B, r]: a batch is only more features
        out = cast(Tensor, _Propagate.apply(h.flatten(1), *operator))  # type: ignore[no-untyped-call]
        return out.reshape(len(out), *h.shape[1:]), 1


def _operator(
    graph: SparseGraph, norm: Norm, transposed: bool, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Row pointers, columns and weights of Â or its transpose; the weights are computed once a graph."""
    transposed = transposed and not (graph.symmetric and norm != "row")  # otherwise Â is its own transpose
    structure = graph.transpose() if transposed else graph
    key = (norm, transposed, dtype)
    if key not in graph._cache:
        left, right = _scales(graph, norm)
        left, right = (right, left) if transposed else (left, right)
        graph._cache[key] = _normalised(structure, left, right, dtype)
    return *structure.compact_index, graph._cache[key]


def _scales(graph: SparseGraph, norm: Norm) -> tuple[Tensor | None, Tensor | None]:
    """What Â's rows and columns are multiplied by: float64, 0 where a degree is 0."""
    if norm is None:
        return None, None
    degree = graph.degree()
    if norm == "row":
        return _inverse(degree), None
    if bool((degree < 0).any()):
        row = int((degree < 0).nonzero()[0])
        raise ValueError(f"norm='sym' needs degrees of 0 or more, row {row} has {degree[row]}: use norm='row' or None")
    return (scale := _inverse(degree.sqrt())), scale


def _inverse(x: Tensor) -> Tensor:
    return torch.where(x == 0, 0.0, 1 / x)


def _normalised(graph: SparseGraph, left: Tensor | None, right: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """diag(left) A diag(right), rounded once, at the end; None for the binary graph unscaled."""
    if left is None and right is None:
        return None if graph.weight is None else graph.weight.to(dtype)
    rows = 1.0 if left is None else left[graph.row]
    cols = 1.0 if right is None else right[graph.col]
    return (graph.edge_weight * (rows * cols)).to(dtype)  # the scales first, so that (i, j) and (j, i) stay bit-equal
