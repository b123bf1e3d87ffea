"""The Triton kernels, interpreted on the CPU in a process of their own: TRITON_INTERPRET is set before the import.

`python tests/test_triton_interpreted.py` is that process; it raises at the first difference. Compiled runs need a GPU.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = ("similarity", "messages", "heavy_rows", "bottleneck", "overflow")


@pytest.mark.parametrize("check", CHECKS)
def test_kernels_agree_with_their_references_interpreted(check: str) -> None:
    pytest.importorskip("triton", reason="triton has no wheel for this machine")
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    command = [sys.executable, str(Path(__file__)), check]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def similarity() -> None:
    """Exactly the reference's edges: ties at the threshold, symmetric and bipartite, odd sizes, empty, copies."""
    import torch
    from hypothesis import given, settings
    from hypothesis import strategies as st

    from graftwork.triton_kernels import reference, similarity_graph
    from graftwork.triton_kernels.testing import embeddings

    @settings(deadline=None, max_examples=40)
    @given(embeddings(max_rows=40), st.booleans(), st.sampled_from((0.0, 0.25, 0.5, 0.7, 1.0)))
    def check(x: torch.Tensor, bipartite: bool, threshold: float) -> None:
        y = x[: len(x) // 2] if bipartite else None
        graph = similarity_graph(x, threshold, y=y).validate()
        edge, cosine = reference.similarity_graph(x, threshold, y=y)
        found = torch.zeros_like(edge)
        found[graph.row, graph.col] = True
        assert torch.equal(edge, found)
        torch.testing.assert_close(graph.edge_weight, cosine[graph.row, graph.col], atol=1e-6, rtol=0)
        again = similarity_graph(x, threshold, y=y)
        assert torch.equal(graph.edge_weight, again.edge_weight)

    check()
    x = torch.randn(250, 33, generator=torch.Generator().manual_seed(0))  # more than one tile a side
    graph = similarity_graph(x, 0.2)
    edge, _ = reference.similarity_graph(x, 0.2)
    assert graph.num_edges == int(edge.sum())
    assert bool(edge[graph.row, graph.col].all())


def messages() -> None:
    """Values and gradients with respect to h and the weights."""
    import torch
    from hypothesis import given, settings

    from graftwork.triton_kernels import SparseGraph, propagate, reference
    from graftwork.triton_kernels.testing import dense_adjacency, sparse_graphs

    @settings(deadline=None, max_examples=25)
    @given(sparse_graphs(min_nodes=1))
    def check(graph: SparseGraph) -> None:
        for norm in ("sym", "row", None):
            h = torch.randn(graph.num_nodes, 5, dtype=torch.float64, requires_grad=True)
            weight = graph.edge_weight.double().requires_grad_()
            out = propagate(graph, h, norm=norm)  # type: ignore[arg-type]
            expected = reference.propagate(dense_adjacency(graph), h, norm=norm)  # type: ignore[arg-type]
            torch.testing.assert_close(out, expected, atol=1e-12, rtol=1e-12)
            ahead = torch.randn_like(out)
            for found, right in zip(
                torch.autograd.grad(out, h, ahead), torch.autograd.grad(expected, h, ahead), strict=True
            ):
                torch.testing.assert_close(found, right, atol=1e-12, rtol=1e-12)
        out = propagate(graph, h, norm=None, edge_weight=weight)
        (found,) = torch.autograd.grad(out, weight, ahead)
        torch.testing.assert_close(found, (ahead[graph.row] * h[graph.col]).sum(1), atol=1e-12, rtol=1e-12)

    check()


def heavy_rows() -> None:
    """Rows of 512, 513 and 1,500 edges: whole, in two segments, in three; and wider than one block of features."""
    import torch

    from graftwork.triton_kernels import SparseGraph, propagate, reference
    from graftwork.triton_kernels.testing import dense_adjacency

    generator = torch.Generator().manual_seed(0)
    row = torch.arange(4).repeat_interleave(torch.tensor([512, 0, 513, 1500]))
    col = torch.cat([torch.arange(n) for n in (512, 0, 513, 1500)])
    weight = torch.rand(len(row), generator=generator)
    graph = SparseGraph.from_edge_index(torch.stack((col, row)), weight, num_rows=4, num_cols=1500)
    for width in (3, 130):
        h = torch.randn(1500, width, generator=generator, dtype=torch.float64)
        expected = reference.propagate(dense_adjacency(graph), h, norm="row")
        out = propagate(graph, h, norm="row")
        torch.testing.assert_close(out, expected, atol=1e-12, rtol=1e-12)
        assert torch.equal(out, propagate(graph, h, norm="row"))


def bottleneck() -> None:
    """The fused tail with and without every optional part, and a heavy row; gradients through its saved state."""
    import torch

    from graftwork.triton_kernels import SparseGraph, gcn_bottleneck, reference
    from graftwork.triton_kernels.testing import dense_adjacency

    n, d, r = 600, 20, 6
    generator = torch.Generator().manual_seed(1)
    near = torch.arange(n)
    edges = torch.cat((torch.stack((near, (near * 7 + 1) % n)), torch.stack((near, torch.zeros_like(near)))), 1)
    key = (edges[1] * n + edges[0]).unique()
    graph = SparseGraph.from_edge_index(torch.stack((key % n, key // n)), num_rows=n)
    x = torch.randn(n, d, generator=generator)
    names = {"w_down": (r, d), "w_gcn": (r, r), "w_up": (d, r)}
    optional = {"b_down": (r,), "b_gcn": (r,), "b_up": (d,), "w_self": (r, r)}
    for activation, present in (("gelu", True), ("relu", True), ("tanh", False)):
        shapes = {**names, **(optional if present else {})}
        weights = {k: torch.randn(*s, generator=generator).requires_grad_() for k, s in shapes.items()}
        for value in (None, torch.rand(graph.num_edges, generator=generator)):
            weighted = graph.with_weight(value)
            out = gcn_bottleneck(x, weighted, **weights, activation=activation)  # type: ignore[arg-type]
            dense = dense_adjacency(weighted, torch.float32)
            right = reference.gcn_bottleneck(x, dense, **weights, activation=activation)  # type: ignore[arg-type]
            torch.testing.assert_close(out, right, atol=1e-4, rtol=1e-4)
            ahead = torch.randn(n, d, generator=generator)
            wanted = list(weights.values())
            for a, b in zip(
                torch.autograd.grad(out, wanted, ahead), torch.autograd.grad(right, wanted, ahead), strict=True
            ):
                torch.testing.assert_close(a, b, atol=2e-2, rtol=1e-3)


def overflow() -> None:
    """Too little room: what was counted is reserved, and the graph is the same."""
    import torch

    from graftwork.triton_kernels import similarity_graph, triton_similarity

    x = torch.randn(100, 8, generator=torch.Generator().manual_seed(2))
    counted = similarity_graph(x, 0.1)
    triton_similarity.SMALL, triton_similarity.ROOM = 0, 1
    again = similarity_graph(x, 0.1)
    assert counted.num_edges > 100
    assert torch.equal(counted.col, again.col)
    assert torch.equal(counted.edge_weight, again.edge_weight)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
