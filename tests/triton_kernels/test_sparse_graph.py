"""SparseGraph and attach: what they hold, refuse, and derive."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from graftwork.triton_kernels import SparseGraph, attach, propagate, similarity_graph
from graftwork.triton_kernels.testing import dense_adjacency, embeddings, sparse_graphs


def identical(a: SparseGraph, b: SparseGraph) -> bool:
    return (
        (a.num_rows, a.num_cols, a.weight is None, a.symmetric)
        == (b.num_rows, b.num_cols, b.weight is None, b.symmetric)
        and torch.equal(a.rowptr, b.rowptr)
        and torch.equal(a.col, b.col)
        and torch.equal(a.edge_weight, b.edge_weight)
    )


@given(st.booleans().flatmap(lambda square: sparse_graphs(square=square)), st.randoms(use_true_random=False))
def test_edges_survive_the_trip_through_edge_index_in_any_order(graph: SparseGraph, random: object) -> None:
    """from_edge_index sorts, and finds out whether the graph is symmetric."""
    order = torch.tensor(random.sample(range(graph.num_edges), graph.num_edges), dtype=torch.int64)  # type: ignore[attr-defined]
    weight = None if graph.weight is None else graph.weight[order]
    again = SparseGraph.from_edge_index(
        graph.edge_index[:, order], weight, num_rows=graph.num_rows, num_cols=graph.num_cols
    )
    assert identical(graph, again.validate())
    dense = dense_adjacency(graph)
    assert graph.symmetric == (graph.num_rows == graph.num_cols and torch.equal(dense, dense.T))


@given(st.booleans().flatmap(lambda square: sparse_graphs(square=square)))
def test_degree_is_the_row_sum_and_transpose_the_transpose(graph: SparseGraph) -> None:
    dense = dense_adjacency(graph)
    torch.testing.assert_close(graph.degree(), dense.sum(1))
    assert torch.equal(dense_adjacency(graph.transpose().validate()), dense.T)
    assert graph.transpose() is graph.transpose()
    assert (graph.transpose() is graph) == graph.symmetric


@given(sparse_graphs())
def test_self_loops_are_added_once_and_only_where_missing(graph: SparseGraph) -> None:
    looped = graph.with_self_loops().validate()
    expected = dense_adjacency(graph)
    expected += torch.diag((expected.diagonal() == 0).double())
    assert torch.equal(dense_adjacency(looped), expected)
    assert identical(looped, looped.with_self_loops())
    assert looped.symmetric == graph.symmetric


@given(sparse_graphs(min_nodes=1))
def test_a_loop_as_heavy_as_the_heaviest_edge_of_its_row(graph: SparseGraph) -> None:
    """And 1 where a row has no weight; loops that are there stay."""
    looped = graph.with_self_loops("nearest").validate()
    expected = dense_adjacency(graph)
    for node, row in enumerate(expected.clone()):
        if row[node] == 0:
            expected[node, node] = row.max() if row.max() > 0 else 1.0
    assert torch.equal(dense_adjacency(looped), expected)
    assert looped.symmetric == graph.symmetric


def test_edge_index_has_senders_above_receivers() -> None:
    """PyG's convention: source = column, target = row."""
    graph = SparseGraph.from_edge_index(torch.tensor([[2, 0], [1, 1]]), num_rows=2, num_cols=3)
    assert graph.edge_index.tolist() == [[0, 2], [1, 1]]
    assert graph.rowptr.tolist() == [0, 0, 2]
    assert (graph.num_rows, graph.num_cols, graph.num_edges) == (2, 3, 2)
    assert repr(graph) == "SparseGraph(2 x 3, 2 edges, binary)"


def test_moving_to_the_device_it_is_on_returns_the_graph_itself() -> None:
    graph = SparseGraph.from_edge_index(torch.tensor([[0], [1]]), num_rows=2)
    assert graph.to("cpu") is graph
    assert graph.to("meta").device.type == "meta"


