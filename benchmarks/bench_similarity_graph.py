"""K1 against the GEMM of the upper triangle, dense torch and faiss: bench_similarity_graph.py [N] [rounds]."""

from __future__ import annotations

import sys
from functools import partial

import torch
from clip_like import clip_like
from measure import alternate, machine, table
from torch import Tensor

from graftwork.triton_kernels import similarity_graph


def upper_triangle(x: Tensor, tile: int = 512) -> None:
    """The floor: every tile's product in one thread, and nothing else."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    room = torch.empty(tile, tile)
    for i in range(0, len(x), tile):
        for j in range(i, len(x), tile):
            left, right = x[i : i + tile], x[j : j + tile]
            torch.mm(left, right.T, out=room[: len(left), : len(right)])
    torch.set_num_threads(threads)


def faiss_range(x: Tensor, threshold: float) -> None:
    """Exact range search over a flat index."""
    import faiss

    index = faiss.IndexFlatIP(x.shape[1])
    index.add(x.numpy())
    index.range_search(x.numpy(), threshold)


def main(rows: int = 8192, rounds: int = 5) -> None:
    """Print a Markdown table for mean degree 32."""
    x = clip_like(rows)
    graph = similarity_graph(x, {"average_degree": 32})
    assert graph.search is not None
    tau = graph.search.threshold
    candidates = {"upper-triangle GEMM (floor)": partial(upper_triangle, x)}
    chosen = similarity_graph(x, tau).search
    candidates[f"similarity_graph, its choice ({chosen.screen if chosen else '?'})"] = partial(similarity_graph, x, tau)
    for screen in ("float32", "bfloat16", "head", "head_bfloat16") if rows <= 8192 else ():
        candidates[f"similarity_graph, screen={screen}"] = partial(similarity_graph, x, tau, screen=screen)
    if rows <= 32768:
        candidates["dense torch, (X X' >= tau).nonzero()"] = lambda: (x @ x.T >= tau).nonzero()
        try:
            import faiss  # noqa: F401

            candidates["faiss IndexFlatIP.range_search"] = partial(faiss_range, x, tau)
        except ImportError:
            print("faiss is not installed: left out")
    print(table(f"similarity_graph, N = {rows}, D = 512, {graph.num_edges} edges", alternate(candidates, rounds)))
    print(machine())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
