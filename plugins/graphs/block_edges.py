"""Edges over image and text nodes, found block by block: image-image, text-text and across."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ...core.data.layout import IMAGE, TEXT
from ...triton_kernels import SparseGraph
from ...triton_kernels.sparse.degree_cap import Cap, cap_degree
from ...triton_kernels.sparse.sparse_graph import from_pairs
from .thresholds import BLOCKS

#: Edges of one block by its threshold: among the rows of x, or between x and y.
BlockSearch = Callable[[str, Tensor, Tensor | None], SparseGraph]
#: Edges whose cosines are computed at once.
CHUNK = 1 << 16


def edges_among(
    x: Tensor, kinds: Tensor, search: BlockSearch, max_degree: int | None = None, cap: Cap = "union"
) -> SparseGraph:
    """Symmetric graph [n, n] of nodes x [n, d] of those kinds. The cap counts a node's neighbours of both kinds."""
    image, text = ((kinds == kind).nonzero().squeeze(1) for kind in (IMAGE, TEXT))
    images, texts = search("vv", x[image], None), search("tt", x[text], None)
    across = search("vt", x[image], x[text])
    sender, receiver = _edges(across, image, text)
    blocks = [(images, _edges(images, image, image)), (texts, _edges(texts, text, text))]
    both_ways = [(across, (sender, receiver)), (across, (receiver, sender))]
    graph = _merged([*blocks, *both_ways], len(x), len(x), symmetric=True)
    return graph if max_degree is None else capped(graph, x, x, max_degree, cap)


def edges_across(
    x: Tensor, y: Tensor, x_kinds: Tensor, y_kinds: Tensor, search: BlockSearch, max_degree: int | None = None
) -> SparseGraph:
    """Bipartite graph [Q, S] of queries x [Q, d] against nodes y [S, d]."""
    blocks = []
    for kind in (IMAGE, TEXT):
        rows = (x_kinds == kind).nonzero().squeeze(1)
        for other in (IMAGE, TEXT):
            columns = (y_kinds == other).nonzero().squeeze(1)
            found = search(BLOCKS[kind + other], x[rows], y[columns])
            blocks.append((found, _edges(found, rows, columns)))
    graph = _merged(blocks, len(x), len(y))
    return graph if max_degree is None else capped(graph, x, y, max_degree, "union")


def capped(graph: SparseGraph, x: Tensor, y: Tensor, max_degree: int, cap: Cap) -> SparseGraph:
    """The ``max_degree`` edges a row of the largest cosines, weighted by them or binary as the graph was."""
    exact = graph.with_weight(cosines(x, y, graph.row, graph.col), symmetric=graph.symmetric)
    kept = cap_degree(exact, max_degree, cap, 0.0, lambda row, col: cosines(x, y, row, col))
    return kept.with_weight(None) if graph.weight is None else kept


def cosines(x: Tensor, y: Tensor, row: Tensor, col: Tensor) -> Tensor:
    """float32 [E]: the cosines of rows of x and rows of y, computed in float64 and rounded once."""
    parts = [x.new_empty(0, dtype=torch.float32)]
    for start in range(0, len(row), CHUNK):
        ends = x[row[start : start + CHUNK]], y[col[start : start + CHUNK]]
        left, right = (normalize(end.double(), dim=-1) for end in ends)
        parts.append(rounded((left * right).sum(dim=-1)))
    return torch.cat(parts)


def rounded(cosine: Tensor) -> Tensor:
    """Float64 cosines as ``similarity_graph`` has them: rounded once to float32, and zero within 1e-12 of zero."""
    return torch.where(cosine.abs() < 1e-12, 0, cosine).float()


def _edges(graph: SparseGraph, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    return rows[graph.row], columns[graph.col]


def _merged(
    blocks: list[tuple[SparseGraph, tuple[Tensor, Tensor]]], rows: int, columns: int, symmetric: bool = False
) -> SparseGraph:
    row, col = (torch.cat([edges[side] for _, edges in blocks]) for side in (0, 1))
    weights = [graph.weight for graph, _ in blocks]
    weight = None if weights[0] is None else torch.cat([one for one in weights if one is not None])
    return from_pairs(row, col, weight, rows, columns, symmetric=symmetric)
