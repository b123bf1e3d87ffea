"""Inductive prediction: new nodes join a graph without changing it."""

import torch

from .sparse_graph import SparseGraph


def attach(support: SparseGraph, queries: SparseGraph) -> SparseGraph:
    """Stack a support graph [S, S] and its queries' edges [Q, S] into one graph [S + Q, S + Q].

    Support rows keep their support columns alone and a query's row has only its own: no message leaves a query, and
    as degrees are row sums the support's stay frozen. So a query's result never depends on the other queries.
    If one of the two is weighted, so is the result. Call `with_self_loops` on the result for A + I. Ours.

    Raises:
        ValueError: a support graph that is not square, or queries over another number of support nodes.
    """
    if queries.num_cols != support.num_nodes:
        expected = f"{support.num_nodes} columns, one a support node"
        raise ValueError(f"queries must have {expected}, got {queries}: use similarity_graph(queries, y=support)")
    rowptr = torch.cat((support.rowptr, queries.rowptr[1:] + support.num_edges))
    col = torch.cat((support.col, queries.col))
    binary = support.weight is None and queries.weight is None
    weight = None if binary else torch.cat((support.edge_weight, queries.edge_weight))
    total = support.num_nodes + queries.num_rows
    return SparseGraph(rowptr, col, weight, total, total)
