"""How time grows: of a graph with the number of pairs, of message passing with the number of edges."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

import torch

from ..triton_kernels import propagate, similarity_graph
from . import Progress, Setting
from .features import clip_like, random_graph, threshold_for
from .measure import load, timed
from .similarity_graph import triangle

SIZES = (8192, 16_384, 32_768, 65_536, 100_000)


def tables(setting: Setting, progress: Progress) -> Iterator[str]:
    """Two tables: the graph's nanoseconds a pair, propagate's nanoseconds an edge."""
    sizes = SIZES[:1] if setting.quick else SIZES
    rounds = 1 if setting.quick else 3
    for title, rows in (
        ("Growth, similarity_graph: CLIP-like, D = 512, mean degree 32", _graph_rows),
        ("Growth, propagate, forward: degree 32, r = 64", _propagate_rows),
    ):
        if setting.wants(title, progress):
            yield _table(title, rows(sizes, setting, rounds, progress))


def _graph_rows(sizes: tuple[int, ...], setting: Setting, rounds: int, progress: Progress) -> Iterator[tuple[str, ...]]:
    yield "N", "screen", "CPU ms", "ns a pair (N²)", "of one triangle's product"
    for rows in sizes:
        progress(f"growth: graph of {rows:,}")
        x = clip_like(rows).to(setting.device)
        tau = threshold_for(x)
        search = similarity_graph(x, tau).search
        times = range(rounds if rows < 32_768 else 1)
        took = median(timed(lambda x=x, tau=tau: similarity_graph(x, tau), setting.device) for _ in times)  # type: ignore[misc]
        limit = median(timed(lambda x=x: triangle(x), setting.device) for _ in times)  # type: ignore[misc]
        screen = search.screen if search else ""
        yield f"{rows:,}", screen, f"{took * 1e3:,.0f}", f"{took * 1e9 / rows**2:.2f}", f"{took / limit:.2f}"


def _propagate_rows(
    sizes: tuple[int, ...], setting: Setting, rounds: int, progress: Progress
) -> Iterator[tuple[str, ...]]:
    yield "N", "edges", "CPU ms", "ns an edge"
    for nodes in sizes:
        progress(f"growth: messages over {nodes:,}")
        graph, h = random_graph(nodes).to(setting.device), torch.randn(nodes, 64, device=setting.device)
        propagate(graph, h)
        took = median(timed(lambda g=graph, h=h: propagate(g, h), setting.device) for _ in range(5 * rounds))  # type: ignore[misc]
        yield f"{nodes:,}", f"{graph.num_edges:,}", f"{took * 1e3:.1f}", f"{took * 1e9 / graph.num_edges:.1f}"


def _table(title: str, rows: Iterator[tuple[str, ...]]) -> str:
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([f"### {title}\n", head, "|---" * (head.count("|") - 1) + "|", *body]) + (
        f"\n\nLoad average: {load()}.\n"
    )
