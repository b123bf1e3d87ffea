"""Edges within each item alone: the small graph of an item's patches and words, or between its image and its text."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ...core.data.layout import Layout
from ...core.roles import GraphError
from ...triton_kernels import SparseGraph
from ...triton_kernels.sparse.sparse_graph import from_pairs
from .block_edges import capped, rounded
from .specs import SimilaritySpec
from .thresholds import BLOCKS, AverageDegree, Blocks, Quantile, numbers

#: Cosines that are held at once.
CHUNK = 1 << 22


def edges_within_items(x: Tensor, layout: Layout, spec: SimilaritySpec) -> SparseGraph:
    """Symmetric graph [n, n] in blocks: cos >= tau between two nodes of one item. ``spec`` holds settled thresholds."""
    each = list(numbers(spec.threshold).values())
    if spec.weight != "binary" and min(each) < 0:
        raise GraphError(
            f"graph: weight `{spec.weight}` needs thresholds of at least 0, got {min(each)}; take `binary`"
        )
    taus = torch.tensor(each, dtype=torch.float32, device=x.device)
    none = torch.zeros(0, dtype=torch.int64, device=x.device)
    found = [(none, none, x.new_empty(0))]
    for row, col, block, cosine in _pairs(x, layout):
        near = cosine >= taus[block]
        found.append((row[near], col[near], cosine[near]))
    row, col, cosine = (torch.cat(parts) for parts in zip(*found, strict=True))
    weight = None if spec.weight == "binary" else cosine
    graph = from_pairs(row, col, weight, len(x), len(x), symmetric=True)
    return graph if spec.max_degree is None else capped(graph, x, x, spec.max_degree, spec.cap)


def resolved_within_items(
    x: Tensor, layout: Layout, threshold: float | Quantile | AverageDegree | Blocks
) -> float | Blocks:
    """The thresholds as numbers: of all pairs of nodes within one item, over all items."""
    pairs = [(x.new_empty(0), x.new_empty(0)), *((block, cosine) for _, _, block, cosine in _pairs(x, layout))]
    block, cosine = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    if not isinstance(threshold, Blocks):
        return _settled(cosine, threshold, len(x))
    counts = [int((layout.kinds == kind).sum()) for kind in (0, 1)]
    nodes = {"vv": counts[0], "vt": 2 * counts[0], "tt": counts[1]}  # both directions of an edge across are stored
    each = threshold.each()
    return Blocks(
        **{name: _settled(cosine[block == code], each[name], nodes[name]) for code, name in enumerate(BLOCKS)}
    )


def _settled(cosine: Tensor, threshold: float | Quantile | AverageDegree, nodes: int) -> float:
    """As ``similarity_graph`` counts: so many directed edges as asked for, all of equal cosines."""
    if isinstance(threshold, float | int):
        return threshold
    pairs = len(cosine)
    share = (
        threshold.average_degree * nodes if isinstance(threshold, AverageDegree) else (1 - threshold.quantile) * pairs
    )
    wanted = min(round(share), pairs)
    return 1.0 if wanted == 0 else float(cosine.kthvalue(pairs - wanted + 1).values)


def _pairs(x: Tensor, layout: Layout) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Row, column, block and cosine of both directions of every pair within an item, some items at a time.

    Cosines are computed in float64 and rounded once, as ``similarity_graph``'s are.
    """
    lengths = layout.offsets.diff()
    longest = int(lengths.max()) if len(lengths) else 0
    items = max(1, CHUNK // max(1, longest * longest))
    for start in range(0, len(lengths), items):
        some = lengths[start : start + items]
        place = torch.arange(longest, device=x.device)
        real = place < some[:, None]  # [I, T]
        node = (layout.offsets[start : start + len(some), None] + place).clamp(max=max(len(x) - 1, 0))
        vectors = normalize(x[node].double(), dim=-1)
        pair = real[:, :, None] & real[:, None, :] & (place[:, None] != place)
        item, left, right = pair.nonzero().unbind(1)
        row, col = node[item, left], node[item, right]
        yield row, col, layout.kinds[row] + layout.kinds[col], rounded((vectors @ vectors.mT)[item, left, right])
