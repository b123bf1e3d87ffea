"""The Triton kernels, interpreted on the CPU in a process of their own: TRITON_INTERPRET is set before the import.

`python -m tests.triton_kernels.test_triton_interpreted CHECK` is that process; it raises at the first difference.
`test_kernels.py` runs the same cases compiled, where there is a GPU.
"""

import os
import subprocess
import sys

import pytest

from ..support.paths import ROOT

TAU = 0.75
CHECKS = ("similarity", "screens", "messages", "heavy_rows", "adapter", "bands", "beyond_int32", "mutations")


@pytest.mark.parametrize("check", CHECKS)
def test_kernels_agree_with_their_references_interpreted(check: str) -> None:
    pytest.importorskip("triton", "3.7", reason="no wheel for this machine, or one that cannot interpret our loops")
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


def multiply_bfloat16() -> None:
    """Triton's interpreter multiplies the bits of bfloat16 as whole numbers; after this, the numbers."""
    import numpy as np
    import triton.language as tl
    from triton.runtime.interpreter import InterpreterBuilder, TensorHandle, _convert_float

    create_dot = InterpreterBuilder.create_dot

    def wide(one: TensorHandle) -> TensorHandle:
        if one.dtype.scalar != tl.bfloat16:
            return one
        return TensorHandle(_convert_float(one.data, tl.bfloat16, tl.float32, None).view(np.float32), tl.float32)

    InterpreterBuilder.create_dot = lambda self, a, b, *more: create_dot(self, wide(a), wide(b), *more)


def way_up_by_triton() -> None:
    """Exact float32 products go by torch's own on the way up; after this they take the kernel that tf32 takes, which
    is exact when it is interpreted. Torch's setting itself stays, since it means products on a CPU too."""
    import torch

    torch.get_float32_matmul_precision = lambda: "high"


def beside_nothing() -> None:
    """Rows that are not finite are refused where the other side has no row, too."""
    import torch

    from graftwork.triton_kernels import similarity_graph

    none, bad = torch.empty(0, 1), torch.tensor([[1.0], [torch.nan]])
    for name, x, y in (("x", bad, none), ("y", none, bad)):
        with pytest.raises(ValueError, match=f"{name} has NaN or inf in 1 rows, first in row 1"):
            similarity_graph(x, 0.0, y=y)


def similarity() -> None:
    """Exactly the reference's edges, by the defaults: one tile is partial at these sizes. With room for all pairs, as
    small graphs are found, and without."""
    from graftwork.triton_kernels.similarity import triton_similarity

    small_steps()
    for case in ("similarity_graph", "similarity_graph_bipartite"):
        hold(case, "values", "layouts", "reruns", "non_finite", examples=2)
    triton_similarity.SMALL = 0
    for case in ("similarity_graph", "similarity_graph_bipartite"):
        hold(case, "values", "gradients", "reruns", "non_finite", examples=2)
    beside_nothing()
    relative()
    hold("similarity_graph_ties", "values", examples=3)
    hold("similarity_graph_renamed", "permutation", examples=3)


def relative() -> None:
    """How many edges are wanted is answered by the same search: the highest threshold that gives as many."""
    import torch

    from graftwork.triton_kernels import reference, similarity_graph

    x = torch.randn(20, 8, generator=torch.Generator().manual_seed(3))
    for y, wanted, many in ((None, {"average_degree": 4}, 80), (x[:7], {"quantile": 0.9}, 14)):
        graph = similarity_graph(x, wanted, y=y)
        assert graph.search is not None
        assert graph.search.screen.startswith("triton, float16")
        assert graph.num_edges == many
        edge, _ = reference.similarity_graph(x, graph.search.threshold, y=y)
        assert torch.equal(graph.edge_index.flip(0).T, edge.nonzero())


def small_steps() -> None:
    """Loops of the interpreter cost by their turns, whatever a turn does."""
    from graftwork.triton_kernels.similarity import triton_verify

    triton_verify.EDGES = 32


