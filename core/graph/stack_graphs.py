"""Graphs put together: queries upon a support, copies side by side, rows taken out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch

from ...triton_kernels import SparseGraph, attach
from ...triton_kernels.sparse.sparse_graph import from_pairs


def stacked(
    support: SparseGraph, sources: SparseGraph, inner: SparseGraph | None, both_ways: bool = False
) -> SparseGraph:
    """One graph [S + Q, S + Q]: the support's [S, S], what queries hear of it [Q, S], edges among queries [Q, Q].

    With ``both_ways`` the support hears the queries that hear it, too.
    """
    if inner is None and not both_ways:
        return attach(support, sources)
    first = support.num_nodes
    blocks = [(support, 0, 0), (sources, first, 0)] + ([(inner, first, first)] if inner is not None else [])
    row = [graph.row + down for graph, down, _ in blocks]
    col = [graph.col + right for graph, _, right in blocks]
    weight = [graph.edge_weight for graph, _, _ in blocks]
    if both_ways:
        row, col, weight = [*row, sources.col], [*col, sources.row + first], [*weight, sources.edge_weight]
    binary = all(graph.weight is None for graph, _, _ in blocks)
    size = first + sources.num_rows
    return from_pairs(torch.cat(row), torch.cat(col), None if binary else torch.cat(weight), size, size)


def side_by_side(graphs: Sequence[SparseGraph]) -> SparseGraph:
    """Square graphs as one without an edge between them."""
    firsts = [0, *accumulate(graph.num_nodes for graph in graphs)]
    edges = [0, *accumulate(graph.num_edges for graph in graphs)]
    rowptr = torch.cat(
        [graphs[0].rowptr[:1], *(graph.rowptr[1:] + at for graph, at in zip(graphs, edges, strict=False))]
    )
    col = torch.cat([graph.col + first for graph, first in zip(graphs, firsts, strict=False)])
    weights = [graph.weight for graph in graphs if graph.weight is not None]
    return SparseGraph(rowptr, col, torch.cat(weights) if weights else None, firsts[-1], firsts[-1])


def rows_of(graph: SparseGraph, start: int, stop: int, left: int, right: int) -> SparseGraph:
    """Rows ``start`` to ``stop`` of a graph; all their senders lie from ``left`` to ``right``, and count from there."""
    edges = slice(int(graph.rowptr[start]), int(graph.rowptr[stop]))
    weight = None if graph.weight is None else graph.weight[edges]
    rowptr = graph.rowptr[start : stop + 1] - graph.rowptr[start]
    return SparseGraph(rowptr, graph.col[edges] - left, weight, stop - start, right - left)
