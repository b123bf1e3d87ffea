"""K1: all pairs of rows whose cosine reaches a threshold, as a sparse graph, never N x N."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from ..device import compiled_or, runs_triton
from ..sparse.degree_cap import Cap, cap_degree
from ..sparse.sparse_graph import Search, SparseGraph
from .choose_screen import choose_screen
from .edge_cosines import edge_cosines
from .recall import measured_recall
from .screens import ScreenName
from .tile_search import TileSearch
from .vectors import Vectors
from .wanted_edges import Threshold, check_request, graph_with_edges, wanted_edges
from .workers import single_threaded_workers


def similarity_graph(
    x: Tensor,
    threshold: Threshold,
    *,
    y: Tensor | None = None,
    max_degree: int | None = None,
    cap: Cap = "union",
    self_loops: bool = False,
    weight: Literal["cosine", "binary"] = "cosine",
    recall: float | None = None,
    screen: ScreenName | None = None,
    tile: int = 512,
) -> SparseGraph:
    """An edge wherever the cosine of two rows is at least the threshold.

    An edge's cosine is the float64 value rounded to float32 (below 1e-12 it is 0), and the threshold is rounded to
    float32 too: which edges there are depends on the vectors alone. Weights of edges far from the threshold come from
    a float32 product and may differ from that by its rounding (some 1e-7); (i, j) and (j, i) are bit-equal. A zero
    vector has cosine 0 with everything, itself included. The weights are differentiable with respect to x and y, which
    edges there are is not. The GA-Net graph, arXiv 2408.00290; how it is found is ours (`screens.py`).

    Args:
        x: floating [N, D]. Without `y` the graph is symmetric [N, N] and i = j is no edge.
        threshold: in [-1, 1]; or `{"average_degree": k}`, the highest at which the rows have k edges on average, or
            `{"quantile": q}`, the highest that a share of at least 1 - q of all pairs reaches. Both count before any
            cap and without loops; of equal cosines all are edges, so copies can give more. `graph.search.threshold`
            tells it.
        y: floating [M, D]; then the graph is bipartite [N, M], rows (x, the queries) against columns (y, the support).
        max_degree: keep the largest so many edges a row, ties to the lower column. All edges are found first.
        cap: of a symmetric graph, keep an edge that either end keeps (`union`) or both keep (`mutual`).
        self_loops: add an edge of weight 1 at every node after everything else (A + I).
        weight: the cosine (needs a threshold of 0 or more), or none.
        recall: in (0, 1): an approximate search that may miss so large a share of the edges as 1 - recall, judged by a
            sample; every edge it gives is one. `graph.search.recall` is what it then measured. On a GPU the search
            stays exact, and that is 1.
        screen: how pairs are screened, on a CPU; by default what a sample shows to be cheapest. A matter of speed.
        tile: rows and columns of one product; a matter of speed.

    Returns:
        A graph on x's device, its columns ascending inside each row.

    Raises:
        TypeError: x or y no tensor.
        ValueError: x or y not floating [rows, features] or of different widths, a row with NaN or inf (the first one
            is named), an option outside its range, or a call under `torch.func.vmap`.
    """
    options = _Options(threshold, max_degree, cap, self_loops, weight, recall, screen, tile)
    options.check(bipartite=y is not None)
    for name, rows in (("x", x), ("y", y)):
        if not isinstance(rows, Tensor) and not (rows is None and name == "y"):
            raise TypeError(f"{name} must be a torch.Tensor, got {type(rows).__name__}: torch.as_tensor makes one")
        if rows is not None and _is_batched(rows):
            raise ValueError("examples of torch.func.vmap have edges of their own: call similarity_graph in a loop")
    _check_matrices(x, x if y is None else y)
    with torch.inference_mode(False), torch.no_grad():
        graph = _on_device(x.detach(), None if y is None else y.detach(), options)
    differentiable = torch.is_grad_enabled() and (x.requires_grad or (y is not None and y.requires_grad))
    if weight == "cosine" and differentiable:
        graph = graph.with_weight(edge_cosines(graph, x, x if y is None else y), symmetric=graph.symmetric)
    return graph.with_self_loops() if self_loops else graph


@dataclass(frozen=True)
class _Options:
    threshold: Threshold
    max_degree: int | None
    cap: Cap
    self_loops: bool
    weight: str
    recall: float | None
    screen: ScreenName | None
    tile: int

    def check(self, bipartite: bool) -> None:
        """Raise ValueError at the first option out of range."""
        if isinstance(self.threshold, Mapping):
            check_request(self.threshold)
        elif not -1 <= self.threshold <= 1:
            raise ValueError(f"threshold is a cosine, in [-1, 1], got {self.threshold}")
        if self.weight not in ("cosine", "binary"):
            raise ValueError(f"weight must be 'cosine' or 'binary', got {self.weight!r}")
        if not isinstance(self.threshold, Mapping):
            self.check_sign(self.threshold)
        if self.cap not in ("union", "mutual"):
            raise ValueError(f"cap must be 'union' or 'mutual', got {self.cap!r}")
        if self.max_degree is not None and self.max_degree < 1:
            raise ValueError(f"max_degree must be 1 or more, or None for no cap, got {self.max_degree}")
        if self.self_loops and bipartite:
            raise ValueError(
                "a bipartite graph (y given) has no self-loops: attach it first, then call with_self_loops"
            )
        if self.recall is not None and not 0 < self.recall < 1:
            raise ValueError(f"recall is the share of edges to find, between 0 and 1, got {self.recall}")
        if self.screen not in (None, "float32", "bfloat16", "head", "head_bfloat16"):
            raise ValueError(f"screen must be float32, bfloat16, head or head_bfloat16, got {self.screen!r}")
        if self.tile < 1:
            raise ValueError(f"tile must be 1 or more, got {self.tile}")

    def check_sign(self, threshold: float) -> None:
        """Raise ValueError where cosine weights would be negative."""
        if self.weight == "cosine" and threshold < 0:
            raise ValueError(f"cosine weights need a threshold of 0 or more, got {threshold}: use weight='binary'")


def _check_matrices(x: Tensor, y: Tensor) -> None:
    for name, matrix in (("x", x), ("y", y)):
        if matrix.ndim != 2 or not matrix.is_floating_point() or matrix.shape[1] == 0:
            found = f"{matrix.dtype} {list(matrix.shape)}"
            raise ValueError(f"{name} must be floating [rows, features] with at least one feature, got {found}")
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"x and y must have one width, got {x.shape[1]} and {y.shape[1]} features")
    if x.device != y.device:
        raise ValueError(f"x is on {x.device}, y on {y.device}: use one device")


def _on_device(x: Tensor, y: Tensor | None, options: _Options) -> SparseGraph:
    """By Triton, or on the CPU."""

    def without() -> SparseGraph:
        graph = _found(x.cpu(), None if y is None else y.cpu(), options, triton=False).to(x.device)
        assert graph.search is not None
        return replace(graph, search=replace(graph.search, screen=f"{graph.search.screen} on the CPU"))

    if runs_triton(x):
        return compiled_or("similarity_graph", x, lambda: _by_triton(x, y, options), without)
    return _found(x, y, options, triton=False) if x.device.type == "cpu" else without()


def _by_triton(x: Tensor, y: Tensor | None, options: _Options) -> SparseGraph:
    if options.max_degree is not None or isinstance(options.threshold, Mapping):
        return _found(x, y, options, triton=True)
    # nothing for workers to do, who take longer to begin than a small graph
    graph = _triton_search(Vectors(x, x if y is None else y, y is None), _float32(options.threshold))
    graph = graph if options.recall is None else _recalling_all(graph)
    return graph.with_weight(None) if options.weight == "binary" else graph


def _triton_search(vectors: Vectors, tau: float) -> SparseGraph:
    from .triton_similarity import search

    return search(vectors, tau)


def _float32(threshold: float) -> float:
    (tau,) = struct.unpack("f", struct.pack("f", threshold))
    return float(tau)


def _found(x: Tensor, y: Tensor | None, options: _Options, triton: bool) -> SparseGraph:
    with single_threaded_workers() as pool:
        vectors = Vectors(x, x if y is None else y, y is None) if triton else Vectors.of(x, y, pool)

        def search(threshold: float) -> SparseGraph:
            tau = _float32(threshold)
            if triton:
                return _triton_search(vectors, tau)
            screen = choose_screen(vectors, tau, pool, options.screen, options.recall)
            graph = TileSearch(vectors, screen, tau, options.tile).graph(pool)
            return replace(graph, search=Search(tau, screen.name))

        if isinstance(options.threshold, Mapping):
            graph = graph_with_edges(vectors, wanted_edges(options.threshold, vectors), search, pool)
            assert graph.search is not None
            options.check_sign(graph.search.threshold)
        else:
            graph = search(options.threshold)
        if options.recall is not None:
            graph = _recalling_all(graph) if triton else measured_recall(graph, vectors)
        if options.max_degree is not None:
            exact = partial(vectors.exact, pool)
            graph = cap_degree(graph, options.max_degree, options.cap, vectors.error, exact)
    return graph.with_weight(None) if options.weight == "binary" else graph


def _recalling_all(graph: SparseGraph) -> SparseGraph:
    assert graph.search is not None
    return replace(graph, search=replace(graph.search, recall=1.0))


def _is_batched(x: Tensor) -> bool:
    functorch = torch._C._functorch
    while not functorch.is_batchedtensor(x) and functorch.is_functorch_wrapped_tensor(x):
        x = functorch.get_unwrapped(x)
    return functorch.is_batchedtensor(x)
