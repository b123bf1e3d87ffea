"""Graphs to and from torch CSR, scipy and PyG; and our GCNConv against PyG's."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graftwork.triton_kernels import SparseGraph, propagate
from graftwork.triton_kernels.conversions import from_scipy, from_torch_csr, to_scipy, to_torch_csr
from graftwork.triton_kernels.testing import dense_adjacency, sparse_graphs

from ..support.paths import ROOT

torch_geometric = pytest.importorskip("torch_geometric", reason="PyG is an extra: graftwork[pyg]")

from torch_geometric.data import Data  # noqa: E402
from torch_geometric.nn import GCNConv as PygGCNConv  # noqa: E402
from torch_geometric.nn import MessagePassing, Sequential  # noqa: E402

from graftwork.triton_kernels import pyg  # noqa: E402
from graftwork.triton_kernels.pyg import GCNConv, from_data, to_data  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:Sparse (CSR|invariant):UserWarning")  # torch's own notices
ANY = st.booleans().flatmap(lambda square: sparse_graphs(square=square))


def same(a: SparseGraph, b: SparseGraph) -> bool:
    """Bit for bit, whether binary and symmetric too."""
    sizes = [(g.num_rows, g.num_cols, g.weight is None, g.symmetric) for g in (a, b)]
    tensors = [(g.rowptr, g.col, g.edge_weight) for g in (a, b)]
    return sizes[0] == sizes[1] and all(torch.equal(one, other) for one, other in zip(*tensors, strict=True))


@given(ANY)
def test_a_graph_survives_torch_csr(graph: SparseGraph) -> None:
    assert same(from_torch_csr(to_torch_csr(graph), binary=graph.weight is None), graph)


@given(ANY)
def test_a_graph_survives_scipy(graph: SparseGraph) -> None:
    for layout in ("csr", "csc", "coo"):
        matrix = to_scipy(graph).asformat(layout)
        assert same(from_scipy(matrix, binary=graph.weight is None), graph)


@given(sparse_graphs())
def test_a_graph_survives_pyg_data(graph: SparseGraph) -> None:
    data = to_data(graph, y=torch.arange(graph.num_rows))
    assert same(from_data(data), graph)
    assert (data.num_nodes, data.num_edges, len(data.y)) == (graph.num_rows, graph.num_edges, graph.num_rows)


@given(ANY)
def test_row_i_of_a_matrix_is_whom_i_hears(graph: SparseGraph) -> None:
    """A[i, j] weighs the message from j to i, so A @ h is message passing."""
    dense = dense_adjacency(graph, torch.float32)
    assert torch.equal(to_torch_csr(graph).to_dense(), dense)
    assert np.array_equal(to_scipy(graph).toarray(), dense.numpy())
    h = torch.randn(graph.num_cols, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(to_torch_csr(graph) @ h, propagate(graph, h, norm=None))


def test_a_scipy_matrix_is_a_copy() -> None:
    """Whoever changes it does not change the graph."""
    graph = SparseGraph.from_edge_index(torch.tensor([[0], [1]]), torch.ones(1), num_rows=2)
    to_scipy(graph).data[:] = 7
    assert graph.edge_weight.tolist() == [1]


def test_boolean_matrices_are_binary_graphs() -> None:
    matrix = torch.tensor([[False, True], [True, True]])
    assert from_torch_csr(matrix.to_sparse_csr()).weight is None
    assert from_scipy(scipy.sparse.csr_array(matrix.numpy())).weight is None


def test_csr_values_are_differentiable() -> None:
    value = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    matrix = torch.sparse_csr_tensor(torch.tensor([0, 2, 3]), torch.tensor([0, 1, 0]), value, (2, 2))
    (from_torch_csr(matrix).edge_weight * torch.tensor([5.0, 6.0, 7.0])).sum().backward()
    assert value.grad is not None
    assert value.grad.tolist() == [5, 6, 7]


def test_csr_columns_may_be_in_any_order() -> None:
    matrix = torch.sparse_csr_tensor(
        torch.tensor([0, 2, 3]), torch.tensor([1, 0, 0]), torch.tensor([1.0, 2, 3]), (2, 2)
    )
    assert from_torch_csr(matrix).col.tolist() == [0, 1, 0]
    assert from_torch_csr(matrix).edge_weight.tolist() == [2, 1, 3]


@pytest.mark.parametrize(
    ("rowptr", "col", "value", "message"),
    [
        ([0, 1, 2], [0, 2], torch.ones(2), "sender out of range: 2 is no node"),
        ([0, 2, 2], [1, 1], torch.ones(2), "1 then 1 in row 0: give each edge once"),
        ([0, 3, 2], [0, 1], torch.ones(2), "crow_indices must rise"),
        ([0, 1, 2], [0, 1], torch.tensor([1.0, torch.nan]), "edge 1 -> 1 has weight nan"),
        ([0, 1, 2], [0, 1], torch.ones(2, dtype=torch.complex64), "one number an edge, got torch.complex64"),
    ],
)
def test_bad_csr_matrices_are_refused_by_name(rowptr: list[int], col: list[int], value: Tensor, message: str) -> None:
    arrays = torch.tensor(rowptr), torch.tensor(col), value
    with pytest.raises(ValueError, match=message):
        from_torch_csr(torch.sparse_csr_tensor(*arrays, (2, 2), check_invariants=False))


def test_other_layouts_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"torch.strided \[2, 2\]: convert it by .to_sparse_csr"):
        from_torch_csr(torch.eye(2))
    with pytest.raises(ValueError, match=r"torch\.sparse_coo"):
        from_torch_csr(torch.eye(2).to_sparse())
    with pytest.raises(ValueError, match=r"torch.sparse_csr \[2, 2, 2\]"):
        from_torch_csr(torch.ones(2, 2, 2).to_sparse_csr())


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.eye(2), r"expected a scipy sparse matrix \[N, M\], got ndarray \[2, 2\]"),
        (scipy.sparse.csr_array(np.eye(2) * 1j), "real numbers, got complex128"),
        (
            scipy.sparse.coo_array((np.ones(2), ([0, 0], [1, 1])), shape=(2, 2)),
            "1 then 1 in row 0: give each edge once",
        ),
        (scipy.sparse.csr_array(np.array([[0, np.inf], [0, 0]])), "edge 1 -> 0 has weight inf"),
    ],
)
def test_bad_scipy_matrices_are_refused_by_name(matrix: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_scipy(matrix)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (Data(x=torch.ones(2, 1)), "no edge_index"),
        (Data(edge_index=torch.tensor([[0], [2]]), num_nodes=2), "receiver out of range: 2 is no node: there are 2"),
        (Data(edge_index=torch.tensor([[0, 0], [1, 1]]), num_nodes=2), "give each edge once"),
        (Data(edge_index=torch.tensor([[0.0], [1.0]]), num_nodes=2), r"integers \[2, E\]"),
        (Data(edge_index=torch.tensor([[True], [True]]), num_nodes=2), r"integers \[2, E\]"),
        (Data(edge_index=torch.tensor([[0], [1]]), edge_weight=torch.ones(1, 2), num_nodes=2), "one number an edge"),
    ],
)
def test_bad_data_is_refused_by_name(data: Data, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_data(data)


def test_data_holds_square_graphs_alone() -> None:
    graph = SparseGraph.from_edge_index(torch.tensor([[2], [1]]), num_rows=2, num_cols=3)
    with pytest.raises(ValueError, match="bipartite"):
        to_data(graph)


@st.composite
def edges(draw: st.DrawFn, repeats: bool = True) -> tuple[int, Tensor, Tensor | None]:
    """Nodes, edge_index in any order with loops (and repeats), and weights or None."""
    nodes = draw(st.integers(1, 7))
    pair = st.tuples(st.integers(0, nodes - 1), st.integers(0, nodes - 1))
    pairs = draw(st.lists(pair, max_size=20, unique=not repeats))
    if repeats:  # PyG keeps the weight of any one of several loops at a node
        pairs = [p for i, p in enumerate(pairs) if p[0] != p[1] or p not in pairs[:i]]
    edge_index = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).T.contiguous()
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    weight = torch.rand(len(pairs), generator=generator) + 0.1 if draw(st.booleans()) else None
    return nodes, edge_index, weight


def pair_of_layers(**options: object) -> tuple[GCNConv, PygGCNConv]:
    """Ours and PyG's with the same parameters, loaded from one into the other."""
    torch.manual_seed(0)
    theirs = PygGCNConv(3, 4, **options)
    if theirs.bias is not None:
        torch.nn.init.normal_(theirs.bias)
    ours = GCNConv(3, 4, **options)
    ours.load_state_dict(theirs.state_dict())
    PygGCNConv(3, 4, **options).load_state_dict(ours.state_dict())
    return ours, theirs


