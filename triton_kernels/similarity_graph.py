"""K1: all pairs of rows whose cosine reaches a threshold, as a sparse graph, never N x N."""

from dataclasses import replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from .degree_cap import Cap, cap_degree
from .sparse_graph import SparseGraph
from .tile_search import TileSearch
from .workers import single_threaded_workers


def similarity_graph(
    x: Tensor,
    threshold: float,
    *,
    y: Tensor | None = None,
    max_degree: int | None = None,
    cap: Cap = "union",
    self_loops: bool = False,
    weight: Literal["cosine", "binary"] = "cosine",
    tile: int = 512,
) -> SparseGraph:
    """An edge wherever the cosine of two rows is at least `threshold`.

    An edge's cosine is the float64 value rounded to float32 (below 1e-12 it is 0), and the threshold is rounded to
    float32 too: which edges there are depends on the vectors alone. Weights of edges far from the threshold come from
    a float32 product and may differ from that by its rounding (some 1e-7); (i, j) and (j, i) are bit-equal. A zero
    vector has cosine 0 with everything, itself included. No gradient flows to x or y (they are detached). The GA-Net
    graph, arXiv 2408.00290; how it is found is ours.

    Args:
        x: floating [N, D]. Without `y` the graph is symmetric [N, N] and i = j is no edge.
        threshold: in [-1, 1].
        y: floating [M, D]; then the graph is bipartite [N, M], rows (x, the queries) against columns (y, the support).
        max_degree: keep the largest so many edges a row, ties to the lower column. All edges are found first.
        cap: of a symmetric graph, keep an edge that either end keeps (`union`) or both keep (`mutual`).
        self_loops: add an edge of weight 1 at every node after everything else (A + I).
        weight: the cosine (needs a threshold of 0 or more), or none.
        tile: rows and columns of one product; a matter of speed.

    Returns:
        A graph on x's device, its columns ascending inside each row.

    Raises:
        ValueError: x or y not floating [rows, features] or of different widths, a row with NaN or inf (the first one
            is named), or an option outside its range.
    """
    other = x if y is None else y
    _check_options(threshold, max_degree, cap, self_loops and y is not None, weight, tile)
    _check_matrix("x", x)
    _check_matrix("y", other)
    if x.shape[1] != other.shape[1]:
        raise ValueError(f"x and y must have one width, got {x.shape[1]} and {other.shape[1]} features")
    with torch.inference_mode(False), torch.no_grad(), single_threaded_workers() as pool:
        search = TileSearch.over(x.detach().cpu(), None if y is None else y.detach().cpu(), threshold, tile, pool)
        graph = search.graph(pool)
        if max_degree is not None:
            graph = cap_degree(graph, max_degree, cap, search.error, partial(search.exact, pool))
    if weight == "binary":
        graph = replace(graph, weight=None)
    return (graph.with_self_loops() if self_loops else graph).to(x.device)


def _check_matrix(name: str, x: Tensor) -> None:
    if x.ndim != 2 or not x.is_floating_point() or x.shape[1] == 0:
        found = f"{x.dtype} {list(x.shape)}"
        raise ValueError(f"{name} must be floating [rows, features] with at least one feature, got {found}")


def _check_options(
    threshold: float, max_degree: int | None, cap: str, bipartite_loops: bool, weight: str, tile: int
) -> None:
    if not -1 <= threshold <= 1:
        raise ValueError(f"threshold is a cosine, in [-1, 1], got {threshold}")
    if weight not in ("cosine", "binary"):
        raise ValueError(f"weight must be 'cosine' or 'binary', got {weight!r}")
    if weight == "cosine" and threshold < 0:
        raise ValueError(f"cosine weights need a threshold of 0 or more, got {threshold}: use weight='binary'")
    if cap not in ("union", "mutual"):
        raise ValueError(f"cap must be 'union' or 'mutual', got {cap!r}")
    if max_degree is not None and max_degree < 1:
        raise ValueError(f"max_degree must be 1 or more, or None for no cap, got {max_degree}")
    if bipartite_loops:
        raise ValueError("a bipartite graph (y given) has no self-loops: attach it first, then call with_self_loops")
    if tile < 1:
        raise ValueError(f"tile must be 1 or more, got {tile}")
