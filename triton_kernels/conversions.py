"""`SparseGraph` from and to the sparse matrices of torch and scipy; PyG's own classes are in `pyg.py`.

A matrix here is the adjacency as message passing multiplies it, out = A h: row i hears column j with weight A[i, j].
PyG calls it `adj_t`. Its `edge_index` (senders above receivers) needs no module: `graph.edge_index`,
`graph.edge_weight` and `SparseGraph.from_edge_index`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .sparse.csr import rows_of
from .sparse.sparse_graph import SparseGraph

if TYPE_CHECKING:
    from scipy.sparse import csr_array  # type: ignore[import-untyped]


def from_torch_csr(matrix: Tensor, *, binary: bool = False) -> SparseGraph:
    """A graph from a torch sparse CSR matrix [N, M]; differentiable with respect to its values.

    Columns may be in any order inside a row (torch's own gradient needs them sorted); values become float32, a stored
    zero is an edge of weight 0. Boolean values, or `binary=True`, give a binary graph.

    Raises:
        ValueError: another layout or a batch of matrices, values that are complex or not one number an edge, row
            pointers that do not span the edges, a column out of range, an edge given twice, a weight that is not
            finite.
    """
    if matrix.layout != torch.sparse_csr or matrix.ndim != 2:
        found = f"{matrix.layout} {list(matrix.shape)}"
        raise ValueError(f"expected a torch.sparse_csr matrix [N, M], got {found}: convert it by .to_sparse_csr()")
    rowptr, col, value = matrix.crow_indices().long(), matrix.col_indices().long(), matrix.values()
    ends = int(rowptr[0]), int(rowptr[-1])
    if ends != (0, len(col)) or bool((rowptr.diff() < 0).any()):
        raise ValueError(f"crow_indices must rise from 0 to the {len(col)} edges, they run from {ends[0]} to {ends[1]}")
    weight = None if binary or value.dtype == torch.bool else value
    edge_index = torch.stack((col, rows_of(rowptr, len(col))))
    return SparseGraph.from_edge_index(edge_index, weight, num_rows=matrix.shape[0], num_cols=matrix.shape[1])


def to_torch_csr(graph: SparseGraph) -> Tensor:
    """The graph as a torch sparse CSR matrix [num_rows, num_cols], float32, without a copy; ones where it is binary."""
    size = (graph.num_rows, graph.num_cols)
    return torch.sparse_csr_tensor(graph.rowptr, graph.col, graph.edge_weight, size)


def from_scipy(matrix: Any, *, binary: bool = False) -> SparseGraph:
    """A graph on the CPU from any scipy sparse matrix or array [N, M]; the rules are those of `from_torch_csr`.

    Raises:
        ValueError: no scipy sparse matrix, one that is not 2-D or not of real numbers, an edge given twice (scipy would
            add the two: call `sum_duplicates()` first), a weight that is not finite.
    """
    from scipy.sparse import issparse

    if not issparse(matrix) or len(matrix.shape) != 2:
        found = f"{type(matrix).__name__} {list(getattr(matrix, 'shape', ()))}"
        raise ValueError(f"expected a scipy sparse matrix [N, M], got {found}")
    if matrix.dtype.kind not in "biuf":
        raise ValueError(f"expected a matrix of real numbers, got {matrix.dtype}")
    edges = matrix.tocoo()
    row, col = (torch.as_tensor(index.astype("int64")) for index in (edges.row, edges.col))
    weight = None if binary or matrix.dtype.kind == "b" else torch.as_tensor(edges.data.astype("float32"))
    return SparseGraph.from_edge_index(
        torch.stack((col, row)), weight, num_rows=matrix.shape[0], num_cols=matrix.shape[1]
    )


def to_scipy(graph: SparseGraph) -> csr_array:
    """A copy of the graph as a float32 `scipy.sparse.csr_array` [num_rows, num_cols]; ones where it is binary."""
    from scipy.sparse import csr_array

    value, col, rowptr = (t.detach().cpu().numpy() for t in (graph.edge_weight, graph.col, graph.rowptr))
    return csr_array((value, col, rowptr), shape=(graph.num_rows, graph.num_cols), copy=True)
