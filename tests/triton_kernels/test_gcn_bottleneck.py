"""gcn_bottleneck against the plain steps: values, gradients, transforms."""

from importlib import import_module

import pytest
import torch
from torch import Tensor

from graftwork.triton_kernels import SparseGraph, gcn_bottleneck, reference

fused = import_module("graftwork.triton_kernels.bottleneck.gcn_bottleneck")  # the package has the function by that name
NAMES = ("w_down", "w_gcn", "w_up", "b_down", "b_gcn", "b_up", "w_self")


def parameters(width: int = 5, bottleneck: int = 3, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    d, r = width, bottleneck
    shapes = ((r, d), (r, r), (d, r), (r,), (r,), (d,), (r, r))
    return {
        name: torch.randn(*shape, generator=generator, dtype=dtype) for name, shape in zip(NAMES, shapes, strict=True)
    }


def inputs(graph: SparseGraph, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(graph.num_nodes, 5, generator=torch.Generator().manual_seed(1), dtype=dtype)


GRAPH = SparseGraph.from_edge_index(
    torch.tensor([[1, 0, 3, 2, 0], [0, 1, 1, 3, 3]]), torch.tensor([0.5, 0.25, 0.75, 0.5, 1.0]), num_rows=4
).with_self_loops()


def test_transforms_equal_loops() -> None:
    """Per-sample gradients, as EWC takes them, and a batch of inputs."""
    weights = parameters()
    batch = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)

    def loss(w_up: Tensor, x: Tensor) -> Tensor:
        return gcn_bottleneck(x, GRAPH, **{**weights, "w_up": w_up}).square().sum()

    found = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weights["w_up"], batch)
    expected = torch.stack([torch.func.grad(loss)(weights["w_up"], x) for x in batch])
    torch.testing.assert_close(found, expected, atol=1e-11, rtol=1e-11)


def test_autocast_multiplies_in_its_dtype_and_agrees_to_its_precision() -> None:
    weights = parameters(dtype=torch.float32)
    x = inputs(GRAPH, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = gcn_bottleneck(x, GRAPH, **weights)
    torch.testing.assert_close(out.float(), gcn_bottleneck(x, GRAPH, **weights), atol=0.3, rtol=0.05)
    assert not torch.equal(out, gcn_bottleneck(x, GRAPH, **weights))


def test_zero_up_projection_is_the_identity() -> None:
    weights = parameters()
    weights["w_up"].zero_()
    weights["b_up"].zero_()
    x = inputs(GRAPH)
    assert torch.equal(gcn_bottleneck(x, GRAPH, **weights), x)


def test_an_unknown_activation_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'relu', 'gelu' or 'tanh', got 'swish'"):
        gcn_bottleneck(inputs(GRAPH), GRAPH, **parameters(), activation="swish")  # type: ignore[arg-type]


def test_blocks_of_rows_agree_with_the_plain_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values and gradients, with a last block that is not whole; and several gradients at once, vectorised."""
    monkeypatch.setattr(fused, "_block", lambda x: 3)
    weights = {name: tensor.requires_grad_() for name, tensor in parameters().items()}
    x = inputs(GRAPH).requires_grad_()
    given = (x, *weights.values())
    out = gcn_bottleneck(x, GRAPH, **weights, scale=0.7)
    dense = torch.zeros(4, 4, dtype=torch.float64)
    dense[GRAPH.row, GRAPH.col] = GRAPH.edge_weight.double()
    expected = reference.gcn_bottleneck(x, dense, **weights, scale=0.7)
    torch.testing.assert_close(out, expected)
    ahead = torch.randn(2, *out.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    plain = torch.autograd.grad(expected, given, ahead[0], retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(out, given, ahead[0], retain_graph=True), plain)
    many = torch.autograd.grad(out, given, ahead, retain_graph=True, is_grads_batched=True)
    torch.testing.assert_close(tuple(one[0] for one in many), plain)
