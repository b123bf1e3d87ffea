"""Compressed sparse rows: from and to the row of each edge, and what makes the arrays sound."""

import torch
from torch import Tensor


def rows_of(rowptr: Tensor, num_edges: int) -> Tensor:
    """int64 [num_edges]: the row of each edge; the length is given so that a GPU need not be asked."""
    rows = torch.arange(len(rowptr) - 1, device=rowptr.device)
    return rows.repeat_interleave(rowptr.diff(), output_size=num_edges)


def rowptr_of(row: Tensor, num_rows: int) -> Tensor:
    """int64 [num_rows + 1] from the row of each edge, in any order."""
    if torch.compiler.is_compiling():  # the length of a bincount depends on data, and would break the graph
        return row.new_zeros(num_rows + 1).scatter_add_(0, row + 1, torch.ones_like(row)).cumsum(0)
    rowptr = row.new_zeros(num_rows + 1)
    torch.cumsum(row.bincount(minlength=num_rows), 0, out=rowptr[1:])
    return rowptr


def check_arrays(rowptr: Tensor, col: Tensor, weight: Tensor | None, num_cols: int) -> None:
    """Raise ValueError where the arrays are no sorted, finite CSR over `num_cols` columns without repeats."""
    first, last = int(rowptr[0]), int(rowptr[-1])
    if (first, last) != (0, len(col)) or bool((rowptr.diff() < 0).any()):
        raise ValueError(f"rowptr must rise from 0 to the {len(col)} edges, it runs from {first} to {last}")
    row = rows_of(rowptr, len(col))
    check_range("column", col, num_cols)
    wrong = (row[1:] == row[:-1]) & (col[1:] <= col[:-1])
    if bool(wrong.any()):
        edge = int(wrong.nonzero()[0])
        pair = f"{col[edge]} then {col[edge + 1]} in row {row[edge]}"
        raise ValueError(f"columns must rise inside a row, got {pair}: give each edge once, sorted by column")
    if weight is not None and not bool(weight.isfinite().all()):
        edge = int((~weight.isfinite()).nonzero()[0])
        where = f"edge {col[edge]} -> {row[edge]}"
        raise ValueError(f"{where} has weight {weight[edge]}: give finite weights, or drop the edge")


def check_edges(edge_index: Tensor, edge_weight: Tensor | None) -> None:
    """Raise ValueError unless edge_index is integers [2, E] and edge_weight, if given, real numbers [E]."""
    integers = not (edge_index.is_floating_point() or edge_index.is_complex() or edge_index.dtype == torch.bool)
    if edge_index.ndim != 2 or len(edge_index) != 2 or not integers:
        found = f"{edge_index.dtype} {list(edge_index.shape)}"
        raise ValueError(f"edge_index must be integers [2, E] (senders, then receivers), got {found}")
    if edge_weight is not None and (edge_weight.shape != edge_index.shape[1:] or edge_weight.is_complex()):
        found = f"{edge_weight.dtype} {list(edge_weight.shape)} for {edge_index.shape[1]} edges"
        raise ValueError(f"edge_weight must hold one number an edge, got {found}")


def check_range(name: str, index: Tensor, size: int) -> None:
    """Raise ValueError at the first index outside 0 to size - 1."""
    outside = (index < 0) | (index >= size)
    if bool(outside.any()):
        raise ValueError(f"{name} {index[outside][0]} is no node: there are {size}, counted from 0")
