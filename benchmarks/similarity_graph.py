"""`similarity_graph` against one triangle of the product (the least an exact search without a screen multiplies)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from ..triton_kernels import similarity_graph
from . import Progress, Setting
from .case import Call, Candidate, Case
from .features import clip_like, clusters_in_turn, threshold_for
from .measure import run_cases

Inputs = tuple[Tensor, float]
"""Unit rows [N, 512] and the threshold for a mean degree of 32."""


def tables(setting: Setting, progress: Progress) -> Iterator[str]:
    """A table a kind and number of vectors."""
    return run_cases("similarity_graph", cases(setting), setting, progress)


def cases(setting: Setting) -> list[Case]:
    """CLIP-like vectors, and clusters in turn, which once fooled the choice of a screen."""
    if setting.quick:
        return [_case("CLIP-like", clip_like, 1024, setting, rounds=3)]
    return [
        _case("CLIP-like", clip_like, 8192, setting, rounds=5),
        _case("clusters in turn", clusters_in_turn, 8192, setting, rounds=5),
        _case("CLIP-like", clip_like, 32_768, setting, rounds=2),
        _case("CLIP-like", clip_like, 100_000, setting, rounds=1),
    ]


def _case(kind: str, features: Callable[[int], Tensor], rows: int, setting: Setting, rounds: int) -> Case:
    def inputs() -> Inputs:
        x = features(rows).to(setting.device)
        return x, threshold_for(x)

    candidates = [
        Candidate("one triangle's product (limit)", lambda given: partial(triangle, given[0]), memory=False),
        Candidate("similarity_graph", lambda given: partial(similarity_graph, *given)),
    ]
    if rows <= 32_768:
        candidates.append(Candidate("dense torch, (x @ x.T >= tau).nonzero()", _dense))
    if setting.device == "cpu" and rows <= 32_768:
        screens = ("float32", "bfloat16", "head", "head_bfloat16") if rows <= 8192 else ("float32", "head")
        candidates += [Candidate(f"similarity_graph, screen={name}", partial(_screened, name)) for name in screens]
        candidates.append(Candidate("faiss IndexFlatIP.range_search", _faiss, needs="faiss"))
    if setting.device == "cpu" and rows <= 8192:
        candidates.append(Candidate("scikit-learn radius_neighbors_graph, cosine", _scikit_learn))
    title = f"similarity_graph: {kind}, N = {rows:,}, D = 512, mean degree 32"
    return Case(title, inputs, tuple(candidates), rounds)


def triangle(x: Tensor, tile: int = 512) -> None:
    """Every tile's product, in one thread, and nothing else."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # CPU time then counts arithmetic, not threads that wait for each other
    room = x.new_empty(tile * tile)
    for i in range(0, len(x), tile):
        for j in range(i, len(x), tile):
            left, right = x[i : i + tile], x[j : j + tile]
            torch.mm(left, right.T, out=room[: len(left) * len(right)].view(len(left), len(right)))
    torch.set_num_threads(threads)


def _screened(screen: str, given: Inputs) -> Call:
    return partial(similarity_graph, *given, screen=screen)  # type: ignore[arg-type]


def _dense(given: Inputs) -> Call:
    x, threshold = given
    return lambda: (x @ x.T >= threshold).nonzero()


def _faiss(given: Inputs) -> Call:
    import faiss

    x, threshold = given[0].numpy(), given[1]

    def search() -> object:
        index = faiss.IndexFlatIP(x.shape[1])
        index.add(x)
        return index.range_search(x, threshold)

    return search


def _scikit_learn(given: Inputs) -> Call:
    from sklearn.neighbors import radius_neighbors_graph

    x, threshold = given[0].numpy(), given[1]
    return lambda: radius_neighbors_graph(x, 1 - threshold, mode="distance", metric="cosine")
