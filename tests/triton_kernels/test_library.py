"""The operators as torch sees them: opcheck, torch.compile without a break, autocast, torch.func."""

import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from graftwork.triton_kernels import SparseGraph, gcn_bottleneck, propagate, similarity_graph

ASYMMETRIC = SparseGraph.from_edge_index(
    torch.tensor([[1, 0, 3, 2, 0], [0, 1, 1, 3, 3]]), torch.tensor([0.5, 0.25, 0.75, 0.5, 1.0]), num_rows=4
)
BIPARTITE = SparseGraph.from_edge_index(torch.tensor([[1, 0, 2], [0, 1, 1]]), num_rows=2, num_cols=3)
EMPTY = SparseGraph.from_edge_index(torch.zeros(2, 0, dtype=torch.int64), num_rows=3)
GRAPHS = {"asymmetric": ASYMMETRIC, "bipartite": BIPARTITE, "empty": EMPTY}
OPERATORS = ("spmm", "sddmm", "message_pass", "weighted_pass")
SHAPES = {"w_down": (3, 5), "w_gcn": (3, 3), "w_up": (5, 3)}


def arguments(name: str, graph: SparseGraph, weighted: bool, dtype: torch.dtype) -> tuple[Tensor | None, ...]:
    value = graph.edge_weight.to(dtype) if weighted else None
    h = torch.randn(graph.num_cols, 3, dtype=dtype)
    ahead = (*graph.structure.compact, value)
    if name == "spmm":
        return *ahead, h
    if name == "sddmm":
        return graph.structure.compact_row, graph.structure.compact[1], torch.randn(graph.num_rows, 3, dtype=dtype), h
    back = graph.structure.transpose()
    if name == "weighted_pass":
        weight, order = graph.edge_weight.to(dtype).requires_grad_(), graph.structure.order
        return *ahead[:2], graph.structure.compact_row, weight, order, *back.compact, h.requires_grad_()
    return *ahead, *back.compact, None if value is None else value[graph.structure.order], h.requires_grad_()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("name", OPERATORS)
def test_the_operators_pass_torchs_own_check(name: str, graph: str, weighted: bool, dtype: torch.dtype) -> None:
    """Schema, fake tensors, autograd registration and static tracing."""
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    if graph == "asymmetric" and dtype == torch.float32:
        tests += ("test_aot_dispatch_dynamic",)
    operator = getattr(torch.ops.graftwork, name)
    torch.library.opcheck(operator, arguments(name, GRAPHS[graph], weighted, dtype), test_utils=tests)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_operator_behind_pygs_layer_passes_it_too(weighted: bool) -> None:
    """What `torch.compile` traces of our GCNConv."""
    from graftwork.triton_kernels import pyg  # noqa: F401 - importing it registers the operator

    edge_index = torch.tensor([[0, 1, 2, 2], [1, 2, 0, 1]])
    weight = torch.rand(4) if weighted else None
    h = torch.randn(3, 2, requires_grad=True)
    tests = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic")
    given = (edge_index, weight, h, True, False, 1.0, False)
    torch.library.opcheck(torch.ops.graftwork.gcn_conv_pass, given, test_utils=tests)


def test_no_operator_is_left_out_of_that_check() -> None:
    registered = {name for name in torch._C._dispatch_get_all_op_names() if name.startswith("graftwork::")}
    assert {f"graftwork::{name}" for name in OPERATORS} <= registered
    assert {name.split("::")[1] for name in registered} <= {*OPERATORS, "gcn_conv_pass"}


def parameters() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(*shape, generator=generator).requires_grad_() for name, shape in SHAPES.items()}


def assert_compiled_is_eager(model: Any, *inputs: Tensor) -> None:
    """Values, and gradients with respect to the inputs that have one."""
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*inputs), model(*inputs))
    leaves = [x for x in inputs if x.requires_grad]
    found, expected = (torch.autograd.grad(f(*inputs).square().sum(), leaves) for f in (compiled, model))
    torch.testing.assert_close(found, expected)


@pytest.mark.filterwarnings("ignore")  # torch.compile's own, of other versions' deprecations
@pytest.mark.parametrize("norm", ["sym", "row", None])
def test_propagate_compiles_without_a_graph_break(norm: Any) -> None:
    weight = torch.randn(3, 3, requires_grad=True)
    h = torch.randn(4, 3, requires_grad=True)
    assert_compiled_is_eager(lambda h, w: torch.tanh(propagate(ASYMMETRIC, h @ w, norm=norm)), h, weight)


