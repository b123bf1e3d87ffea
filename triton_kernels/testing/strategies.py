"""Hypothesis strategies for what the kernels take: small, public, composable."""

from __future__ import annotations

import math

import torch
from hypothesis import strategies as st
from torch import Tensor

from .. import reference
from ..sparse.sparse_graph import SparseGraph
from .layouts import LAYOUTS, relaid

KINDS = ("integers", "signs", "gaussian", "crowded", "duplicates", "zeros")
"""Rows of small integers (zero vectors, parallel rows and ties are common); of -1 and 1 (every cosine is a multiple of
2 / features); normally distributed; close to one direction, so that every cosine is close to every threshold; each row
several times; all zero."""
WIDTHS = (1, 2, 3, 4, 7, 16)


@st.composite
def embeddings(
    draw: st.DrawFn,
    min_rows: int = 0,
    max_rows: int = 17,
    width: int | None = None,
    dtypes: tuple[torch.dtype, ...] = (torch.float32, torch.float64),
    kinds: tuple[str, ...] = KINDS,
    scales: tuple[float, ...] = (1.0, 1e-3, 1e3),
) -> Tensor:
    """Floating [rows, features], from no row up, of any of the `kinds` and `LAYOUTS`, times a scale; all finite."""
    rows = draw(st.integers(min_rows, max_rows))
    features = width or draw(st.sampled_from(WIDTHS))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    x = _rows_of_kind(draw(st.sampled_from(kinds)), rows, features, generator)
    x = x.to(draw(st.sampled_from(dtypes))) * draw(st.sampled_from(scales))
    return relaid(x, draw(st.sampled_from(LAYOUTS[:-1])))


def _rows_of_kind(kind: str, rows: int, features: int, generator: torch.Generator) -> Tensor:
    if kind == "zeros":
        return torch.zeros(rows, features, dtype=torch.float64)
    if kind == "integers":
        return torch.randint(-2, 3, (rows, features), generator=generator).double()
    if kind == "signs":
        return torch.randint(0, 2, (rows, features), generator=generator).double() * 2 - 1
    x = torch.randn(rows, features, generator=generator, dtype=torch.float64)
    if kind == "crowded":
        return torch.randn(features, generator=generator, dtype=torch.float64) + 0.1 * x
    return x if kind == "gaussian" else x[torch.randint(0, max(rows // 2, 1), (rows,), generator=generator)]


@st.composite
def non_finite_embeddings(draw: st.DrawFn, min_rows: int = 1, max_rows: int = 17, width: int | None = None) -> Tensor:
    """`embeddings` in which at least one row has a NaN or an infinity."""
    x = draw(embeddings(max(min_rows, 1), max_rows, width))
    bad = draw(st.sets(st.integers(0, len(x) - 1), min_size=1))
    for row in bad:
        x[row, draw(st.integers(0, x.shape[1] - 1))] = draw(st.sampled_from((math.nan, math.inf, -math.inf)))
    return x


@st.composite
def thresholds(draw: st.DrawFn, x: Tensor, y: Tensor | None = None, least: float = 0.0) -> float:
    """Cosines to cut at, from `least` to 1: mostly one that occurs between rows of x (and y), so that ties at the
    threshold are the rule, or one that is a hair above or below it."""
    _, cosine = reference.similarity_graph(x, -1.0, y=y)
    occurring = cosine[(cosine >= least) & (cosine <= 1)]
    if len(occurring) and draw(st.integers(0, 3)):
        tau = occurring[draw(st.integers(0, len(occurring) - 1))]
        side = draw(st.sampled_from((0.0, 0.0, -2.0, 2.0)))
        return float((tau if side == 0 else tau.nextafter(torch.tensor(side))).clamp(least, 1))
    return draw(st.sampled_from([tau for tau in (-1.0, -0.5, 0.0, 0.1, 0.5, 0.7, 1.0) if tau >= least]))


@st.composite
def sparse_graphs(
    draw: st.DrawFn,
    min_nodes: int = 0,
    max_nodes: int = 9,
    square: bool = True,
    symmetric: bool | None = None,
    weighted: bool | None = None,
    num_cols: int | None = None,
    density: tuple[float, ...] = (0.0, 0.1, 0.5, 1.0),
) -> SparseGraph:
    """Graphs from no edges to all edges, with isolated nodes and self-loops; weights are positive. None: drawn."""
    rows = draw(st.integers(min_nodes, max_nodes))
    cols = rows if square else draw(st.integers(min_nodes, max_nodes)) if num_cols is None else num_cols
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    dense = (torch.rand(rows, cols, generator=generator) < draw(st.sampled_from(density))) * (
        torch.rand(rows, cols, generator=generator) * 0.9 + 0.1
    )
    if draw(st.booleans()) if symmetric is None and square else symmetric:
        dense = dense.triu() + dense.triu(1).T
    return _graph_of(dense, draw(st.booleans()) if weighted is None else weighted)


@st.composite
def heavy_graphs(draw: st.DrawFn, edges: int = 512, weighted: bool | None = None) -> SparseGraph:
    """A few rows over many columns, some with as many edges as `edges`, one more or less, twice or three times that:
    where kernels that split heavy rows into segments of `edges` go wrong."""
    counts = [0, 1, edges - 1, edges, edges + 1, 2 * edges, 2 * edges + 1, 3 * edges - 1]
    degrees = draw(st.lists(st.sampled_from(counts), min_size=1, max_size=4))
    cols = max(1, *degrees) + draw(st.integers(0, 2))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    dense = torch.zeros(len(degrees), cols)
    for row, degree in enumerate(degrees):
        col = torch.randperm(cols, generator=generator)[:degree]
        dense[row, col] = torch.rand(degree, generator=generator) * 0.9 + 0.1
    return _graph_of(dense, draw(st.booleans()) if weighted is None else weighted)


def _graph_of(dense: Tensor, weighted: bool) -> SparseGraph:
    row, col = dense.nonzero(as_tuple=True)
    (rows, cols), weight = dense.shape, dense[row, col] if weighted else None
    return SparseGraph.from_edge_index(torch.stack((col, row)), weight, num_rows=rows, num_cols=cols)
