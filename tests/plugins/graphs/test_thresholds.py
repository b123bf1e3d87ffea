"""Every form of tau: what it comes to on the support set, what it is refused for, and that queries do not move it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from graftwork import SpecError
from graftwork.core.data.layout import Layout
from graftwork.core.roles.graph import GraphError
from graftwork.plugins.graphs import SimilaritySpec
from graftwork.plugins.graphs.similarity import Similarity
from graftwork.triton_kernels import SparseGraph

from ...support.small_pipeline import notes_heard, pipeline

WIDTH = 6
BLOCK_OF = ("vv", "vt", "tt")


def unit(rows: int, seed: int) -> Tensor:
    return normalize(torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(seed)), dim=-1)


def ragged(lengths: list[tuple[int, int]]) -> Layout:
    """Items with so many patches and words each."""
    kinds = torch.tensor([kind for item in lengths for kind, count in enumerate(item) for _ in range(count)])
    return Layout(torch.tensor([0, *map(sum, lengths)]).cumsum(0), kinds.long())


def dense(graph: SparseGraph) -> Tensor:
    out = torch.zeros(graph.num_rows, graph.num_cols)
    out[graph.row, graph.col] = graph.edge_weight
    return out


def cosines(x: Tensor, y: Tensor) -> Tensor:
    return (normalize(x.double(), dim=-1) @ normalize(y.double(), dim=-1).T).float()


def blocks(x: Layout, y: Layout) -> Tensor:
    return x.kinds[:, None] + y.kinds[None]


def expected(x: Tensor, layout: Layout, taus: dict[str, float], within: bool) -> Tensor:
    """The adjacency by definition: cos >= tau of the pair's block, no loops, within items if so."""
    cosine = cosines(x, x)
    tau = torch.tensor([taus[name] for name in BLOCK_OF])[blocks(layout, layout)]
    edge = (cosine >= tau) & ~torch.eye(len(x), dtype=torch.bool)
    if within:
        edge &= layout.owner[:, None] == layout.owner[None]
    return torch.where(edge, cosine, 0)


thresholds = st.sampled_from((0.05, 0.3, 0.6))
per_block = st.fixed_dictionaries(dict.fromkeys(BLOCK_OF, thresholds))
seeds = st.integers(0, 2**20)


@settings(max_examples=30)
@given(st.integers(1, 8), per_block, seeds)
def test_pair_edges_follow_the_threshold_of_their_block(items: int, taus: dict[str, float], seed: int) -> None:
    """Images, texts and across: each pair of nodes is held to its own block's tau; the graph is symmetric."""
    builder = Similarity(SimilaritySpec(nodes="pair", threshold=taus, weight="cosine"))  # type: ignore[arg-type]
    x, layout = unit(2 * items, seed), Layout.pairs(items, torch.device("cpu"))
    graph = builder.connect(x, layout).validate()
    assert graph.symmetric
    torch.testing.assert_close(dense(graph), expected(x, layout, taus, within=False))
    assert layout.edges_by_block(graph) == {
        name: int((dense(graph)[blocks(layout, layout) == code] != 0).sum()) for code, name in enumerate(BLOCK_OF)
    }


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=5), per_block, seeds)
def test_token_edges_stay_within_their_item(lengths: list[tuple[int, int]], taus: dict[str, float], seed: int) -> None:
    """Block-diagonal, each pair held to its block's tau; items without patches or words are no error."""
    builder = Similarity(SimilaritySpec(nodes="tokens", threshold=taus, weight="cosine"))  # type: ignore[arg-type]
    layout = ragged(lengths)
    x = unit(len(layout.kinds), seed)
    graph = builder.connect_items(x, layout).validate()
    torch.testing.assert_close(dense(graph), expected(x, layout, taus, within=True))


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(1, 4), per_block, st.sampled_from((None, 1, 3)), seeds)
def test_queries_meet_blocks_one_by_one(
    items: int, queries: int, taus: dict[str, float], cap: int | None, seed: int
) -> None:
    """A query node's row holds the same edges alone and in company: block by block, the k closest of both kinds."""
    spec = SimilaritySpec(nodes="pair", threshold=taus, weight="cosine", max_degree=cap)  # type: ignore[arg-type]
    builder, cpu = Similarity(spec), torch.device("cpu")
    x, q = unit(2 * items, seed), unit(2 * queries, seed + 1)
    layout, query_layout = Layout.pairs(items, cpu), Layout.pairs(queries, cpu)
    together = dense(builder.connect_queries(q, x, query_layout, layout))
    tau = torch.tensor([taus[name] for name in BLOCK_OF])[blocks(query_layout, layout)]
    near = torch.where(cosines(q, x) >= tau, cosines(q, x), 0)
    if cap is not None:
        near = torch.where(near >= near.topk(min(cap, near.shape[1])).values[:, -1:], near, 0)
    torch.testing.assert_close(together, near)
    for item in range(queries):
        rows = slice(2 * item, 2 * item + 2)
        alone = builder.connect_queries(q[rows], x, Layout.pairs(1, cpu), layout)
        torch.testing.assert_close(dense(alone), together[rows])


