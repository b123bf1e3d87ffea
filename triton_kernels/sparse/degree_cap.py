"""Keep the k largest edges of every row."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from .csr import rowptr_of
from .sparse_graph import SparseGraph

Cap = Literal["union", "mutual"]


def cap_degree(
    graph: SparseGraph, k: int, cap: Cap, error: float, exact: Callable[[Tensor, Tensor], Tensor]
) -> SparseGraph:
    """The k largest edges a row, ties to the lower column; of a symmetric graph the union or the mutual ones.

    The graph's weights may be off by `error`: those close to a row's k-th largest are replaced by `exact(row, col)`
    first, so the choice is the exact one.
    """
    reverse = graph.col.argsort(stable=True) if graph.symmetric else None  # where an edge's mirror image is stored
    weight = graph.edge_weight.clone()
    near = _close_to_kth(graph, weight, k, 2 * error)
    if reverse is not None:
        near = (near | near[reverse]) & (graph.row < graph.col)
    edges = near.nonzero().squeeze(1)
    weight[edges] = exact(graph.row[edges], graph.col[edges])
    if reverse is not None:
        weight[reverse[edges]] = weight[edges]
    keep = _rank(graph, weight) < k
    if reverse is not None:
        keep = keep | keep[reverse] if cap == "union" else keep & keep[reverse]
    rowptr = rowptr_of(graph.row[keep], graph.num_rows)
    return replace(graph, rowptr=rowptr, col=graph.col[keep], weight=weight[keep])


def _rank(graph: SparseGraph, weight: Tensor) -> Tensor:
    """int64 [E]: an edge's place in its row, the largest first; columns ascend, so a stable sort settles ties."""
    order = weight.argsort(descending=True, stable=True)
    order = order[graph.row[order].argsort(stable=True)]
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device) - graph.rowptr[graph.row]
    return rank


def _close_to_kth(graph: SparseGraph, weight: Tensor, k: int, distance: float) -> Tensor:
    """bool [E]: the edges whose place inside or outside the k largest a small error could change."""
    last = _rank(graph, weight) == k - 1
    kth = weight.new_full((graph.num_rows,), float("nan"))  # rows with fewer than k edges: nothing to decide
    kth[graph.row[last]] = weight[last]
    return (weight - kth[graph.row]).abs() <= distance
