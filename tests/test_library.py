"""The operators as torch sees them: opcheck, torch.compile without a break, autocast."""

import pytest
import torch
from torch import Tensor

from graftwork.triton_kernels import SparseGraph, gcn_bottleneck, propagate

GRAPH = SparseGraph.from_edge_index(
    torch.tensor([[1, 0, 3, 2, 0], [0, 1, 1, 3, 3]]), torch.tensor([0.5, 0.25, 0.75, 0.5, 1.0]), num_rows=4
)
ROWPTR, COL = GRAPH.rowptr, GRAPH.col


@pytest.mark.parametrize("value", [None, GRAPH.edge_weight])
def test_the_operators_pass_torchs_own_check(value: Tensor | None) -> None:
    """Schema, fake tensors, autograd registration and static tracing."""
    h = torch.randn(4, 3)
    torch.library.opcheck(torch.ops.graftwork.spmm, (ROWPTR, COL, value, h))
    torch.library.opcheck(torch.ops.graftwork.sddmm, (GRAPH.row, COL, h, h))
    back = GRAPH.structure.transpose()
    back_value = None if value is None else value[GRAPH.structure.order]
    ahead, behind = (ROWPTR, COL, value), (back.rowptr, back.col, back_value)
    leaf = h.clone().requires_grad_()
    torch.library.opcheck(torch.ops.graftwork.message_pass, (*ahead, *behind, leaf))


@pytest.mark.filterwarnings("ignore")  # torch.compile's own, of other versions' deprecations
@pytest.mark.parametrize("norm", ["sym", "row", None])
def test_compiled_without_a_graph_break_and_equal_to_eager(norm: str) -> None:
    torch._dynamo.reset()
    layer = torch.nn.Linear(3, 3)

    def model(h: Tensor) -> Tensor:
        return torch.tanh(propagate(GRAPH, layer(h), norm=norm))  # type: ignore[arg-type]

    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    h = torch.randn(4, 3, requires_grad=True)
    torch.testing.assert_close(compiled(h), model(h))
    found, expected = (torch.autograd.grad(f(h).square().sum(), (h, layer.weight)) for f in (compiled, model))
    for ours, right in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, right)


@pytest.mark.filterwarnings("ignore")
def test_the_whole_adapter_compiles_without_a_graph_break() -> None:
    torch._dynamo.reset()
    weights = {"w_down": torch.randn(3, 5), "w_gcn": torch.randn(3, 3), "w_up": torch.randn(5, 3, requires_grad=True)}
    x = torch.randn(4, 5)
    compiled = torch.compile(lambda x: gcn_bottleneck(x, GRAPH, **weights), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), gcn_bottleneck(x, GRAPH, **weights))
    compiled(x).sum().backward()
    assert weights["w_up"].grad is not None


def test_autocast_leaves_message_passing_in_the_dtype_it_is_given() -> None:
    h = torch.randn(4, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(propagate(GRAPH, h), propagate(GRAPH, h))
        assert propagate(GRAPH, h).dtype == torch.float32
        assert propagate(GRAPH, h.bfloat16()).dtype == torch.bfloat16
