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
    support: Support, queries: Nodes, sources: SparseGraph | None, class_names: Sequence[str]
) -> list[tuple[Neighbour, ...]]:
    """For each query item the support items that its nodes hear, nearest first; none where ``sources`` is ``None``."""
    found: list[dict[int, float]] = [{} for _ in range(len(queries))]
    if sources is not None:
        items = zip(_items(queries, sources.row).tolist(), _items(support.nodes, sources.col).tolist(), strict=True)
        for (item, sender), cosine in zip(items, _cosines(support, queries, sources), strict=True):
            found[item][sender] = max(cosine, found[item].get(sender, -2.0))
    labels = [class_names[target] if target >= 0 else None for target in support.targets.tolist()]
    return [_sorted(support, one, labels) for one in found]


def _cosines(support: Support, queries: Nodes, sources: SparseGraph, edges: int = 1 << 16) -> list[float]:
    """At every edge, so many at a time."""
    pairs = zip(torch.split(sources.col, edges), torch.split(sources.row, edges), strict=True)
    return [cosine for col, row in pairs for cosine in torch.cosine_similarity(support.x[col], queries.x[row]).tolist()]


def _sorted(support: Support, sources: dict[int, float], labels: Sequence[str | None]) -> tuple[Neighbour, ...]:
    near = sorted((-round(cosine, 6), support.ids[item], item) for item, cosine in sources.items())
    return tuple(Neighbour(id_, labels[item], -negative) for negative, id_, item in near)


def _items(nodes: Nodes, rows: Tensor) -> Tensor:
    return rows if nodes.layout is None else nodes.layout.owner[rows]
