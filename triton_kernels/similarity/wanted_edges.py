"""Thresholds named by what they should give: a quantile of all cosines, or an average degree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace

import torch
from torch import Tensor

from ..sparse.csr import rowptr_of
from ..sparse.sparse_graph import Search, SparseGraph
from .screens import sample_rows
from .vectors import Vectors

Threshold = float | Mapping[str, float]
SURPLUS = 1.4
"""How many more edges than asked for are looked for at first, so that the sample's error seldom costs a second
search."""


def wanted_edges(threshold: Mapping[str, float], vectors: Vectors) -> int:
    """How many edges (both directions of a symmetric graph) the request means for these vectors."""
    ((kind, value),) = threshold.items()
    if kind == "quantile":
        return round((1 - value) * vectors.pairs)
    return min(round(value * len(vectors.x)), vectors.pairs)


def check_request(threshold: Mapping[str, float]) -> None:
    """Raise ValueError unless it is {"quantile": 0 to 1} or {"average_degree": 0 or more}."""
    shapes = 'threshold is a number, {"quantile": q} or {"average_degree": k}'
    if len(threshold) != 1 or not threshold.keys() <= {"quantile", "average_degree"}:
        raise ValueError(f"{shapes}, got {dict(threshold)}")
    ((kind, value),) = threshold.items()
    if not 0 <= value <= (1 if kind == "quantile" else torch.inf):
        raise ValueError(f"{shapes} with q from 0 to 1 and k from 0 up, got {dict(threshold)}")


def graph_with_edges(
    vectors: Vectors, wanted: int, search: Callable[[float], SparseGraph], pool: Executor
) -> SparseGraph:
    """The graph at the highest threshold that gives at least `wanted` edges; equal cosines come together or not at all.

    A sample places a first threshold a little low; of the edges found there, the wanted-th largest cosine is tau.
    Nothing is searched twice unless the sample was off.
    """
    if wanted == 0:
        return _nothing(vectors)
    aim = SURPLUS * wanted
    while True:
        low = _sampled_threshold(vectors, aim / vectors.pairs)
        graph = search(low)
        if graph.num_edges >= wanted or low <= -1:
            return _largest(graph, wanted, vectors, pool)
        aim = 2 * max(aim, 1.0)


def _largest(graph: SparseGraph, wanted: int, vectors: Vectors, pool: Executor) -> SparseGraph:
    """The edges whose exact cosine reaches the wanted-th largest."""
    weight = graph.edge_weight.clone()
    place = max(1, len(weight) - wanted + 1)
    close = (weight - weight.kthvalue(place).values).abs() <= 2 * vectors.error  # these a float32 product may misplace
    edges = (close & (graph.row < graph.col) if graph.symmetric else close).nonzero().squeeze(1)
    weight[edges] = vectors.exact(pool, graph.row[edges], graph.col[edges])
    if graph.symmetric:
        mirror = graph.structure.order
        weight[mirror[edges]] = weight[edges]
    tau = weight.kthvalue(place).values
    keep = weight >= tau
    assert graph.search is not None
    return replace(
        graph,
        rowptr=rowptr_of(graph.row[keep], graph.num_rows),
        col=graph.col[keep],
        weight=weight[keep],
        search=replace(graph.search, threshold=float(tau)),
    )


def _sampled_threshold(vectors: Vectors, share: float) -> float:
    """The cosine that about this share of the pairs reaches, a little low; -1 where all of them do."""
    left = vectors.unit_x[sample_rows(vectors.unit_x, 512)]
    right = vectors.unit_y[sample_rows(vectors.unit_y, 8192)]
    cosine: Tensor = (left @ right.T).flatten()
    loops = len(left) if vectors.symmetric else 0  # pairs of a row with itself are the largest of all
    rank = round(share * (len(cosine) - loops)) + loops
    if rank >= len(cosine):
        return -1.0
    return max(-1.0, float(cosine.topk(max(rank, 1) + 1).values[-1]) - vectors.error)


def _nothing(vectors: Vectors) -> SparseGraph:
    n, m = len(vectors.x), len(vectors.y)
    none = torch.zeros(0, dtype=torch.int64, device=vectors.x.device)
    rowptr = none.new_zeros(n + 1)
    search = Search(1.0, "none")
    return SparseGraph(
        rowptr, none, vectors.x.new_empty(0, dtype=torch.float32), n, m, symmetric=vectors.symmetric, search=search
    )
