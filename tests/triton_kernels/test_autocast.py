"""Under autocast products are in its dtype and sums in float32, by torch's own rules: on the CPU, and interpreted."""

import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from graftwork.triton_kernels import SparseGraph, gcn_bottleneck, propagate, reference
from graftwork.triton_kernels.testing import dense_adjacency

from ..support.paths import ROOT

LOW = (torch.bfloat16, torch.float16)


@pytest.mark.parametrize("low", LOW, ids=str)
def test_the_adapter_is_as_exact_as_torchs_steps_under_autocast(low: torch.dtype) -> None:
    as_exact_as_plain_steps(low)


@pytest.mark.parametrize("low", LOW, ids=str)
def test_messages_in_half_precision_are_summed_in_float32(low: torch.dtype) -> None:
    sums_in_float32(low)


def test_the_fused_adapter_is_as_exact_interpreted() -> None:
    pytest.importorskip("triton", "3.7", reason="no wheel for this machine, or one that cannot interpret our loops")
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-m", "tests.triton_kernels.test_autocast"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def sums_in_float32(low: torch.dtype) -> None:
    """A thousand ones: in bfloat16 their sum would stop at 256, in float16 one of 4,096 at 2,048."""
    many = 1000 if low == torch.bfloat16 else 4096
    ends = torch.stack((torch.arange(many), torch.zeros(many, dtype=torch.int64)))
    graph = SparseGraph.from_edge_index(ends, num_rows=1, num_cols=many)
    h = torch.ones(many, 2, dtype=low, requires_grad=True)
    with torch.autocast("cpu", low):
        out = propagate(graph, h, norm=None)
    assert out.tolist() == [[many, many]]
    out.sum().backward()
    assert torch.equal(h.grad, torch.ones_like(h))  # type: ignore[arg-type]


def given() -> tuple[SparseGraph, dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    ends = torch.randint(0, 20, (2, 100), generator=generator).unique(dim=1)
    graph = SparseGraph.from_edge_index(ends, num_rows=20).with_self_loops()
    shapes = {"x": (20, 24), "w_down": (8, 24), "w_gcn": (8, 8), "w_up": (24, 8)}
    shapes |= {"b_down": (8,), "b_gcn": (8,), "b_up": (24,), "w_self": (8, 8)}
    made = {name: torch.randn(shape, generator=generator) * shape[-1] ** -0.5 for name, shape in shapes.items()}
    return graph, {name: one.requires_grad_() for name, one in made.items()}


def answers(op: object, over: object, leaves: dict[str, Tensor]) -> dict[str, Tensor]:
    """The output, and the gradient of each leaf."""
    out = op(graph=over, **leaves) if op is gcn_bottleneck else op(adjacency=over, **leaves)  # type: ignore[operator]
    found = torch.autograd.grad(out.float().square().mean(), list(leaves.values()))
    return {"out": out, **dict(zip(leaves, found, strict=True))}


def as_exact_as_plain_steps(low: torch.dtype) -> None:
    """Values and every gradient lie as near to float64's as those of dense torch under autocast do; all float32."""
    graph, leaves = given()
    dense = dense_adjacency(graph)
    wide = {name: one.detach().double().requires_grad_() for name, one in leaves.items()}
    exact = answers(reference.gcn_bottleneck, dense, wide)
    with torch.autocast("cpu", low):
        ours = answers(gcn_bottleneck, graph, leaves)
        plain = answers(reference.gcn_bottleneck, dense.float(), leaves)
    full = answers(gcn_bottleneck, graph, leaves)
    for name, right in exact.items():
        assert ours[name].dtype == torch.float32
        assert off(full[name], right) < 1e-5, name
        assert 1e-5 < off(ours[name], right) < 2 * max(off(plain[name], right), torch.finfo(low).eps), name


def off(found: Tensor, right: Tensor) -> float:
    return float((found.detach().double() - right.detach()).norm() / right.detach().norm())


def twice_differentiable() -> None:
    """Second derivatives go by plain steps, which take what the kernels took."""
    graph, leaves = given()
    x = leaves["x"]
    with torch.autocast("cpu", torch.float16):
        out = gcn_bottleneck(graph=graph, **leaves)
    (first,) = torch.autograd.grad(out.square().mean(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x)
    out = gcn_bottleneck(graph=graph, **leaves)
    (first,) = torch.autograd.grad(out.square().mean(), x, create_graph=True)
    (expected,) = torch.autograd.grad(first.square().sum(), x)
    assert off(second, expected.double()) < 0.02


if __name__ == "__main__":
    from graftwork.triton_kernels.bottleneck import triton_bottleneck

    from .test_triton_interpreted import multiply_bfloat16

    multiply_bfloat16()
    taken: list[torch.dtype] = []
    launch = triton_bottleneck.up
    triton_bottleneck.up = lambda state, *more, **cut: taken.append(state.dtype) or launch(state, *more, **cut)  # type: ignore[func-returns-value]
    for precision in LOW:
        sums_in_float32(precision)
        as_exact_as_plain_steps(precision)
    twice_differentiable()
    assert set(LOW) == set(taken)  # exact float32 goes up by torch's own product
