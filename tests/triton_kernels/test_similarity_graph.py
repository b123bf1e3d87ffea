"""similarity_graph against the dense reference, and what it promises about ties, threads and settings."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from graftwork.triton_kernels import SparseGraph, reference, similarity_graph
from graftwork.triton_kernels.similarity import tile_search
from graftwork.triton_kernels.testing import embeddings

OPTIONS = {
    "max_degree": st.sampled_from((None, 1, 2, 3, 50)),
    "cap": st.sampled_from(("union", "mutual")),
    "tile": st.sampled_from((1, 3, 8, 512)),
    "screen": st.sampled_from((None, "float32", "bfloat16", "head", "head_bfloat16")),
}


@pytest.fixture
def threads() -> Iterator[None]:
    """Put the number of threads back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def threads_of_a_new_thread() -> int:
    """A worker's own setting leaks there, not into the thread that asks."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(torch.get_num_threads).result()


def edges_of(graph: SparseGraph) -> set[tuple[int, int]]:
    return set(zip(graph.row.tolist(), graph.col.tolist(), strict=True))


def test_an_edge_needs_at_least_the_threshold() -> None:
    """Cosines of 3/4, 1/2, 1/4 exactly: each is an edge at its own threshold, and not a hair above."""
    x = torch.ones(4, 8)
    x[1, :1] = x[2, :2] = x[3, :3] = -1
    for threshold, first in ((0.75, {1}), (0.5, {1, 2}), (0.25, {1, 2, 3})):
        assert {j for i, j in edges_of(similarity_graph(x, threshold)) if i == 0} == first
        above = float(torch.tensor(threshold).nextafter(torch.tensor(2.0)))
        assert {j for i, j in edges_of(similarity_graph(x, above)) if i == 0} == set(range(1, len(first)))


def test_the_threshold_is_compared_in_float32() -> None:
    """0.6 and 0.8 are no binary fractions, yet cos((3, 4), (1, 0)) reaches 0.6 and cos((3, 4), (0, 1)) 0.8."""
    x, y = torch.tensor([[3.0, 4.0]]), torch.eye(2)
    assert similarity_graph(x, 0.6, y=y).col.tolist() == [0, 1]
    assert similarity_graph(x, 0.8, y=y).col.tolist() == [1]


@pytest.mark.parametrize("width", [2, 3, 17, 64])
def test_copies_of_a_row_are_edges_at_threshold_one(width: int) -> None:
    """A float32 product often says 0.99999994; the exact cosine is 1."""
    row = torch.randn(50, width, generator=torch.Generator().manual_seed(width))
    graph = similarity_graph(torch.cat((row, row * 3)), 1.0)
    assert {(i, i + 50) for i in range(50)} <= edges_of(graph)
    assert graph.edge_weight.unique().tolist() == [1.0]


def test_thresholds_on_every_side_of_a_generic_cosine_decide_exactly() -> None:
    """Screening alone gets some of these wrong: its error is larger than the steps taken here."""
    x = torch.randn(40, 512, generator=torch.Generator().manual_seed(0)) + 0.7
    _, cosine = reference.similarity_graph(x, 0.0)
    for i in range(1, 40):
        at = cosine[0, i]
        above = at.nextafter(torch.tensor(2.0))
        assert (0, i) in edges_of(similarity_graph(x, float(at)))
        assert (0, i) not in edges_of(similarity_graph(x, float(above)))


def test_a_zero_vector_has_cosine_zero_with_everything() -> None:
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    assert len(edges_of(similarity_graph(x, 0.0))) == 6
    assert similarity_graph(x, 0.0).edge_weight.tolist() == [0.0] * 6
    assert similarity_graph(x, 1e-30).num_edges == 0
    assert similarity_graph(x, 1e-30, self_loops=True).edge_weight.tolist() == [1.0] * 3


@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1e30, 3e38])
def test_the_length_of_a_vector_does_not_matter(scale: float) -> None:
    """Squares of these leave the range of float32."""
    x = torch.tensor([[1.0, 1.0], [1.0, 0.0], [-1.0, 1.0]])
    assert edges_of(similarity_graph(x * scale, 0.7)) == edges_of(similarity_graph(x, 0.7)) == {(0, 1), (1, 0)}
    huge = x.double() * 1e300
    assert edges_of(similarity_graph(huge, 0.7)) == {(0, 1), (1, 0)}


def test_the_cap_settles_ties_by_the_lower_column() -> None:
    x, y = torch.ones(1, 3), torch.ones(5, 3)
    assert similarity_graph(x, 0.5, y=y, max_degree=2).col.tolist() == [0, 1]


def test_union_keeps_what_either_end_keeps_and_mutual_what_both_do() -> None:
    angles = torch.tensor([0.0, 0.2, 0.5])  # 0-1 is the closest pair, 2 prefers 1, 1 prefers 0
    x = torch.stack((angles.cos(), angles.sin()), 1)
    assert edges_of(similarity_graph(x, 0.0, max_degree=1, cap="union")) == {(0, 1), (1, 0), (1, 2), (2, 1)}
    assert edges_of(similarity_graph(x, 0.0, max_degree=1, cap="mutual")) == {(0, 1), (1, 0)}


@pytest.mark.usefixtures("threads")
def test_neither_threads_nor_tiles_nor_settings_change_the_graph_and_all_are_left_alone() -> None:
    """Bit-equal for one and two threads, reruns, autocast, inference mode and low-precision products."""
    x = torch.randn(200, 24, generator=torch.Generator().manual_seed(1)).requires_grad_()
    torch.set_num_threads(2)
    graph = similarity_graph(x, 0.3, tile=32, max_degree=9)
    assert torch.get_num_threads() == threads_of_a_new_thread() == 2
    torch.set_num_threads(1)
    others = [similarity_graph(x, 0.3, tile=32, max_degree=9)]
    assert torch.get_num_threads() == threads_of_a_new_thread() == 1
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.inference_mode():
        others.append(similarity_graph(x, 0.3, tile=32, max_degree=9))
    precision = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        others.append(similarity_graph(x, 0.3, tile=32, max_degree=9))
        assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"
    finally:
        torch.set_float32_matmul_precision(precision)
    for other in others:
        assert torch.equal(graph.rowptr, other.rowptr)
        assert torch.equal(graph.col, other.col)
        assert torch.equal(graph.edge_weight, other.edge_weight)
        assert not other.edge_weight.is_inference()
    assert edges_of(similarity_graph(x, 0.3, tile=200, max_degree=9)) == edges_of(graph)


@pytest.mark.usefixtures("threads")
def test_the_number_of_threads_survives_an_error() -> None:
    torch.set_num_threads(2)
    with pytest.raises(ValueError, match="NaN"):
        similarity_graph(torch.full((3, 2), float("nan")), 0.5)
    assert torch.get_num_threads() == threads_of_a_new_thread() == 2


@given(embeddings(min_rows=1), st.sampled_from((float("nan"), float("inf"), -float("inf"))), st.data())
def test_the_first_row_that_is_not_finite_is_named(x: Tensor, value: float, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(x) - 1))
    x[row:, data.draw(st.integers(0, x.shape[1] - 1))] = value
    with pytest.raises(ValueError, match=f"x has NaN or inf in {len(x) - row} rows, first in row {row}:"):
        similarity_graph(x, 0.5, tile=4)
    assume(x.shape[1] > 0)
    with pytest.raises(ValueError, match="y has NaN or inf"):
        similarity_graph(torch.ones(1, x.shape[1]), 0.5, y=x)


@pytest.mark.parametrize(
    ("given", "called"), [(np.ones((3, 2)), "ndarray"), ([[1.0, 2.0]], "list"), (None, "NoneType")]
)
def test_what_is_no_tensor_is_named(given: object, called: str) -> None:
    """As rows, or as columns, where none is none."""
    with pytest.raises(TypeError, match=rf"x must be a torch\.Tensor, got {called}: torch\.as_tensor makes one"):
        similarity_graph(given, 0.5)  # type: ignore[arg-type]
    if given is not None:
        with pytest.raises(TypeError, match=rf"y must be a torch\.Tensor, got {called}"):
            similarity_graph(torch.ones(3, 2), 0.5, y=given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (torch.ones(3), {}, r"x must be floating \[rows, features\].*got torch.float32 \[3\]"),
        (torch.ones(3, 2, dtype=torch.int64), {}, "x must be floating"),
        (torch.ones(3, 0), {}, "at least one feature"),
        (torch.ones(3, 2), {"y": torch.ones(3, 4)}, "one width, got 2 and 4 features"),
        (torch.ones(3, 2), {"y": torch.ones(2)}, "y must be floating"),
        (torch.ones(3, 2), {"threshold": 1.5}, r"in \[-1, 1\], got 1.5"),
        (torch.ones(3, 2), {"threshold": float("nan")}, r"in \[-1, 1\], got nan"),
        (torch.ones(3, 2), {"threshold": -0.5}, "0 or more, got -0.5: use weight='binary'"),
        (torch.ones(3, 2), {"weight": "softmax"}, "'cosine' or 'binary', got 'softmax'"),
        (torch.ones(3, 2), {"cap": "both"}, "'union' or 'mutual', got 'both'"),
        (torch.ones(3, 2), {"max_degree": 0}, "max_degree must be 1 or more"),
        (torch.ones(3, 2), {"tile": 0}, "tile must be 1 or more"),
        (torch.ones(3, 2), {"recall": 1.5}, "between 0 and 1, got 1.5"),
        (torch.ones(3, 2), {"screen": "int8"}, "got 'int8'"),
        (torch.ones(3, 2), {"threshold": {"quantile": 1.5}}, "q from 0 to 1"),
        (torch.ones(3, 2), {"threshold": {"degree": 3}}, "threshold is a number"),
        (torch.ones(3, 2), {"threshold": {"average_degree": float("nan")}}, "k from 0 up"),
        (torch.ones(3, 2), {"y": torch.ones(3, 2, device="meta")}, "x is on cpu, y on meta"),
        (torch.ones(3, 2), {"y": torch.ones(3, 2), "self_loops": True}, "attach it first"),
    ],
)
def test_bad_arguments_are_refused_by_name(x: Tensor, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        similarity_graph(x, **{"threshold": 0.5, **options})  # type: ignore[arg-type]


@given(embeddings(min_rows=1, dtypes=(torch.float64,)), st.booleans(), st.data())
def test_weights_are_differentiable_with_respect_to_the_rows(x: Tensor, bipartite: bool, data: st.DataObject) -> None:
    """As the dense cosine's are, on the edges that there are; zero rows excepted, where the cosine has no gradient."""
    keep = x.norm(dim=1) > 0
    x = x[keep].detach().clone().requires_grad_()
    y = data.draw(embeddings(min_rows=1, width=x.shape[1], dtypes=(torch.float64,))) if bipartite else None
    y = None if y is None else y[y.norm(dim=1) > 0].detach().clone().requires_grad_()
    graph = similarity_graph(x, 0.3, y=y, max_degree=data.draw(st.sampled_from((None, 2))))
    other = x if y is None else y
    wanted = [x] if y is None else [x, y]
    unit, other_unit = (torch.nn.functional.normalize(z, dim=1, eps=1e-300) for z in (x, other))
    expected = (unit[graph.row] * other_unit[graph.col]).sum(1)
    assert graph.weight is not None
    torch.testing.assert_close(graph.weight.double(), expected, atol=1e-6, rtol=0)
    ahead = torch.randn(graph.num_edges, generator=torch.Generator().manual_seed(0))
    found = torch.autograd.grad(graph.weight, wanted, ahead, create_graph=True)
    right = torch.autograd.grad(expected, wanted, ahead.double(), create_graph=True)
    scale = 1 / float(x.detach().norm(dim=1).min()) if len(x) else 1.0
    for ours, theirs in zip(found, right, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6 * scale, rtol=1e-5)
    if len(x) and graph.num_edges:
        twice, reference_twice = (torch.autograd.grad(g[0].square().sum(), x)[0] for g in (found, right))
        torch.testing.assert_close(twice, reference_twice, atol=1e-5 * scale**3, rtol=1e-4)


