"""From edge weights to Â: computed once for fixed weights, differentiably for learned ones."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from ..device import compiled_or, runs_triton
from ..sparse.sparse_graph import SparseGraph
from .spmm import spmm

Norm = Literal["sym", "row"] | None
Operator = tuple[Tensor, Tensor, Tensor | None]
"""Row pointers [N + 1], columns [E] and values [E] of Â or its transpose; None: all ones."""
ROWS = 4096
"""Rows that are normalised at a time."""


def operator(graph: SparseGraph, norm: Norm, transposed: bool, dtype: torch.dtype) -> Operator:
    """Â or its transpose with values of the given dtype; the values are kept with the graph."""
    transposed = transposed and not (graph.symmetric and norm != "row")  # otherwise Â is its own transpose
    structure = graph.transpose() if transposed else graph
    key = (norm, transposed, dtype)
    if key not in graph._cache:
        left, right = _scales(graph, norm)
        left, right = (right, left) if transposed else (left, right)
        graph._cache[key] = _normalised(structure, left, right, dtype)
    return *structure.structure.compact, graph._cache[key]


def learned_values(graph: SparseGraph, weight: Tensor, norm: Norm) -> Tensor:
    """Â's values [E] as a differentiable function of the graph's weights: degrees count, in float64."""
    if norm is None:
        return weight
    wide, structure = weight.double(), graph.structure
    degree = spmm(structure, wide, wide.new_ones(graph.num_cols, 1)).squeeze(1)
    if norm == "row":
        return wide * _inverse(degree)[structure.row]
    _check_degrees(degree)
    scale = _inverse(degree.where(degree != 0, 1).sqrt()) * (degree != 0)
    return wide * (scale[structure.row] * scale[structure.col])


def _scales(graph: SparseGraph, norm: Norm) -> tuple[Tensor | None, Tensor | None]:
    """What Â's rows and columns are multiplied by: float64, 0 where a degree is 0."""
    if norm is None:
        return None, None
    degree = graph.degree()
    if norm == "row":
        return _inverse(degree), None
    _check_degrees(degree)
    return (scale := _inverse(degree.sqrt())), scale


def _check_degrees(degree: Tensor) -> None:
    if torch.compiler.is_compiling():  # a look at the values would break the graph
        return
    if bool((degree < 0).any()):
        row = int((degree < 0).nonzero()[0])
        raise ValueError(f"norm='sym' needs degrees of 0 or more, row {row} has {degree[row]}: use norm='row' or None")


def _inverse(x: Tensor) -> Tensor:
    return torch.where(x == 0, 0.0, 1 / x.where(x != 0, 1))  # both branches finite, so that gradients are


def _normalised(graph: SparseGraph, left: Tensor | None, right: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """diag(left) A diag(right), rounded once, at the end; None for the binary graph unscaled."""
    if left is None and right is None:
        return None if graph.weight is None else graph.weight.to(dtype)

    def with_triton() -> Tensor:
        from .triton_normalise import normalised_values

        weight = None if graph.weight is None else graph.weight.detach()
        return normalised_values(*graph.structure.compact, weight, left, right, dtype)

    def without() -> Tensor:
        return _normalised_in_blocks(graph, left, right, dtype)

    if torch.compiler.is_compiling() or not runs_triton(graph.col):
        return without()
    return compiled_or("normalisation", graph.col, with_triton, without)


def _normalised_in_blocks(graph: SparseGraph, left: Tensor | None, right: Tensor | None, dtype: torch.dtype) -> Tensor:
    values = torch.empty(graph.num_edges, dtype=dtype, device=graph.device)
    for rows, edges in _blocks(graph):
        scale = torch.ones((), dtype=torch.float64, device=graph.device)
        if left is not None:
            counts = graph.rowptr[rows.start : rows.stop + 1].diff()
            scale = left[rows].repeat_interleave(counts, output_size=edges.stop - edges.start)
        if right is not None:
            scale = scale * right[graph.col[edges]]  # the scales first, so that (i, j) and (j, i) stay bit-equal
        values[edges] = scale if graph.weight is None else scale * graph.weight[edges]
    return values


def _blocks(graph: SparseGraph) -> Iterator[tuple[slice, slice]]:
    """Rows and their edges, so many at a time that what is computed of an edge in float64 takes little memory."""
    if torch.compiler.is_compiling():  # a look at the values would break the graph
        yield slice(0, graph.num_rows), slice(0, graph.num_edges)
        return
    starts = graph.rowptr[:-1:ROWS].tolist()
    for block, (begin, end) in enumerate(itertools.pairwise([*starts, graph.num_edges])):
        first = block * ROWS
        yield slice(first, min(first + ROWS, graph.num_rows)), slice(begin, end)
