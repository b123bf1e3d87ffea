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
    for node in range(len(queries.x)) if sources is not None else ():
        assert sources is not None
        senders = sources.col[sources.rowptr[node] : sources.rowptr[node + 1]]
        cosines = torch.cosine_similarity(support.x[senders], queries.x[node][None])
        of_item = found[_item(queries, node)]
        for sender, cosine in zip(_items(support.nodes, senders).tolist(), cosines.tolist(), strict=True):
            of_item[sender] = max(cosine, of_item.get(sender, -2.0))
    return [_sorted(support, one, class_names) for one in found]


def _sorted(support: Support, sources: dict[int, float], class_names: Sequence[str]) -> tuple[Neighbour, ...]:
    targets = {item: int(support.targets[item]) for item in sources}
    labels = {item: class_names[target] if target >= 0 else None for item, target in targets.items()}
    near = [Neighbour(support.ids[item], labels[item], round(cosine, 6)) for item, cosine in sources.items()]
    return tuple(sorted(near, key=lambda one: (-one.similarity, one.id)))


def _item(nodes: Nodes, node: int) -> int:
    return node if nodes.layout is None else int(nodes.layout.owner[node])


def _items(nodes: Nodes, rows: Tensor) -> Tensor:
    return rows if nodes.layout is None else nodes.layout.owner[rows]
