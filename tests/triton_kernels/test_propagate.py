"""propagate against the dense reference, and its derivatives of every kind."""

import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor

from graftwork.triton_kernels import SparseGraph, attach, propagate, reference
from graftwork.triton_kernels.testing import dense_adjacency

NORMS = ("sym", "row", None)
norms = st.sampled_from(NORMS)


def hidden(rows: int, width: int = 3, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.randn(rows, width, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def graph_of(dense: list[list[float]]) -> SparseGraph:
    matrix = torch.tensor(dense)
    row, col = matrix.nonzero(as_tuple=True)
    return SparseGraph.from_edge_index(
        torch.stack((col, row)), matrix[row, col], num_rows=matrix.shape[0], num_cols=matrix.shape[1]
    )


ASYMMETRIC = graph_of([[0, 0.5, 0, 0], [0.25, 1, 0, 0], [0, 0.5, 0, 0.75], [0, 0, 0, 0]])
SYMMETRIC = graph_of([[0, 0.5, 0, 0], [0.5, 1, 0.25, 0], [0, 0.25, 0, 0], [0, 0, 0, 0]])
BOTH = pytest.mark.parametrize("graph", [ASYMMETRIC, SYMMETRIC], ids=["asymmetric", "symmetric"])
EACH_NORM = pytest.mark.parametrize("norm", NORMS)


@BOTH
@EACH_NORM
def test_torch_func_transforms(graph: SparseGraph, norm: str | None) -> None:
    """vmap over any dimension, jacrev, jacfwd, and per-sample gradients (vmap of grad)."""

    def op(x: Tensor) -> Tensor:
        return propagate(graph, x, norm=norm)  # type: ignore[arg-type]

    h = torch.stack([hidden(4, seed=seed) for seed in range(5)])
    loop = torch.stack([op(x) for x in h])
    for dim in range(3):
        mapped = torch.func.vmap(op, in_dims=dim, out_dims=dim)(h.movedim(0, dim))
        torch.testing.assert_close(mapped.movedim(dim, 0), loop, atol=1e-14, rtol=1e-14)
    torch.testing.assert_close(torch.func.vmap(torch.func.vmap(op))(h[None])[0], loop, atol=1e-14, rtol=1e-14)
    matrix = reference.propagate(dense_adjacency(graph), torch.eye(4, dtype=torch.float64), norm=norm)  # type: ignore[arg-type]
    expected = torch.einsum("ij,rs->irjs", matrix, torch.eye(3, dtype=torch.float64))
    for jacobian in (torch.func.jacrev, torch.func.jacfwd):
        torch.testing.assert_close(jacobian(op)(h[0]), expected, atol=1e-14, rtol=1e-14)
    squares = torch.func.vmap(torch.func.grad(lambda x: op(x).square().sum()))(h)
    torch.testing.assert_close(squares, 2 * matrix.T @ (matrix @ h), atol=1e-13, rtol=1e-13)


def test_what_a_transform_or_inference_mode_caches_serves_training_afterwards() -> None:
    """Normalised weights are cached on the graph: none of a transform's own tensors may stay behind."""
    for warm_up in (
        lambda graph, h: torch.func.jacrev(lambda x: propagate(graph, x))(h),
        lambda graph, h: torch.func.vmap(torch.func.grad(lambda x: propagate(graph, x).sum()))(h[None]),
        lambda graph, h: torch.inference_mode()(propagate)(graph, h),
    ):
        graph = graph_of(dense_adjacency(ASYMMETRIC).tolist())
        warm_up(graph, hidden(4))
        h = hidden(4).requires_grad_()
        propagate(graph, h).sum().backward()
        fresh = hidden(4).requires_grad_()
        propagate(ASYMMETRIC, fresh).sum().backward()
        assert h.grad is not None
        assert fresh.grad is not None
        assert torch.equal(h.grad, fresh.grad)


def test_reruns_and_thread_counts_are_bit_equal() -> None:
    generator = torch.Generator().manual_seed(0)
    dense = (torch.rand(300, 300, generator=generator) < 0.2) * torch.rand(300, 300, generator=generator)
    row, col = dense.nonzero(as_tuple=True)
    graph = SparseGraph.from_edge_index(torch.stack((col, row)), dense[row, col], num_rows=300)
    h = hidden(300, 65, torch.float32).requires_grad_()
    threads = torch.get_num_threads()
    try:
        runs = []
        for count in (1, 2, 2):
            torch.set_num_threads(count)
            out = propagate(graph, h)
            runs.append((out.detach(), torch.autograd.grad(out, h, out.detach())[0]))
    finally:
        torch.set_num_threads(threads)
    for out, gradient in runs[1:]:
        assert torch.equal(out, runs[0][0])
        assert torch.equal(gradient, runs[0][1])


@pytest.mark.parametrize("norm", ["sym", "row"])
def test_isolated_nodes_receive_zeros_and_constants_stay_constant(norm: str) -> None:
    """Rows of Â sum to 1 under `row`; a node without edges gets 0, not NaN."""
    out = propagate(SYMMETRIC, torch.ones(4, 2), norm=norm)  # type: ignore[arg-type]
    assert out[3].tolist() == [0.0, 0.0]
    assert out.isfinite().all()
    if norm == "row":
        torch.testing.assert_close(out[:3], torch.ones(3, 2))


def test_sym_divides_by_both_row_sums_on_an_attached_graph() -> None:
    """A query's message is w / sqrt(own degree * the support node's frozen degree)."""
    queries = graph_of([[0, 0.5, 0.5, 0]])
    graph = attach(SYMMETRIC, queries)
    h = torch.eye(5, dtype=torch.float64)
    degree = SYMMETRIC.degree()
    out = propagate(graph, h)
    assert out[4, 1].item() == pytest.approx(0.5 / (1.0 * degree[1].item()) ** 0.5)
    assert out[4, 2].item() == pytest.approx(0.5 / (1.0 * degree[2].item()) ** 0.5)
    assert not out[:, 4].any()
    torch.testing.assert_close(out[:4, :4], propagate(SYMMETRIC, h[:4, :4]))


def test_symmetric_graphs_never_build_a_transpose() -> None:
    """Their own rows serve the backward pass, under every norm."""
    graph = graph_of(dense_adjacency(SYMMETRIC).tolist())
    for norm in NORMS:
        h = hidden(4).requires_grad_()
        propagate(graph, h, norm=norm).sum().backward()  # type: ignore[arg-type]
    assert "transpose" not in graph._cache


@pytest.mark.parametrize(
    ("graph", "h", "norm", "message"),
    [
        (SYMMETRIC, torch.ones(3, 2), "sym", r"h must be floating \[4, r\].*got torch.float32 \[3, 2\]"),
        (SYMMETRIC, torch.ones(4), "sym", "h must be floating"),
        (SYMMETRIC, torch.ones(4, 2, dtype=torch.int64), "sym", "h must be floating"),
        (SYMMETRIC, torch.ones(4, 2, device="meta"), "sym", "h is on meta, the graph on cpu"),
        (SYMMETRIC, torch.ones(4, 2), "left", "'sym', 'row' or None, got 'left'"),
        (graph_of([[1, 2, 3]]), torch.ones(3, 2), "sym", "use norm='row', or attach"),
        (graph_of([[0, 1], [-2, 1]]), torch.ones(2, 2), "sym", "row 1 has -1.0: use norm='row' or None"),
    ],
)
def test_bad_arguments_are_refused_by_name(graph: SparseGraph, h: Tensor, norm: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        propagate(graph, h, norm=norm)  # type: ignore[arg-type]


def test_per_sample_gradients_of_edge_weights_equal_a_loop() -> None:
    batch = torch.stack([hidden(4, seed=i) for i in range(3)])
    weight = ASYMMETRIC.edge_weight.double()

    def loss(w: Tensor, h: Tensor) -> Tensor:
        return propagate(ASYMMETRIC, h, norm="row", edge_weight=w).square().sum()

    found = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weight, batch)
    loop = torch.stack([torch.func.grad(loss)(weight, h) for h in batch])
    torch.testing.assert_close(found, loop, atol=1e-13, rtol=1e-13)
    many = torch.stack([weight, weight * 2, weight + 1])
    found = torch.func.vmap(lambda w: propagate(ASYMMETRIC, batch[0], norm="row", edge_weight=w))(many)
    loop = torch.stack([propagate(ASYMMETRIC, batch[0], norm="row", edge_weight=w) for w in many])
    torch.testing.assert_close(found, loop, atol=1e-13, rtol=1e-13)


def test_weights_that_are_learned_share_the_graphs_structure() -> None:
    """The transpose's permutation is sorted once, however often the weights change."""
    first = ASYMMETRIC.with_weight(ASYMMETRIC.edge_weight.clone().requires_grad_())
    second = first.with_weight(torch.ones(first.num_edges, requires_grad=True))
    for graph in (first, second):
        propagate(graph, hidden(4).requires_grad_()).sum().backward()
        assert graph.weight is not None
        assert graph.weight.grad is not None
    assert first.structure is second.structure
    assert second.structure.transpose().transpose() is second.structure


def test_weight_gradients_never_make_a_dense_matrix() -> None:
    """200,000 nodes: N x N would be 160 GB."""
    n = 200_000
    ring = torch.arange(n)
    graph = SparseGraph.from_edge_index(torch.stack(((ring + 1) % n, ring)), num_rows=n)
    weight = torch.ones(n, requires_grad=True)
    h = hidden(n, 2, torch.float32)
    propagate(graph, h, norm=None, edge_weight=weight).sum().backward()
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, h.roll(-1, 0).sum(1), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (torch.ones(3), r"edge_weight must be floating \[4\]"),
        (torch.ones(4, dtype=torch.int64), "edge_weight must be floating"),
        (torch.ones(4, device="meta"), "edge_weight is on meta"),
        (torch.tensor([1.0, 1, -3, 1]), "degrees of 0 or more"),
    ],
)
def test_bad_edge_weights_are_refused_by_name(weight: Tensor, message: str) -> None:
    graph = SparseGraph.from_edge_index(torch.tensor([[1, 2, 0, 3], [0, 1, 2, 3]]), num_rows=4)
    with pytest.raises(ValueError, match=message):
        propagate(graph, torch.ones(4, 2), edge_weight=weight)
