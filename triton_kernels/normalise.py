"""From edge weights to Â: computed once for fixed weights, differentiably for learned ones."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from .sparse_graph import SparseGraph
from .spmm import spmm

Norm = Literal["sym", "row"] | None
Operator = tuple[Tensor, Tensor, Tensor | None]
"""Row pointers [N + 1], columns [E] and values [E] of Â or its transpose; None: all ones."""


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
    rows = 1.0 if left is None else left[graph.row]
    cols = 1.0 if right is None else right[graph.col]
    return (graph.edge_weight * (rows * cols)).to(dtype)  # the scales first, so that (i, j) and (j, i) stay bit-equal