@pytest.mark.filterwarnings("ignore")
def test_propagate_with_learned_weights_compiles_without_a_graph_break() -> None:
    h, weight = torch.randn(4, 3, requires_grad=True), torch.rand(5).add(0.1).requires_grad_()
    assert_compiled_is_eager(lambda h, w: propagate(ASYMMETRIC, h, edge_weight=w), h, weight)


@pytest.mark.filterwarnings("ignore")
def test_the_whole_adapter_compiles_without_a_graph_break() -> None:
    """The frozen input has no gradient, as in training."""
    weights = parameters()

    def model(x: Tensor, *values: Tensor) -> Tensor:
        return gcn_bottleneck(x, ASYMMETRIC, **dict(zip(SHAPES, values, strict=True)))

    assert_compiled_is_eager(model, torch.randn(4, 5), *weights.values())


DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("norm", ["sym", "row", None])
def test_autocast_leaves_message_passing_in_the_dtype_it_is_given(norm: Any, dtype: torch.dtype) -> None:
    """As documented, with the same bits."""
    h = torch.randn(4, 3).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = propagate(ASYMMETRIC, h, norm=norm)
    assert out.dtype == dtype
    assert torch.equal(out, propagate(ASYMMETRIC, h, norm=norm))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_autocast_gives_the_adapter_the_dtype_of_its_addition(dtype: torch.dtype) -> None:
    """x is float32 or bfloat16, its change is bfloat16: the sum has x's dtype; gradients have their parameter's."""
    weights = parameters()
    x = torch.randn(4, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = gcn_bottleneck(x.to(dtype), ASYMMETRIC, **weights)
    assert out.dtype == dtype
    torch.testing.assert_close(out.float(), gcn_bottleneck(x, ASYMMETRIC, **weights), atol=0.2, rtol=0.05)
    out.float().sum().backward()
    assert {w.grad.dtype for w in weights.values() if w.grad is not None} == {torch.float32}


def test_autocast_changes_neither_edges_nor_weights_of_a_similarity_graph() -> None:
    x = torch.randn(20, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        graph = similarity_graph(x, 0.2)
    plain = similarity_graph(x, 0.2)
    assert torch.equal(graph.col, plain.col)
    assert torch.equal(graph.edge_weight, plain.edge_weight)
    assert graph.edge_weight.dtype == torch.float32


def test_what_a_transform_left_behind_is_the_tensor_that_it_wrapped() -> None:
    left: list[Tensor] = []
    h = torch.randn(4, 3)
    torch.func.grad(lambda one: (left.append(one), one.sum())[1])(h)
    assert torch.equal(propagate(ASYMMETRIC, left[0]), propagate(ASYMMETRIC, h))


def test_torch_func_grad_of_a_similarity_graph_is_autograds_and_vmap_says_that_it_cannot() -> None:
    """How many edges there are depends on the values, so examples cannot share a call."""

    def loss(x: Tensor) -> Tensor:
        return similarity_graph(x, 0.1).edge_weight.square().sum()

    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (expected,) = torch.autograd.grad(loss(x), x)
    torch.testing.assert_close(torch.func.grad(loss)(x.detach()), expected)
    for mapped in (loss, torch.func.grad(loss)):
        with pytest.raises(ValueError, match="edges of their own: call similarity_graph in a loop"):
            torch.func.vmap(mapped)(x.detach()[None])


def test_importing_the_kernels_imports_neither_triton_nor_torch_geometric_nor_hypothesis() -> None:
    """All cost seconds; nor does building a graph on a CPU import them."""
    code = (
        "import sys, torch\n"
        "from graftwork.triton_kernels import similarity_graph\n"
        "similarity_graph(torch.eye(3), 0.0)\n"
        "heavy = {'triton', 'torch_geometric', 'sklearn', 'scipy', 'hypothesis'}\n"
        "print({m.split('.')[0] for m in sys.modules} & heavy)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    if torch.cuda.is_available():
        environment["CUDA_VISIBLE_DEVICES"] = ""
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert output.stdout.strip() == "set()"
