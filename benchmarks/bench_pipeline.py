"""What the main job costs, against plain torch: graph, messages, adapters, and the store.

make bench          (about a minute; prints Markdown for docs/benchmarks/)
"""

from __future__ import annotations

import tempfile
import time
import warnings
from pathlib import Path

import torch
from measure import alternate, machine, table

from graftwork import Pipeline
from graftwork.plugins.adapters import BottleneckSpec, GANetSpec
from graftwork.plugins.adapters.bottleneck import Bottleneck
from graftwork.plugins.adapters.ga_net import GANet
from graftwork.triton_kernels import propagate, similarity_graph

SPEC = Path(__file__).parent.parent / "examples" / "digits_zero_shot.json"


def features(items: int, width: int) -> torch.Tensor:
    """Unit rows in clusters, as image features have."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(items // 40, width, generator=generator)
    x = centres[torch.arange(items) % len(centres)] + torch.randn(items, width, generator=generator) * 0.6
    return torch.nn.functional.normalize(x, dim=-1)


def graphs(items: int = 8192, width: int = 512, threshold: float = 0.6) -> str:
    """``similarity_graph`` against the dense product and against its own floor, the triangle's product."""
    x = features(items, width)
    tiles = [(i, j) for i in range(0, items, 512) for j in range(i, items, 512)]

    def triangle() -> None:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # CPU time then counts arithmetic, not threads that wait for each other
        for i, j in tiles:
            x[i : i + 512] @ x[j : j + 512].T
        torch.set_num_threads(threads)

    graph = similarity_graph(x, threshold)
    seconds = alternate(
        {
            "upper-triangle product alone (floor)": triangle,
            "similarity_graph": lambda: similarity_graph(x, threshold),
            "dense torch (x @ x.T >= tau).nonzero()": lambda: (x @ x.T >= threshold).nonzero(),
        },
        rounds=3,
    )
    return table(f"Similarity graph, N = {items}, D = {width}, mean degree {graph.num_edges / items:.0f}", seconds)


def messages(items: int = 32768, width: int = 64) -> str:
    """``propagate`` against torch's own sparse product."""
    graph = similarity_graph(features(items, 64), 0.65, max_degree=32).with_self_loops()
    h = torch.randn(items, width)
    csr = torch.sparse_csr_tensor(graph.rowptr, graph.col, torch.ones(graph.num_edges), (items, items))
    row, col = graph.row, graph.col
    seconds = alternate(
        {
            "propagate": lambda: propagate(graph, h, norm="row"),
            "torch CSR @ h": lambda: csr @ h,
            "gather and index_add": lambda: torch.zeros_like(h).index_add_(0, row, h[col]),
        }
    )
    degree = graph.num_edges / items
    return table(f"Message passing, forward, N = {items}, r = {width}, mean degree {degree:.0f}", seconds)


def adapters(items: int = 8192, width: int = 512) -> str:
    """GA-Net's adapter against the same without messages, forward and backward."""
    x = features(items, width)
    graph = similarity_graph(x, 0.6)
    plain, ga_net = Bottleneck(BottleneckSpec(), width), GANet(GANetSpec(self_message=False), width)
    seconds = alternate(
        {
            "bottleneck": lambda: plain(x).sum().backward(),
            "ga_net": lambda: ga_net(x, graph).sum().backward(),
        }
    )
    degree = graph.num_edges / items
    return table(f"Adapter {width} -> 64 -> {width}, forward and backward, N = {items}, degree {degree:.0f}", seconds)


def store() -> str:
    """The encode stage of a first and of a second run."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = []
        for number in (1, 2):
            quiet = Pipeline.from_file(SPEC, {"reporters": []})
            start = time.perf_counter()
            run = quiet.run(out=Path(folder) / f"run{number}", store=Path(folder) / "store")
            seconds.append((run.result["stages"]["encode"]["seconds"], time.perf_counter() - start))
    (first, first_all), (second, second_all) = seconds
    return (
        "### Encoding 1,797 digits with the pocket CLIP, wall seconds\n\n"
        "| run | encode stage | whole run |\n|---|---|---|\n"
        f"| first | {first:.2f} | {first_all:.2f} |\n| second | {second:.3f} | {second_all:.2f} |\n"
        f"| second / first | {second / first:.3f} | {second_all / first_all:.2f} |\n"
    )


if __name__ == "__main__":
    warnings.filterwarnings("ignore", message="Sparse")  # torch's notice that its CSR is a beta
    print(f"{machine()}\n")
    for part in (store, graphs, messages, adapters):
        print(part(), flush=True)
