"""Which support items a prediction heard."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ...triton_kernels import SparseGraph
from ..data.prediction import Neighbour
from .nodes import Nodes
from .support import Support


def neighbours_of(
    support: Support,
    queries: Nodes,
    sources: SparseGraph | None,
    class_names: Sequence[str],
    most: int | None = None,
) -> list[tuple[Neighbour, ...]]:
    """For each query item the support items that its nodes hear, nearest first; none where ``sources`` is ``None``.

    ``most``: so many of the nearest, at most.
    """
    found: list[list[Neighbour]] = [[] for _ in range(len(queries))]
    if sources is not None:
        labels = [class_names[target] if target >= 0 else None for target in support.targets.tolist()]
        items, senders, cosines = _nearest(support, queries, sources, most)
        for item, sender, cosine in zip(items.tolist(), senders.tolist(), cosines.tolist(), strict=True):
            found[item].append(Neighbour(support.ids[sender], labels[sender], round(cosine, DIGITS)))
    return [tuple(one) for one in found]


#: Digits of a cosine that are told; of equal ones the first id comes first.
DIGITS = 6
#: Query nodes whose cosines with all support nodes are held at a time.
ROWS = 256


def _nearest(support: Support, queries: Nodes, sources: SparseGraph, most: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """Query items, support items and their cosines, by query item, nearest first; a pair of items once."""
    count, rows, cols = len(support.ids), sources.row, sources.col
    if most is not None and queries.layout is None:
        rows, cols = _candidates(support, queries, sources, most)
    pairs = _items(queries, rows) * count + _items(support.nodes, cols)
    pairs, edges = torch.unique(pairs, return_inverse=True)
    cosines = torch.full((len(pairs),), -2.0, device=pairs.device)
    cosines = cosines.scatter_reduce(0, edges, _cosines(support, queries, rows, cols), "amax")
    items, senders = pairs.div(count, rounding_mode="floor"), pairs % count
    by_id = torch.tensor(sorted(range(count), key=support.ids.__getitem__), device=pairs.device)
    order = torch.empty_like(by_id).scatter_(0, by_id, torch.arange(count, device=pairs.device))[senders].argsort()
    for key in (-cosines.double().round(decimals=DIGITS), items):
        order = order[key[order].argsort(stable=True)]
    items, senders, cosines = items[order], senders[order], cosines[order]
    if most is not None:
        first = torch.searchsorted(items, torch.arange(len(queries), device=items.device))
        near = torch.arange(len(items), device=items.device) - first[items] < most
        items, senders, cosines = items[near], senders[near], cosines[near]
    return items, senders, cosines


def _candidates(support: Support, queries: Nodes, sources: SparseGraph, most: int) -> tuple[Tensor, Tensor]:
    """Rows and columns of the edges that may be among the nearest of their row: those few are measured to the digit."""
    x, q = (normalize(one, dim=-1) for one in (support.x, queries.x))
    kept = []
    for start in range(0, len(q), ROWS):
        edges = slice(*(int(sources.rowptr[at]) for at in (start, min(start + ROWS, len(q)))))
        row, col = sources.row[edges] - start, sources.col[edges]
        cosines = q[start : start + ROWS] @ x.T
        heard = torch.full_like(cosines, -2.0)
        heard[row, col] = near = cosines[row, col]
        least = heard.topk(min(most, heard.shape[1]), dim=-1).values[:, -1]
        kept.append(edges.start + (near >= least[row] - 10.0**-DIGITS * 2).nonzero().squeeze(1))
    chosen = torch.cat(kept)
    return sources.row[chosen], sources.col[chosen]


def _cosines(support: Support, queries: Nodes, rows: Tensor, cols: Tensor, edges: int = 1 << 16) -> Tensor:
    """At every edge, so many at a time."""
    pairs = zip(torch.split(cols, edges), torch.split(rows, edges), strict=True)
    return torch.cat([torch.cosine_similarity(support.x[col], queries.x[row]) for col, row in pairs])


def _items(nodes: Nodes, rows: Tensor) -> Tensor:
    return rows if nodes.layout is None else nodes.layout.owner[rows]