@settings(max_examples=30)
@given(st.integers(2, 8), st.integers(1, 3), st.sampled_from(("union", "mutual")), seeds)
def test_a_cap_over_blocks_counts_neighbours_of_both_kinds(items: int, k: int, cap: Any, seed: int) -> None:
    """As one cap over the whole graph does where all blocks have one tau."""
    one = SimilaritySpec(nodes="pair", threshold=0.1, max_degree=k, cap=cap, weight="cosine")
    same = SimilaritySpec(
        nodes="pair",
        threshold={"vv": 0.1, "tt": 0.1, "vt": 0.1},
        max_degree=k,
        cap=cap,
        weight="cosine",  # type: ignore[arg-type]
    )
    x, layout = unit(2 * items, seed), Layout.pairs(items, torch.device("cpu"))
    graphs = [Similarity(spec).connect(x, layout) for spec in (one, same)]
    torch.testing.assert_close(dense(graphs[0]), dense(graphs[1]))


@settings(max_examples=30)
@given(st.integers(3, 10), st.floats(0.5, 4), seeds)
def test_an_average_degree_is_settled_on_the_support(items: int, degree: float, seed: int) -> None:
    """The settled number gives k neighbours on average, and building by it is building by the degree."""
    builder = Similarity(SimilaritySpec(threshold={"average_degree": degree}, weight="binary"))  # type: ignore[arg-type]
    x = unit(items, seed)
    resolved = builder.settle(x)
    assert isinstance(resolved, SimilaritySpec)
    assert isinstance(resolved.threshold, float)
    edges = Similarity(resolved).connect(x).num_edges
    wanted = min(round(degree * items), items * (items - 1))
    assert wanted <= edges <= wanted + 1  # edges come in twos


@pytest.mark.parametrize("weight", ["softmax", "cosine"])
def test_more_neighbours_than_lie_within_a_right_angle_are_refused(weight: Any) -> None:
    """Of twelve directions around a circle each has four at a cosine of a half or more, and six at 0 or more."""
    angles = torch.arange(12.0) * torch.pi / 6
    around = torch.stack([angles.cos(), angles.sin()], dim=1)
    words = r"graph.threshold: over 12 nodes it comes to a cosine of -0.\d+, and weight `.*` needs at least 0"
    with pytest.raises(GraphError, match=words):
        Similarity(SimilaritySpec(threshold={"average_degree": 10}, weight=weight)).settle(around)  # type: ignore[arg-type]
    assert Similarity(SimilaritySpec(threshold={"average_degree": 4}, weight=weight)).settle(around)  # type: ignore[arg-type]


@pytest.mark.parametrize("nodes", ["pair", "tokens"])
def test_each_block_is_settled_by_its_own_pairs(nodes: Any) -> None:
    """Degrees for images and texts, a quantile across: as many edges as each block's own pairs give."""
    threshold = {"vv": {"average_degree": 2}, "tt": 0.25, "vt": {"quantile": 0.75}}
    builder = Similarity(SimilaritySpec(nodes=nodes, threshold=threshold, weight="binary"))  # type: ignore[arg-type]
    layout = Layout.pairs(12, torch.device("cpu")) if nodes == "pair" else ragged([(4, 3)] * 5)
    x = unit(len(layout.kinds), 7)
    resolved = builder.settle(x, layout)
    assert isinstance(resolved, SimilaritySpec)
    found = json.loads(resolved.model_dump_json())["threshold"]
    assert found["tt"] == 0.25
    final = Similarity(resolved)
    graph = final.connect(x, layout) if nodes == "pair" else final.connect_items(x, layout)
    edges, images = layout.edges_by_block(graph), int((layout.kinds == 0).sum())
    pairs = blocks(layout, layout) == 1
    if nodes == "tokens":
        pairs &= layout.owner[:, None] == layout.owner[None]
    assert edges["vv"] == 2 * images
    assert edges["vt"] == 2 * round(int(pairs.sum()) / 2 * 0.25)


