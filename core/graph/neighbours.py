"""Which support items a prediction heard."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

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


def _nearest(support: Support, queries: Nodes, sources: SparseGraph, most: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """Query items, support items and their cosines, by query item, nearest first; a pair of items once."""
    count = len(support.ids)
    pairs = _items(queries, sources.row) * count + _items(support.nodes, sources.col)
    pairs, edges = torch.unique(pairs, return_inverse=True)
    cosines = torch.full((len(pairs),), -2.0, device=pairs.device)
    cosines = cosines.scatter_reduce(0, edges, _cosines(support, queries, sources), "amax")
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


def _cosines(support: Support, queries: Nodes, sources: SparseGraph, edges: int = 1 << 16) -> Tensor:
    """At every edge, so many at a time."""
    pairs = zip(torch.split(sources.col, edges), torch.split(sources.row, edges), strict=True)
    return torch.cat([torch.cosine_similarity(support.x[col], queries.x[row]) for col, row in pairs])


def _items(nodes: Nodes, rows: Tensor) -> Tensor:
    return rows if nodes.layout is None else nodes.layout.owner[rows]