def screens() -> None:
    """float16 and int8, by pointers and by TMA, several tiles a side with the diagonal inside and at a corner: the
    reference's edges and its weights to the bit, in float32 and float64, symmetric and bipartite."""
    from dataclasses import replace

    import torch

    from graftwork.triton_kernels import reference, similarity_graph
    from graftwork.triton_kernels.similarity import triton_screen, triton_similarity

    small_steps()
    generator = torch.Generator().manual_seed(0)
    wide, narrow = torch.float64, torch.float32
    cuts = ((0, 0, 32, 64, wide), (1, 1, 32, 64, narrow), (1, 0, 64, 32, wide), (0, 1, 64, 32, narrow))
    for integer, tma, rows, cols, dtype in cuts:
        cut = {"INTEGER": integer, "TMA": tma, "BM": rows, "BN": cols, "GROUP": 2}
        triton_similarity.CUT = {**triton_screen.defaults(False), **cut}
        x = torch.randn(70, 33, generator=generator, dtype=dtype)
        x *= torch.rand(70, 1, generator=generator, dtype=dtype)
        for left, right, triton_similarity.SMALL in ((x[:9], x, 1 << 25), (x, None, 0)):
            graph = similarity_graph(left, 0.3, y=right)
            edge, cosine = reference.similarity_graph(left, 0.3, y=right)
            assert torch.equal(graph.edge_index.flip(0).T, edge.nonzero())
            assert torch.equal(graph.edge_weight, cosine[graph.row, graph.col].float())
            assert graph.search is not None
            assert graph.search.screen == f"triton, {'int8' if integer else 'float16'}{' by TMA' if tma else ''}"
    triton_similarity.SMALL = 1 << 25
    less = similarity_graph(x, 0.3, recall=0.5, screen="head")  # both are for a CPU; and from both sides
    assert torch.equal(less.edge_index, graph.edge_index)
    assert torch.equal(less.edge_weight, graph.edge_weight)
    assert less.search == replace(graph.search, recall=1.0)


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
    hold("propagate_dense", "values", "gradients", "reruns", examples=4)
    hold("gcn_bottleneck_float32", "values", "gradients", "reruns", examples=3)


def adapter() -> None:
    """The fused tail with and without every optional part, in every dtype; gradients through its saved state."""
    multiply_bfloat16()
    hold("gcn_bottleneck_float32", "values", "gradients", "inputs_kept", "non_finite")
    way_up_by_triton()
    hold("gcn_bottleneck_float32", "values", "gradients", "layouts", "reruns", "inputs_kept", "non_finite")
    hold("gcn_bottleneck", "values", "permutation")


def bands() -> None:
    """However few rows are screened at a time, and where memory ran out at first, the graph is the same. Where it runs
    out whatever the bands, torch's own error comes through, which names the size."""
    import torch

    from graftwork.triton_kernels import similarity_graph
    from graftwork.triton_kernels.similarity import triton_compact, triton_similarity
    from graftwork.triton_kernels.similarity.vectors import Vectors

    small_steps()
    triton_compact.WORDS = triton_similarity.BAND = 32
    x = torch.randn(70, 4, generator=torch.Generator().manual_seed(2))
    found, screen, asked = similarity_graph(x, TAU), triton_similarity.screen, []  # small, so in one
    triton_similarity.SMALL = 0

    def short_of_memory(*given: object) -> None:
        asked.append(given)
        if len(asked) == 1:
            raise torch.OutOfMemoryError("asked for too much")
        screen(*given)

    triton_similarity.screen = short_of_memory
    again = triton_similarity.search(Vectors(x, x, True), TAU, room=1 << 25)
    assert len(asked) == 2

    def without_memory(*given: object) -> None:
        asked.append(given)
        raise torch.OutOfMemoryError("Tried to allocate 20 GiB")

    triton_similarity.screen = without_memory
    with pytest.raises(torch.OutOfMemoryError, match="allocate 20 GiB"):
        triton_similarity.search(Vectors(x, x, True), TAU)
    assert len(asked) == 2 + 4  # of 2 GiB, and three times of an eighth
    triton_similarity.screen = screen
    banded = triton_similarity.search(Vectors(x, x, True), TAU, room=1)
    assert found.num_edges > 10
    for other in (again, banded):
        assert torch.equal(found.edge_index, other.edge_index)
        assert torch.equal(found.edge_weight, other.edge_weight)


def beyond_int32() -> None:
    """A sender whose features start after 2^31 numbers; edges after 2^31 others, of a light and of a heavy row."""
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
    edges_beyond_int32()
    pairs_beyond_int32()