def test_numbers_need_no_settling() -> None:
    """``None`` says that nothing was relative."""
    assert Similarity(SimilaritySpec(threshold=0.5)).settle(unit(3, 0)) is None
    taus = {"vv": 0.5, "tt": 0.4, "vt": 0.1}
    layout = Layout.pairs(2, torch.device("cpu"))
    assert Similarity(SimilaritySpec(nodes="pair", threshold=taus)).settle(unit(4, 0), layout) is None  # type: ignore[arg-type]


REFUSED = {
    '{"quantil": 0.9}': 'graph.threshold: expected a number from -1 to 1, {"quantile": q} or {"average_degree": k}',
    '{"quantile": 1.2}': "graph.threshold.quantile: input should be less than or equal to 1",
    '{"average_degree": 8, "x": 1}': "graph.threshold.x: unknown key `x` (known here: average_degree)",
    '{"average_degree": "8"}': "graph.threshold.average_degree: input should be a valid number",
    '"0.8"': "graph.threshold: input should be a valid number",
    '{"vv": 0.5, "tt": 0.5}': "graph.threshold: `vt` is missing",
    '{"vv": 0.5, "tt": {"vv": 1}, "vt": 0.1}': "graph.threshold.tt: expected a number from -1 to 1",
    '{"vv": 0.5, "tt": -0.5, "vt": 0.1}': "weight `softmax` needs a threshold of at least 0, not -0.5; take `binary`",
}


@pytest.mark.parametrize("given", REFUSED)
def test_a_wrong_threshold_is_one_clear_problem(given: str) -> None:
    """It speaks of the form that was meant."""
    with pytest.raises(SpecError) as error:
        pipeline(graph__nodes="pair", graph__threshold=json.loads(given))
    assert len(error.value.problems) == 1
    assert REFUSED[given] in str(error.value)


def test_blocks_need_image_and_text_nodes() -> None:
    """One node an item has one kind of edge."""
    with pytest.raises(SpecError, match="vv, tt and vt need image and text nodes, and nodes are `fused`"):
        pipeline(graph__nodes="fused", graph__threshold={"vv": 0.5, "tt": 0.5, "vt": 0.1})


CAPTIONED: dict[str, Any] = {
    "captioner": {"type": "brightness"},
    "dataset__shots": 3,
    "reporters": [{"type": "hearing"}],
}


def test_the_settled_threshold_is_saved_and_used_for_queries(tmp_path: Path) -> None:
    """`result.json` and the adapter folder hold the number of each seed; a query's neighbours reach it, whatever else
    is asked: nothing is estimated on queries.
    """
    run = pipeline(graph__threshold={"average_degree": 3}, evaluation__seeds=[0, 1]).run(tmp_path / "run")
    taus = [one["threshold"] for one in run.result["graph"]["settled"]]
    assert len(taus) == 2
    saved = json.loads((run.folder / "adapter" / "adapter_config.json").read_text())["graftwork"]["graph"]["threshold"]
    assert saved == taus[run.result["seeds"].index(run.result["saved_seed"])]
    test = run.load().predict(pictures_of("test"))
    similarities = [near.similarity for one in test for near in one.neighbours]
    assert similarities
    assert min(similarities) >= saved - 1e-6
    spec = json.loads((run.folder / "adapter" / "pipeline.json").read_text())
    assert spec["graph"]["threshold"] == {"average_degree": 3.0}


def pictures_of(split: str) -> list[Any]:
    content = pipeline().catalogue.find("dataset", "few_digits").load()(pipeline().spec.dataset).load()
    return [item.modalities["image"].read() for item in content.splits[split]]


def test_a_pair_without_an_edge_across_is_said(tmp_path: Path) -> None:
    """As one note while it runs, and in the result; with a threshold of its own the block has edges and nothing is
    said.
    """
    seeds = {"evaluation__seeds": [0, 1], **CAPTIONED}
    run = pipeline(**seeds, graph__nodes="pair", graph__threshold=0.8).run(tmp_path / "run")
    assert run.result["graph"]["edges_by_block"][0]["vt"] == 0
    assert "no edge between an image and a text" in run.result["graph"]["warning"]
    assert notes_heard(run) == [run.result["graph"]["warning"]]
    blocks = {"vv": 0.8, "tt": 0.8, "vt": {"average_degree": 2}}
    run = pipeline(**CAPTIONED, graph__nodes="pair", graph__threshold=blocks, graph__weight="cosine").run(
        tmp_path / "b"
    )
    assert "warning" not in run.result["graph"]
    edges = run.result["graph"]["edges_by_block"][0]
    assert edges["vt"] >= 2 * 2 * 30
    assert sum(edges.values()) == run.result["graph"]["support_edges"][0]
    assert not notes_heard(run)
