"""The Triton kernels, interpreted on the CPU in a process of their own: TRITON_INTERPRET is set before the import.

`python -m tests.triton_kernels.test_triton_interpreted CHECK` is that process; it raises at the first difference.
`test_kernels.py` runs the same cases compiled, where there is a GPU.
"""

import os
import subprocess
import sys

import pytest

from ..support.paths import ROOT

CHECKS = ("similarity", "messages", "heavy_rows", "adapter", "overflow", "beyond_int32", "mutations")


@pytest.mark.parametrize("check", CHECKS)
def test_kernels_agree_with_their_references_interpreted(check: str) -> None:
    pytest.importorskip("triton", reason="triton has no wheel for this machine")
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-m", "tests.triton_kernels.test_triton_interpreted", check]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def hold(case: str, *properties: str, examples: int = 15) -> None:
    """The properties of these names hold for the case; finite differences are left to compiled runs, for their time."""
    from graftwork.triton_kernels.testing import check_kernel

    from ..support.kernel_cases import CASES

    one = CASES[case]
    chosen = [one.named()[name] for name in properties]
    check_kernel(
        one.op, one.reference, one.strategy, properties=chosen, tolerances=one.tolerances, examples=examples,
        devices=["cpu"],
    )  # fmt: skip


def similarity() -> None:
    """Exactly the reference's edges; tiles are 128 rows wide, so 250 rows are two a side, one of them partial."""
    import torch

    from graftwork.triton_kernels import reference, similarity_graph

    for case in ("similarity_graph", "similarity_graph_bipartite"):
        hold(case, "values", "layouts", "gradients", "reruns", "non_finite")
    hold("similarity_graph_ties", "values")
    hold("similarity_graph_renamed", "permutation")
    x = torch.randn(250, 33, generator=torch.Generator().manual_seed(0))
    graph = similarity_graph(x, 0.2)
    edge, _ = reference.similarity_graph(x, 0.2)
    assert graph.num_edges == int(edge.sum())
    assert bool(edge[graph.row, graph.col].all())


def messages() -> None:
    """Values and gradients with respect to h and the weights, and the two primitives under them."""
    hold("propagate", "values", "same_dtype", "layouts", "gradients", "reruns", "inputs_kept", "non_finite")
    hold("propagate_renamed", "permutation")
    hold("propagate_learned", "values", "gradients")
    hold("spmm", "values", "non_finite")
    hold("sddmm", "values", "gradients", "non_finite")


def heavy_rows() -> None:
    """Rows of up to three segments of 512 edges, more features than a block has; and every row over 8 edges heavy."""
    import torch

    from graftwork.triton_kernels import SparseGraph, propagate, reference
    from graftwork.triton_kernels.message_passing import triton_propagate
    from graftwork.triton_kernels.testing import dense_adjacency

    hold("propagate_heavy", "values", "reruns", examples=4)
    col = torch.arange(600)
    graph = SparseGraph.from_edge_index(torch.stack((col, col // 590)), num_rows=2, num_cols=600)
    h = torch.randn(600, 130, dtype=torch.float64)
    expected = reference.propagate(dense_adjacency(graph), h, norm="row")
    torch.testing.assert_close(propagate(graph, h, norm="row"), expected, atol=1e-12, rtol=1e-12)
    triton_propagate.HEAVY = 8  # the rows of a program share a segment, so no less
    hold("propagate_dense", "values", "gradients", "reruns", examples=8)
    hold("gcn_bottleneck_float32", "values", "gradients", "reruns", examples=8)


def adapter() -> None:
    """The fused tail with and without every optional part; gradients through its saved state."""
    hold("gcn_bottleneck_float32", "values", "gradients", "layouts", "reruns", "inputs_kept", "non_finite", examples=25)
    hold("gcn_bottleneck", "values", "permutation")


def overflow() -> None:
    """Too little room: what was counted is reserved, and the graph is the same."""
    import torch

    from graftwork.triton_kernels import similarity_graph
    from graftwork.triton_kernels.similarity import triton_similarity

    x = torch.randn(100, 8, generator=torch.Generator().manual_seed(2))
    counted = similarity_graph(x, 0.1)
    triton_similarity.SMALL, triton_similarity.ROOM = 0, 1
    again = similarity_graph(x, 0.1)
    assert counted.num_edges > 100
    assert torch.equal(counted.col, again.col)
    assert torch.equal(counted.edge_weight, again.edge_weight)


def beyond_int32() -> None:
    """A sender whose features start after 2^31 numbers."""
    import torch

    from graftwork.triton_kernels import SparseGraph
    from graftwork.triton_kernels.message_passing import library
    from graftwork.triton_kernels.testing import unbacked

    rows, width = 2**21 + 2, 1024
    h = unbacked(rows, width)
    h[-1] = torch.arange(width)
    graph = SparseGraph.from_edge_index(torch.tensor([[0, rows - 1], [0, 0]]), num_rows=1, num_cols=rows)
    assert torch.equal(library.spmm(*graph.structure.compact, None, h)[0], h[-1])
    one = torch.zeros(1, dtype=torch.int32)
    assert library.sddmm(one, one + rows - 1, torch.ones(1, width), h).tolist() == [h[-1].sum().item()]


def mutations() -> None:
    """Every mutation of a Triton kernel makes the property fail that it names."""
    from ..support.mutations import TRITON, failing_property

    found = {name: failing_property(mutation) for name, mutation in TRITON.items()}
    assert found == {name: mutation.property for name, mutation in TRITON.items()}


if __name__ == "__main__":
    globals()[sys.argv[1]]()
