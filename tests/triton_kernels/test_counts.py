"""What is counted of a call, and that the kernels' calls stay few: counts, never seconds."""

import os
import subprocess
import sys

import pytest
import torch

from graftwork.triton_kernels.testing import counted

from ..support.paths import ROOT


def test_operators_that_work_are_told_from_views_and_from_room() -> None:
    x = torch.ones(3, 4)
    with counted() as counts:
        (x.T.unsqueeze(0) + torch.empty(4, 3)).select(0, 0)
    assert counts.launching == {"add": 1}
    assert counts.operators["select"] == 1
    assert not counts.reads


@pytest.mark.parametrize(
    ("name", "look"),
    [
        ("_local_scalar_dense", lambda x: x[0].item()),
        ("_local_scalar_dense", lambda x: bool(x[0])),
        ("nonzero", lambda x: x.nonzero()),
        ("index", lambda x: x[x > 0]),
        ("index_put_", lambda x: x.__setitem__(x > 0, torch.ones(()))),
        ("tolist", lambda x: x.tolist()),
        ("repeat_interleave", lambda x: x.long().repeat_interleave(x.long())),
    ],
)
def test_a_look_at_numbers_is_a_read(name: str, look: object) -> None:
    x = torch.ones(3)
    with counted() as counts:
        look(x)  # type: ignore[operator]
    assert counts.reads[name] >= 1
    with counted() as counts:
        torch.where(x > 0, x, 0).sum()
    assert not counts.reads


def test_the_backward_pass_is_counted() -> None:
    x = torch.ones(3, requires_grad=True)
    y = x.sin().sum()
    with counted() as counts:
        y.backward()
    assert counts.operators["cos"] == 1


@pytest.mark.parametrize("check", ["launches", "messages", "graphs", "adapter"])
def test_kernels_interpreted_are_counted(check: str) -> None:
    pytest.importorskip("triton", "3.7", reason="no wheel for this machine, or one that cannot interpret our loops")
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-m", "tests.triton_kernels.test_counts", check]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def launches() -> None:
    """One launch is one, and the interpreter's own copies are none of the call's."""
    import triton
    import triton.language as tl

    @triton.jit
    def doubled(x, out):
        tl.store(out + tl.program_id(0), 2 * tl.load(x + tl.program_id(0)))

    x, out = torch.arange(4.0), torch.empty(4)
    with counted() as counts:
        doubled[(4,)](x, out)
    assert out.tolist() == [0, 2, 4, 6]
    assert counts.kernels == {"doubled": 1}
    assert counts.launches == 1


def messages() -> None:
    """After the first call a propagation is one launch, and two where rows are heavy; nothing is read. In any dtype,
    and backward as forward."""
    from graftwork.triton_kernels import SparseGraph, propagate
    from graftwork.triton_kernels.message_passing import triton_propagate

    generator = torch.Generator().manual_seed(0)
    ends = torch.randint(0, 30, (2, 200), generator=generator).unique(dim=1)
    for heavy, most in ((512, 1), (8, 2)):
        triton_propagate.HEAVY = heavy
        graph = SparseGraph.from_edge_index(ends, num_rows=30).with_self_loops()
        for dtype in (torch.float32, torch.bfloat16, torch.float64):
            h = torch.ones(30, 4, dtype=dtype, requires_grad=True)
            propagate(graph, h).backward(h.detach())
            with counted() as counts:
                out = propagate(graph, h)
            assert counts.launches == most, counts
            with counted() as back:
                torch.autograd.grad(out, h, h.detach())
            assert back.launches == most, back
            assert not counts.reads + back.reads


def graphs() -> None:
    """At most twelve launches and two looks, and with room for all pairs eleven and one; what has no edge needs
    fewer. `cpu` is asked of what is there already."""
    from graftwork.triton_kernels import similarity_graph
    from graftwork.triton_kernels.similarity import triton_similarity

    x = torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
    similarity_graph(x[:2], 0.3)  # imports Triton
    for triton_similarity.SMALL, launched, looks in ((1 << 25, 11, 1), (0, 12, 2)):
        for y in (None, x[:5]):
            with counted() as counts:
                similarity_graph(x, 0.3, y=y)
            assert counts.launches <= launched, counts
            assert (counts.reads - counts.reads.__class__(["cpu", "cpu"])).total() <= looks, counts


def adapter() -> None:
    """Forward four launches, and six where exact float32 products go up by torch's own; backward nine, with every bias
    and every gradient; nothing is read."""
    from graftwork.triton_kernels import SparseGraph, gcn_bottleneck

    generator = torch.Generator().manual_seed(0)
    ends = torch.randint(0, 20, (2, 60), generator=generator).unique(dim=1)
    graph = SparseGraph.from_edge_index(ends, num_rows=20).with_self_loops()
    shapes = {
        "x": (20, 5),
        "w_down": (3, 5),
        "w_gcn": (3, 3),
        "w_up": (5, 3),
        "b_down": (3,),
        "b_gcn": (3,),
        "b_up": (5,),
    }
    given = {name: torch.randn(shape, generator=generator).requires_grad_() for name, shape in shapes.items()}
    gcn_bottleneck(graph=graph, **given).sum().backward()
    for precision, most in (("high", 4), ("highest", 6)):
        torch.get_float32_matmul_precision = lambda precision=precision: precision
        with counted() as counts:
            out = gcn_bottleneck(graph=graph, **given)
        assert counts.launches <= most, counts
        assert not counts.reads
    with counted() as back:
        torch.autograd.grad(out, list(given.values()), torch.ones_like(out))
    assert back.launches <= 9 + 1, back  # the ones are the test's own
    assert not back.reads


if __name__ == "__main__":
    globals()[sys.argv[1]]()