def test_a_zero_row_gets_no_gradient_and_binary_graphs_have_none() -> None:
    x = torch.tensor([[0.0, 0.0], [1.0, 1.0], [1.0, 0.5]], requires_grad=True)
    graph = similarity_graph(x, 0.0, self_loops=True)
    graph.edge_weight.square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad[0].tolist() == [0.0, 0.0]
    assert x.grad[1].abs().sum() > 0
    assert not similarity_graph(x, 0.5, weight="binary").edge_weight.requires_grad
    with torch.no_grad():
        assert not similarity_graph(x, 0.5).edge_weight.requires_grad


@given(embeddings(min_rows=2, max_rows=40), st.booleans(), st.sampled_from((0.0, 0.3, 0.9, 1.0)), st.booleans())
def test_a_request_gives_the_least_threshold_graph_that_fulfils_it(
    x: Tensor, bipartite: bool, share: float, quantile: bool
) -> None:
    """At its tau the graph is the one that tau gives, it has enough edges, and just above it has too few."""
    y = x[: len(x) // 2 + 1] if bipartite else None
    pairs = len(x) * (len(x) // 2 + 1 if bipartite else len(x) - 1)
    request = {"quantile": 1 - share} if quantile else {"average_degree": share * pairs / len(x)}
    wanted = round((1 - (1 - share)) * pairs) if quantile else round(share * pairs / len(x) * len(x))
    graph = similarity_graph(x, request, y=y, weight="binary")
    assert graph.search is not None
    assert graph.num_edges >= wanted
    if wanted == 0:
        assert graph.num_edges == 0
        return
    tau = graph.search.threshold
    assert edges_of(similarity_graph(x, tau, y=y, weight="binary")) == edges_of(graph)
    above = float(torch.tensor(tau).nextafter(torch.tensor(2.0)))
    if above <= 1:
        assert similarity_graph(x, above, y=y, weight="binary").num_edges < wanted


@pytest.mark.parametrize("request_", [{"average_degree": 12}, {"quantile": 0.97}])
def test_a_request_is_met_within_one_percent_on_generic_vectors(request_: dict[str, float]) -> None:
    n = 400
    x = torch.randn(n, 24, generator=torch.Generator().manual_seed(5)) + 0.2
    graph = similarity_graph(x, request_)
    wanted = 12 * n if "average_degree" in request_ else 0.03 * n * (n - 1)
    assert graph.num_edges == pytest.approx(wanted, rel=0.01)


def test_a_request_that_needs_negative_cosines_is_refused_for_cosine_weights() -> None:
    x = torch.randn(30, 3, generator=torch.Generator().manual_seed(6))
    with pytest.raises(ValueError, match="use weight='binary'"):
        similarity_graph(x, {"average_degree": 29})
    assert similarity_graph(x, {"average_degree": 29}, weight="binary").num_edges == 30 * 29


def test_an_approximate_search_says_what_it_missed_and_invents_nothing() -> None:
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(600, 64, generator=generator) * torch.arange(1, 65) ** -0.7
    exact = edges_of(similarity_graph(x, 0.6))
    graph = similarity_graph(x, 0.6, recall=0.9)
    assert graph.search is not None
    assert graph.search.recall is not None
    assert edges_of(graph) <= exact
    assert len(edges_of(graph)) / len(exact) == pytest.approx(graph.search.recall, abs=0.05)
    assert graph.search.recall >= 0.85


def test_the_search_is_chosen_by_the_vectors_and_named() -> None:
    """Rows whose energy lies in a few directions are bounded by their head; whatever is chosen, the edges agree."""
    generator = torch.Generator().manual_seed(8)
    x = torch.randn(3000, 128, generator=generator) * torch.arange(1, 129) ** -2.0
    chosen = {}
    for name in (None, "float32", "head"):
        graph = similarity_graph(x, 0.9995, screen=name)  # type: ignore[arg-type]
        assert graph.search is not None
        chosen[name] = graph.search.screen
        assert edges_of(graph) == edges_of(similarity_graph(x, 0.9995, screen="float32"))
    assert chosen["head"] == "head"
    assert chosen[None] == "float32"  # too few pairs for a sample to pay


def test_a_large_search_is_screened_by_whatever_the_sample_shows_to_be_cheapest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from graftwork.triton_kernels.similarity import choose_screen

    generator = torch.Generator().manual_seed(9)
    low_rank = torch.randn(2000, 256, generator=generator) * torch.arange(1, 257) ** -2.0
    generic = torch.randn(2000, 256, generator=generator)
    monkeypatch.setattr(choose_screen, "WORTH_SAMPLING", 1)
    monkeypatch.setattr(choose_screen, "WORTH_ROTATING", 1)
    monkeypatch.setattr(choose_screen, "has_fast_bfloat16", lambda: False)
    for x, threshold, screen in ((low_rank, 0.999, "head"), (generic, 0.15, "float32")):
        graph = similarity_graph(x, threshold)
        assert graph.search is not None
        assert graph.search.screen == screen
        assert edges_of(graph) == edges_of(similarity_graph(x, threshold, screen="float32"))


@pytest.mark.parametrize("bipartite", [False, True])
@pytest.mark.parametrize("screen", ["float32", "bfloat16", "head", "head_bfloat16"])
def test_every_screen_gives_exactly_the_references_edges_at_2048_rows(screen: str, bipartite: bool) -> None:
    """Sign and integer vectors: thousands of pairs lie exactly at tau, which no screen may lose."""
    generator = torch.Generator().manual_seed(10)
    signs = torch.randint(0, 2, (1024, 11), generator=generator) * 2 - 1
    small = torch.randint(-1, 2, (1024, 11), generator=generator)
    x = torch.cat((signs, small)).float()[torch.randperm(2048, generator=generator)]
    y = x[:1000] if bipartite else None
    _, cosine = reference.similarity_graph(x, 0.0, y=y)
    for tau in (5 / 11, 9 / 11):
        at = float(torch.tensor(tau))
        assert int((cosine == at).sum()) > 2_000
        graph = similarity_graph(x, tau, y=y, screen=screen)  # type: ignore[arg-type]
        edge, _ = reference.similarity_graph(x, tau, y=y)
        row, col = edge.nonzero(as_tuple=True)
        assert torch.equal(graph.row, row)
        assert torch.equal(graph.col, col)
        assert torch.equal(graph.edge_weight[cosine[row, col] == at].unique(), torch.tensor([tau]))


def test_pairs_beyond_int32_have_their_own_rows_and_columns() -> None:
    """Keys, row * columns + column, of a million rows by a million."""
    n = 2**20
    key = torch.tensor([(n - 1) * n + 5, 3 * n + n - 1, (n - 1) * n + 4])
    graph = tile_search.graph_of_keys(key, torch.tensor([0.1, 0.2, 0.3]), n, n, symmetric=False).validate()
    assert graph.row.tolist() == [3, n - 1, n - 1]
    assert graph.col.tolist() == [n - 1, 4, 5]
    torch.testing.assert_close(graph.edge_weight, torch.tensor([0.2, 0.3, 0.1]))
    wide = SparseGraph.from_edge_index(torch.tensor([[2**33 - 1, 7], [2, 2]]), num_rows=3, num_cols=2**33)
    assert wide.col.tolist() == [7, 2**33 - 1]
    assert wide.structure.compact[1].dtype == torch.int64