@settings(max_examples=60)
@given(
    edges(),
    st.sampled_from(
        [
            {},
            {"improved": True},
            {"add_self_loops": False},
            {"normalize": False},
            {"bias": False},
            {"flow": "target_to_source"},
            {"cached": True},
        ]
    ),
    st.sampled_from([(), (2,)]),
)
def test_gcn_conv_equals_pygs_in_value_and_gradients(
    graph: tuple[int, Tensor, Tensor | None], options: dict[str, object], batch: tuple[int, ...]
) -> None:
    """Values, and gradients of features, weights of edges, and parameters; loops and repeated edges included."""
    nodes, edge_index, edge_weight = graph
    results = []
    x = torch.randn(*batch, nodes, 3, generator=torch.Generator().manual_seed(1))
    for layer in pair_of_layers(**options):
        h = x.clone().requires_grad_()
        weight = None if edge_weight is None else edge_weight.clone().requires_grad_()
        out = layer(h, edge_index, weight)
        (out * torch.arange(out.numel()).reshape(out.shape).cos()).sum().backward()
        leaves = [h, *layer.parameters(), *([] if weight is None else [weight])]
        results.append([out, *(torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves)])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)


def test_gcn_conv_drops_into_a_pyg_sequential() -> None:
    """In place of PyG's, in its own container; the model's state dict fits both."""

    def model(layer: type) -> Sequential:
        steps = [(layer(3, 8), "x, edge_index -> x"), torch.nn.ReLU(), (layer(8, 2), "x, edge_index -> x")]
        return Sequential("x, edge_index", steps)

    ours, theirs = model(GCNConv), model(PygGCNConv)
    ours.load_state_dict(theirs.state_dict())
    x, edge_index = torch.randn(5, 3), torch.tensor([[0, 1, 2, 3, 4, 1], [1, 2, 3, 4, 0, 0]])
    torch.testing.assert_close(ours(x, edge_index), theirs(x, edge_index))
    assert all(isinstance(one, MessagePassing) for one in ours.modules() if isinstance(one, GCNConv))