def pairs_beyond_int32() -> None:
    """Bits of pairs behind more than 2^31 words of others: written and read in the row that is theirs."""
    import torch

    from graftwork.triton_kernels.similarity import triton_compact, triton_screen
    from graftwork.triton_kernels.testing import unbacked

    left, right = torch.zeros(3, 64, dtype=torch.float16), torch.zeros(40, 64, dtype=torch.float16)
    left[:, 0], right[[0, 33, 39], 0] = 1, 1
    words = 2**30 + 2
    mask, scale = unbacked(3, words, dtype=torch.int32), torch.ones(1)
    cut = {"TMA": 0, "BM": 16, "BN": 64, "GROUP": 1, "num_warps": 1, "STAGES": 1}
    triton_screen.screen((left, right), (scale, scale), scale, 0.5, False, mask, 0, 0, cut)
    assert mask[:, :2].tolist() == [[1, 1 << 1 | 1 << 7]] * 3
    col = torch.zeros(9, dtype=torch.int32)
    triton_compact.fill(mask, torch.tensor([0, 3, 6, 9]), col, 0, False, 64)
    assert col.tolist() == [0, 33, 39] * 3


def edges_beyond_int32() -> None:
    """What the kernels make of the last edges of more than 2^31, whose numbers take no memory."""
    import torch

    from graftwork.triton_kernels import SparseGraph
    from graftwork.triton_kernels.message_passing import library, triton_normalise, triton_propagate
    from graftwork.triton_kernels.similarity import triton_verify
    from graftwork.triton_kernels.testing import unbacked

    before, here = 2**31 + 5, 20
    col, numbers, values = (unbacked(before + here, dtype=kind) for kind in (torch.int64, torch.float32, torch.float32))
    col[before:], numbers[before:] = torch.arange(here), 2
    compact = SparseGraph(torch.tensor([0, len(col)]), col, None, 1, here).structure.compact
    assert compact[0].dtype == torch.int64
    assert compact[1] is col
    rowptr, h = torch.tensor([before, before + 3, before + here]), torch.randn(here, 4)
    sums = torch.stack((h[:3].sum(0), h[3:].sum(0)))
    for triton_propagate.HEAVY in (512, 8):
        for value, times in ((None, 1), (numbers, 2)):
            torch.testing.assert_close(library.spmm(rowptr, col, value, h), times * sums)
    half, grid = torch.full((2,), 0.5, dtype=torch.float64), (2,)
    triton_normalise._values_kernel[(1,)](
        rowptr, col, numbers, half, numbers, values, 2,
        HAS_WEIGHT=True, HAS_LEFT=True, HAS_RIGHT=False, ROWS=8, EDGES=16,
    )  # fmt: skip
    assert values[before - 1 :].tolist() == [0] + [1] * here
    ones, kept = torch.ones(here, dtype=torch.float64), torch.zeros(3, dtype=torch.int32)
    triton_verify._verify_kernel[grid](
        h, h, ones, ones, rowptr, col, values, kept, kept, -9.0, 4,
        MIRROR=False, LOOPS=True, CHUNK=4, EDGES=4,
    )  # fmt: skip
    expected = torch.cat((h[:1] @ h[:3].T, h[1:2] @ h[3:].T), 1)[0]
    torch.testing.assert_close(values[before:], expected.clamp(-1, 1))
    assert kept.tolist() == [0, 3, here - 3]
    found, weights = unbacked(before + here, dtype=torch.int64), unbacked(before + here)
    triton_verify._place_kernel[grid](
        rowptr, col, values, rowptr, found, weights, kept, kept, kept, 2, MIRROR=False, EDGES=4
    )
    assert torch.equal(found[before:], col[before:])
    assert torch.equal(weights[before:], values[before:])


def mutations() -> None:
    """Every mutation of a Triton kernel makes the property fail that it names."""
    from graftwork.triton_kernels.similarity import triton_similarity

    from ..support.mutations import SMALL, TRITON, failing_property

    way_up_by_triton()
    assert failing_property(SMALL) == SMALL.property
    triton_similarity.SMALL = 0
    found = {name: failing_property(mutation) for name, mutation in TRITON.items()}
    assert found == {name: mutation.property for name, mutation in TRITON.items()}


if __name__ == "__main__":
    from .. import conftest  # noqa: F401 - in this process, too, every run draws the same examples

    globals()[sys.argv[1]]()