@pytest.mark.parametrize(
    ("edges", "weight", "message"),
    [
        ([[0, 5], [1, 1]], None, "sender out of range: 5 is no node: there are 3"),
        ([[0, 1], [1, -1]], None, "receiver out of range: -1 is no node"),
        ([[0, 0], [1, 1]], None, "0 then 0 in row 1: give each edge once"),
        ([[0, 1], [1, 2]], [1.0, float("nan")], "edge 1 -> 2 has weight nan"),
        ([[0, 1], [1, 2]], [1.0], "one number an edge"),
        ([[0, 1, 2]], None, "integers \\[2, E\\]"),
        ([[0.0], [1.0]], None, "integers \\[2, E\\]"),
    ],
)
def test_bad_edges_are_refused_by_name(edges: list[list[float]], weight: list[float] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SparseGraph.from_edge_index(torch.tensor(edges), None if weight is None else torch.tensor(weight), num_rows=3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rowptr": torch.tensor([0, 1])}, r"rowptr must be torch.int64 \[3\]"),
        ({"col": torch.tensor([1, 0], dtype=torch.int32)}, "col must be torch.int64"),
        ({"weight": torch.ones(2, dtype=torch.float64)}, r"weight must be torch.float32 \[2\]"),
        ({"weight": torch.ones(3)}, r"weight must be torch.float32 \[2\]"),
        ({"weight": torch.ones(2, device="meta")}, "weight is on meta, col on cpu"),
        ({"num_cols": 3, "symmetric": True}, "a symmetric graph is square, this one is 2 x 3"),
    ],
)
def test_the_constructor_checks_shapes_and_types(change: dict[str, object], message: str) -> None:
    sound = {"rowptr": torch.tensor([0, 1, 2]), "col": torch.tensor([1, 0]), "weight": None}
    with pytest.raises(ValueError, match=message):
        SparseGraph(**{**sound, "num_rows": 2, "num_cols": 2, **change})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rowptr", "col", "message"),
    [
        ([0, 2, 1], [0, 1], "runs from 0 to 1"),
        ([0, 3, 2], [0, 1], "rowptr must rise"),
        ([1, 1, 2], [0, 1], "runs from 1 to 2"),
        ([0, 2, 2], [1, 0], "1 then 0 in row 0"),
        ([0, 1, 2], [0, 2], "column 2 is no node"),
        ([0, 1, 2], [0, 0], "differs from its transpose"),
    ],
)
def test_validate_finds_what_a_file_can_get_wrong(rowptr: list[int], col: list[int], message: str) -> None:
    graph = SparseGraph(torch.tensor(rowptr), torch.tensor(col), None, 2, 2, symmetric=True)
    with pytest.raises(ValueError, match=message):
        graph.validate()


def test_a_graph_with_two_weights_for_one_pair_is_not_symmetric() -> None:
    edges = torch.tensor([[0, 1], [1, 0]])
    assert SparseGraph.from_edge_index(edges, torch.tensor([0.5, 0.5]), num_rows=2).symmetric
    assert not SparseGraph.from_edge_index(edges, torch.tensor([0.5, 0.25]), num_rows=2).symmetric


def test_bipartite_graphs_have_no_single_node_count_and_no_self_loops() -> None:
    graph = SparseGraph.from_edge_index(torch.tensor([[2], [1]]), num_rows=2, num_cols=3)
    with pytest.raises(ValueError, match="bipartite: ask for num_rows"):
        _ = graph.num_nodes
    with pytest.raises(ValueError, match="bipartite"):
        graph.with_self_loops()


@given(st.data())
def test_attached_queries_send_nothing_and_leave_the_support_as_it_was(data: st.DataObject) -> None:
    support = data.draw(sparse_graphs(min_nodes=1))
    queries = data.draw(sparse_graphs(square=False, num_cols=support.num_nodes))
    both = attach(support, queries).validate()
    dense = dense_adjacency(both)
    s = support.num_nodes
    assert torch.equal(dense[:s, :s], dense_adjacency(support))
    assert torch.equal(dense[s:, :s], dense_adjacency(queries))
    assert not dense[:, s:].any()
    torch.testing.assert_close(both.degree()[:s], support.degree())
    assert (both.weight is None) == (support.weight is None and queries.weight is None)


@given(embeddings(min_rows=2, width=4), embeddings(min_rows=2, width=4), st.sampled_from((None, 2)), st.data())
def test_a_query_never_depends_on_its_batch(
    support: Tensor, queries: Tensor, k: int | None, data: st.DataObject
) -> None:
    """Alone, or among others in any order: same edges, and the same messages to rounding."""
    h = torch.randn(len(support), 3, generator=torch.Generator().manual_seed(0))
    graph = similarity_graph(support, 0.3, max_degree=k)

    def predict(batch: Tensor) -> tuple[SparseGraph, Tensor]:
        rows = similarity_graph(batch, 0.3, y=support, max_degree=k, tile=3)
        messages = torch.cat((h, torch.zeros(len(batch), 3)))
        return rows, propagate(attach(graph, rows).with_self_loops(), messages)

    together, out = predict(queries)
    order = data.draw(st.permutations(range(len(queries))))
    chosen = order[: data.draw(st.integers(1, len(queries)))]
    alone, out_alone = predict(queries[chosen])
    ends = together.rowptr.tolist()
    expected = [together.col[ends[i] : ends[i + 1]].tolist() for i in chosen]
    ends = alone.rowptr.tolist()
    assert [alone.col[a:b].tolist() for a, b in pairwise(ends)] == expected
    s = len(support)
    torch.testing.assert_close(out_alone[s:], out[[s + i for i in chosen]], atol=1e-6, rtol=1e-6)
    assert torch.equal(out_alone[:s], out[:s])


def test_attach_refuses_queries_over_another_support() -> None:
    support = SparseGraph.from_edge_index(torch.tensor([[0], [1]]), num_rows=2)
    queries = SparseGraph.from_edge_index(torch.tensor([[2], [1]]), num_rows=2, num_cols=3)
    with pytest.raises(ValueError, match="2 columns, one a support node"):
        attach(support, queries)
    with pytest.raises(ValueError, match="bipartite"):
        attach(queries, queries)