def test_gcn_conv_takes_pygs_arguments_in_pygs_order() -> None:
    ours, theirs = GCNConv(3, 4, True, True, False, True, False), PygGCNConv(3, 4, True, True, False, True, False)
    names = ("in_channels", "out_channels", "improved", "cached", "add_self_loops", "normalize", "bias")
    assert [getattr(ours, name) for name in names] == [getattr(theirs, name) for name in names]
    assert repr(ours) == repr(theirs)


def test_gcn_conv_takes_a_sparse_graph() -> None:
    """The graph itself in place of edge_index and edge_weight."""
    ours, _ = pair_of_layers()
    edge_index = torch.tensor([[0, 1, 2], [1, 2, 0]])
    weight = torch.tensor([0.5, 0.25, 1.0])
    x = torch.randn(3, 3)
    graph = SparseGraph.from_edge_index(edge_index, weight, num_rows=3)
    torch.testing.assert_close(ours(x, graph), ours(x, edge_index, weight))
    with pytest.raises(ValueError, match="brings its own weights"):
        ours(x, graph, weight)


def test_the_same_edges_are_sorted_once_and_changed_ones_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Identity and version decide: an equal copy, an in-place change or other weights are new edges."""
    ours, theirs = pair_of_layers()
    sorts = []
    monkeypatch.setattr(pyg, "_sorted", lambda *a, f=pyg._sorted: (sorts.append(1), f(*a))[1])
    x, edge_index, weight = torch.randn(3, 3), torch.tensor([[0, 1], [1, 2]]), torch.tensor([0.5, 2.0])
    for _ in range(3):
        ours(x, edge_index, weight)
    assert len(sorts) == 1
    weight[0] = 3
    torch.testing.assert_close(ours(x, edge_index, weight), theirs(x, edge_index, weight))
    edge_index[0, 0] = 2
    torch.testing.assert_close(ours(x, edge_index, weight), theirs(x, edge_index, weight))
    torch.testing.assert_close(ours(x, edge_index), theirs(x, edge_index))
    torch.testing.assert_close(ours(x, edge_index.clone()), theirs(x, edge_index))
    assert len(sorts) == 5
    ours(torch.randn(4, 3), edge_index)
    assert len(sorts) == 6


def test_cached_edges_are_those_of_the_first_call_that_caches_and_stand_under_pygs_name() -> None:
    """Other edges that came before are not taken for them; PyG's own way finds what it would have kept."""
    ours, theirs = pair_of_layers()
    x, first, second = torch.randn(3, 3), torch.tensor([[0, 1], [1, 2]]), torch.tensor([[2, 0, 1], [0, 2, 2]])
    ours(x, first)
    ours.cached = theirs.cached = True
    expected = theirs(x, second)
    torch.testing.assert_close(ours(x, second), expected)
    torch.testing.assert_close(ours(x, first), expected)
    found, kept = (to_dense(layer._cached_edge_index) for layer in (ours, theirs))
    torch.testing.assert_close(found, kept)
    ours.reset_parameters()
    assert ours._cached_edge_index is None


