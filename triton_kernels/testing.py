"""Hypothesis strategies for what the kernels take: small, public, composable."""

import torch
from hypothesis import strategies as st
from torch import Tensor

from .sparse_graph import SparseGraph

KINDS = ("integers", "signs", "gaussian", "duplicates")


@st.composite
def embeddings(
    draw: st.DrawFn,
    min_rows: int = 0,
    max_rows: int = 17,
    width: int | None = None,
    dtypes: tuple[torch.dtype, ...] = (torch.float32, torch.float64),
) -> Tensor:
    """Floating [rows, features]: generic rows, rows with zeros and ties, duplicates; some not contiguous."""
    rows = draw(st.integers(min_rows, max_rows))
    features = width or draw(st.sampled_from((1, 2, 3, 4, 7, 16)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    x = _rows_of_kind(draw(st.sampled_from(KINDS)), rows, features, generator)
    x = x.to(draw(st.sampled_from(dtypes))) * draw(st.sampled_from((1.0, 1e-3, 1e3)))
    return _relaid(x, draw(st.sampled_from(("plain", "transposed", "strided", "offset"))))


def _rows_of_kind(kind: str, rows: int, features: int, generator: torch.Generator) -> Tensor:
    if kind == "integers":  # zero vectors, parallel rows and exact ties are common
        return torch.randint(-2, 3, (rows, features), generator=generator).double()
    if kind == "signs":  # every cosine is a multiple of 2 / features
        return torch.randint(0, 2, (rows, features), generator=generator).double() * 2 - 1
    x = torch.randn(rows, features, generator=generator, dtype=torch.float64)
    return x if kind == "gaussian" else x[torch.randint(0, max(rows // 2, 1), (rows,), generator=generator)]


def _relaid(x: Tensor, layout: str) -> Tensor:
    if layout == "transposed":
        return x.T.contiguous().T
    if layout == "strided":
        return x.repeat_interleave(2, dim=1)[:, ::2]
    return torch.cat((x[:1], x))[1:] if layout == "offset" and len(x) else x


@st.composite
def sparse_graphs(
    draw: st.DrawFn,
    min_nodes: int = 0,
    max_nodes: int = 9,
    square: bool = True,
    symmetric: bool | None = None,
    weighted: bool | None = None,
    num_cols: int | None = None,
) -> SparseGraph:
    """Graphs from empty to full, with isolated nodes and self-loops; weights are positive. None: drawn."""
    rows = draw(st.integers(min_nodes, max_nodes))
    cols = rows if square else draw(st.integers(min_nodes, max_nodes)) if num_cols is None else num_cols
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    density = draw(st.sampled_from((0.0, 0.1, 0.5, 1.0)))
    dense = (torch.rand(rows, cols, generator=generator) < density) * (
        torch.rand(rows, cols, generator=generator) * 0.9 + 0.1
    )
    if draw(st.booleans()) if symmetric is None and square else symmetric:
        dense = dense.triu() + dense.triu(1).T
    row, col = dense.nonzero(as_tuple=True)
    weight = dense[row, col] if (draw(st.booleans()) if weighted is None else weighted) else None
    return SparseGraph.from_edge_index(torch.stack((col, row)), weight, num_rows=rows, num_cols=cols)


def dense_adjacency(graph: SparseGraph, dtype: torch.dtype = torch.float64) -> Tensor:
    """The graph's weights as a dense [rows, columns] matrix."""
    dense = torch.zeros(graph.num_rows, graph.num_cols, dtype=dtype)
    dense[graph.row, graph.col] = graph.edge_weight.to(dtype)
    return dense