def to_dense(cached: tuple[Tensor, Tensor]) -> Tensor:
    edges, weight = cached
    return torch.zeros(3, 3).index_put(tuple(edges), weight.detach())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"improved": True}, {"normalize": False}, {"flow": "target_to_source"}], ids=str
)
def test_a_model_of_pygs_is_compiled_without_a_break(options: dict[str, object], weighted: bool) -> None:
    """Two sizes of graph, values and gradients; edges are sorted once. `fullgraph` raises at a break."""
    torch._dynamo.reset()
    ours, theirs = pair_of_layers(**options)
    compiled = torch.compile(ours, backend="aot_eager", fullgraph=True)
    generator = torch.Generator().manual_seed(0)
    for nodes, edges in ((6, 20), (9, 31)):
        x = torch.randn(nodes, 3, generator=generator).requires_grad_()
        edge_index = torch.randint(0, nodes, (2, edges), generator=generator)
        given_weight = (torch.rand(edges, generator=generator),) if weighted else ()
        out, expected = compiled(x, edge_index, *given_weight), theirs(x, edge_index, *given_weight)
        torch.testing.assert_close(out, expected)
        found = torch.autograd.grad(out.square().sum(), (x, *ours.parameters()))
        right = torch.autograd.grad(expected.square().sum(), (x, *theirs.parameters()))
        torch.testing.assert_close(found, right, atol=1e-5, rtol=1e-5)


def test_learned_weights_are_compiled_by_pygs_own_way() -> None:
    torch._dynamo.reset()
    ours, theirs = pair_of_layers()
    x, edge_index = torch.randn(3, 3), torch.tensor([[0, 1], [1, 2]])
    weight = torch.tensor([0.5, 2.0], requires_grad=True)
    compiled = torch.compile(ours, backend="aot_eager", fullgraph=True)
    found = [torch.autograd.grad(one(x, edge_index, weight).sum(), weight)[0] for one in (compiled, theirs)]
    torch.testing.assert_close(*found)


@pytest.mark.filterwarnings("ignore:.*(jittable|torch.jit).*:")
def test_torch_script_gets_pygs_own_layer_with_the_same_parameters() -> None:
    ours, theirs = pair_of_layers()
    x, edge_index = torch.randn(3, 3), torch.tensor([[0, 1], [1, 2]])
    jittable = ours.jittable()
    assert jittable.lin.weight is ours.lin.weight
    torch.testing.assert_close(torch.jit.script(jittable)(x, edge_index), theirs(x, edge_index))


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:")
def test_a_model_with_our_layers_can_be_scripted_as_it_is() -> None:
    ours, theirs = pair_of_layers()
    x, edge_index = torch.randn(3, 3), torch.tensor([[0, 1], [1, 2]])
    ours(x, edge_index)  # edges remembered are no part of what is scripted
    scripted = torch.jit.script(ours)
    torch.testing.assert_close(scripted(x, edge_index), theirs(x, edge_index))
    assert scripted.lin.weight.data_ptr() == ours.lin.weight.data_ptr()


def _write_data(one: Tensor) -> None:
    one.data[..., 0] = one.data[..., 0].flip(0) + (0.5 if one.is_floating_point() else 0)


def _write_numpy(one: Tensor) -> None:
    one.numpy()[..., 1] = one.numpy()[..., 2]


def _other_data(one: Tensor) -> None:
    one.data = one.data.flip(-1).clone()


def _in_place(one: Tensor) -> None:
    one.copy_(one.flip(-1))


@pytest.mark.parametrize("write", [_write_data, _write_numpy, _other_data, _in_place])
@pytest.mark.parametrize("which", ["edge_index", "edge_weight"])
def test_edges_changed_in_any_way_are_seen(write: Callable[[Tensor], None], which: str) -> None:
    """Through ``.data``, a NumPy view, another storage, in place: the result is PyG's of the edges as they are."""
    torch.manual_seed(0)
    x, edges, weight = torch.randn(6, 3), torch.tensor([[0, 1, 1, 2, 3], [1, 0, 2, 1, 0]]), torch.rand(5)
    theirs, ours = PygGCNConv(3, 4), GCNConv(3, 4)
    ours.load_state_dict(theirs.state_dict())
    before = ours(x, edges, weight)
    write(edges if which == "edge_index" else weight)
    after = ours(x, edges, weight)
    torch.testing.assert_close(after, theirs(x, edges, weight))
    assert not torch.equal(before, after)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("normalize", [True, False])
def test_weights_of_float64_give_what_pyg_gives(dtype: torch.dtype, normalize: bool) -> None:
    """The result has PyG's type and values, also with weights that are learned."""
    x, edges = torch.randn(6, 3), torch.tensor([[0, 1, 1, 2, 3], [1, 0, 2, 1, 0]])
    weight = torch.rand(5, dtype=dtype, requires_grad=True)
    theirs, ours = PygGCNConv(3, 4, normalize=normalize), GCNConv(3, 4, normalize=normalize)
    ours.load_state_dict(theirs.state_dict())
    expected = theirs(x, edges, weight)
    assert ours(x, edges, weight).dtype == expected.dtype
    torch.testing.assert_close(ours(x, edges, weight), expected)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 3)])
def test_a_graph_without_nodes_gives_none(shape: tuple[int, ...]) -> None:
    """As PyG: [0, out]."""
    empty = torch.empty(2, 0, dtype=torch.int64)
    assert GCNConv(3, 4)(torch.empty(shape), empty).shape == PygGCNConv(3, 4)(torch.empty(shape), empty).shape


def test_a_layer_can_be_copied_and_pickled_after_use() -> None:
    ours, _ = pair_of_layers()
    x, edge_index = torch.randn(3, 3), torch.tensor([[0, 1], [1, 2]])
    expected = ours(x, edge_index)
    for again in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert torch.equal(again(x, edge_index), expected)


def test_pygs_machinery_runs_where_it_is_asked_for() -> None:
    """Hooks on messages see them; a sparse adjacency goes PyG's way."""
    ours, theirs = pair_of_layers()
    x, edge_index = torch.randn(3, 3), torch.tensor([[0, 1], [1, 2]])
    adjacency = torch.sparse_coo_tensor(edge_index.flip(0), torch.ones(2), (3, 3)).to_sparse_csr()
    torch.testing.assert_close(ours(x, adjacency), theirs(x, adjacency))
    seen = []
    ours.register_message_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    torch.testing.assert_close(ours(x, edge_index), theirs(x, edge_index))
    assert seen == [torch.Size([5, 4])]  # two edges and three loops


@pytest.mark.parametrize(
    ("edge_index", "weight", "message"),
    [
        (torch.tensor([[0], [3]]), None, "node out of range: 3 is no node: there are 3"),
        (torch.tensor([[0.0], [1.0]]), None, r"integers \[2, E\]"),
        (torch.tensor([0, 1]), None, r"integers \[2, E\]"),
        (torch.tensor([[0], [1]]), torch.ones(2), "one number an edge"),
        (torch.tensor([[0], [1]]), torch.tensor([torch.inf]), "edge 0 -> 1 has weight inf"),
    ],
)
def test_bad_edges_are_refused_by_the_layer(edge_index: Tensor, weight: Tensor | None, message: str) -> None:
    ours, _ = pair_of_layers()
    with pytest.raises(ValueError, match=message):
        ours(torch.randn(3, 3), edge_index, weight)


def test_other_aggregations_are_refused() -> None:
    with pytest.raises(ValueError, match=r"sums messages .* got aggr='max'"):
        GCNConv(3, 4, aggr="max")


def test_without_pyg_the_extra_is_named_and_conversions_import_nothing_they_do_not_need() -> None:
    code = """
import sys
sys.modules["torch_geometric"] = None  # what import says of a package that is not there
import graftwork.triton_kernels.conversions
print("scipy" in sys.modules)
try:
    import graftwork.triton_kernels.pyg
except ImportError as error:
    print(error)
"""
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    needs = "graftwork.triton_kernels.pyg needs PyTorch Geometric: pip install 'graftwork[pyg]'"
    assert printed.splitlines() == ["False", needs]


def test_the_page_runs() -> None:
    """Every Python block of docs/interop.md, in order, in one namespace."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "interop.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) >= 3
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/interop.md", "exec"), namespace)
