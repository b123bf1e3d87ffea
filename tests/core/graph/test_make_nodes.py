"""Kinds of nodes end to end: what is computed, what is counted, and that a saved run predicts what was measured."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import layer_norm, normalize

from graftwork.core.data.items import DataError
from graftwork.core.data.layout import Layout, read_out
from graftwork.core.data.tokens import Tokens
from graftwork.core.graph.fusion import CrossAttention, TokenPair
from graftwork.core.graph.make_nodes import nodes_of, prompt_nodes, zero_shot_logits
from graftwork.core.roles import ClassPrompts, EncoderSpec, GraphSpec
from graftwork.core.run.experiment import Experiment
from graftwork.core.run.measure_result import result_of
from graftwork.core.run.save_adapter import save_adapter
from graftwork.core.spec.coherence import incoherences
from graftwork.core.training.devices import resolve_device
from graftwork.core.training.predictor import Predictor
from graftwork.plugins.graphs import SimilaritySpec

from ...support.small_pipeline import WIDTH, catalogue, pipeline

FEW = {"type": "few_digits", "train": 3, "val": 1, "test": 2}
BY_BLOCK = {"vv": 0.8, "tt": {"average_degree": 3}, "vt": {"quantile": 0.7}}
#: Every kind of node, and how its graph is set.
KINDS: dict[str, dict[str, Any]] = {
    "image": {"nodes": "image"},
    "text": {"nodes": "text", "weight": "binary", "pool": "labelled"},
    "mean": {"nodes": "fused", "fusion": "mean", "threshold": {"average_degree": 4}},
    "concat": {"nodes": "fused", "fusion": "concat", "threshold": {"quantile": 0.8}},
    "centred": {
        "nodes": "fused",
        "fusion": "concat",
        "centre": "pool",
        "text_share": 0.75,
        "weight": "softmax",
        "temperature": 0.2,
        "threshold": {"average_degree": 6},
    },
    "cross_attention": {
        "nodes": "fused",
        "fusion": "cross_attention",
        "fusion_rank": 4,
        "threshold": 0.5,
        "weight": "softmax",
    },
    "pair": {"nodes": "pair", "threshold": BY_BLOCK, "weight": "softmax", "pool": "labelled"},
    "pair, side by side": {"nodes": "pair", "readout": "concat", "threshold": BY_BLOCK, "max_degree": 5},
    "tokens": {
        "nodes": "tokens",
        "weight": "softmax",
        "threshold": {"vv": 0.2, "tt": {"average_degree": 1}, "vt": 0.01},
    },
}


def spec_of(kind: str, **more: Any) -> dict[str, Any]:
    graph = {"type": "similarity", "threshold": 0.8, "pool": "train", "weight": "cosine", **KINDS[kind]}
    return {
        "dataset": FEW,
        "dataset__shots": 2,
        "captioner": {"type": "brightness"},
        "graph": graph,
        "adapter": {"type": "ga_net", "bottleneck": 8, "layers": 2},
        "trainer__epochs": 3,
        "trainer__keep": "last",
        **more,
    }


class Measured:
    """A run whose test logits were kept."""

    def __init__(self, folder: Path, **overrides: Any) -> None:
        spec = pipeline(**overrides).spec
        experiment = Experiment(spec, catalogue(), folder / "store", resolve_device("cpu"), lambda event: None)
        self.trial = next(experiment.trials())
        experiment.train(self.trial, 1)
        held_out = experiment.engine(self.trial.spec).support_sets.met(self.trial.spec, self.trial.prepared, 0, "test")
        self.logits = held_out.queries.logits(self.trial.trained[0].model)
        typed = result_of(experiment, self.trial, [], {"test": experiment.score(self.trial, "test")})
        self.result = typed.to_json()
        self.folder = folder / "adapter"
        save_adapter(self.folder, experiment, self.trial, 0, typed)

    def load(self) -> Predictor:
        from graftwork.core.run.load import load

        return load(self.folder, catalogue=catalogue())

    def pictures(self) -> list[Any]:
        return [item.modalities["image"].read() for item in self.trial.prepared.content.splits["test"]]

    @property
    def trainable(self) -> int:
        return int(self.result["parameters"]["trainable"])


@pytest.mark.parametrize(("policy", "blend"), [("attach", 0.0), ("attach", 0.5), ("rewire", 0.5), ("batch", 0.0)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_run_gives_the_logits_that_were_measured(tmp_path: Path, kind: str, policy: str, blend: float) -> None:
    """Every kind of node by every policy that a new image can follow: loaded from disk, every bit of every logit."""
    evaluation = {"inductive": policy, "inductive_batch": 7}
    run = Measured(tmp_path, **spec_of(kind, evaluation=evaluation, task__blend=blend))
    predictor, pictures = run.load(), run.pictures()
    assert torch.equal(predictor.logits(pictures), run.logits)
    neighbours = [near for one in predictor.predict(pictures) for near in one.neighbours]
    assert bool(neighbours) == (kind != "tokens")
    assert {near.id for near in neighbours} <= set(run.trial.outcomes[0].support.ids)
    first, *_ = predictor.predict(pictures[:1])
    assert len({near.id for near in first.neighbours}) == len(first.neighbours)


@pytest.mark.parametrize(
    "adapter", [{"type": "none"}, {"type": "bottleneck", "bottleneck": 4}], ids=lambda a: a["type"]
)
@pytest.mark.parametrize("kind", KINDS)
def test_adapters_without_messages_get_the_same_nodes(tmp_path: Path, kind: str, adapter: dict[str, Any]) -> None:
    """In small batches too; the saved run gives the measured logits, and carries no node of the support."""
    run = Measured(tmp_path, **spec_of(kind, adapter=adapter, trainer__batch_size=7, task__blend=0.5))
    assert torch.equal(run.load().logits(run.pictures()), run.logits)
    assert "x" not in load_file(run.folder / "support.safetensors")


@pytest.mark.parametrize(
    ("kind", "adapter"), [*((kind, "ga_net") for kind in KINDS), ("cross_attention", "bottleneck")]
)
def test_the_plan_counts_what_is_trained(tmp_path: Path, kind: str, adapter: str) -> None:
    """Fusion, adapter and the head on what is read out: as many parameters as the run had."""
    overrides = spec_of(kind, adapter={"type": adapter, "bottleneck": 8}, trainer__epochs=1)
    run = Measured(tmp_path, **overrides)
    assert pipeline(**overrides).plan(tmp_path / "store").trainable == run.trainable


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_single_items_go_through_every_kind_of_node(tmp_path: Path, kind: str) -> None:
    """As EWC takes them, batched; and every tensor of the fusion gets some."""
    penalty = [{"type": "ewc", "strength": 1.0, "anchor": "init"}]
    run = Measured(tmp_path, **spec_of(kind, regularizers=penalty))
    fisher = run.trial.trained[0].files["fisher"]
    assert all(bool(values.isfinite().all()) for values in fisher.values())
    assert all(bool(values.any()) for name, values in fisher.items() if name.startswith("fusion."))
    assert any(name.startswith("fusion.") for name in fisher) == (kind == "cross_attention")


def ragged(lengths: list[int], width: int, seed: int) -> Tokens:
    generator = torch.Generator().manual_seed(seed)
    return Tokens.of([torch.randn(length, width, generator=generator) for length in lengths])


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 4)), min_size=1, max_size=5), st.integers(0, 2**20))
def test_cross_attention_is_its_equation_item_by_item(lengths: list[tuple[int, int]], seed: int) -> None:
    """f = mean(V + softmax(LN(V) Wq (LN(T) Wk)' / sqrt r) LN(T) Wv Wo), unit length: no padding is heard."""
    torch.manual_seed(seed)
    image, text = (ragged([pair[side] for pair in lengths], width, seed) for side, width in ((0, 6), (1, 4)))
    fusion = CrossAttention(6, 4, rank=3)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.copy_(torch.randn(parameter.shape))
        found = fusion(TokenPair(image, text))
    w = fusion.state_dict()
    for item in range(len(lengths)):
        v, t = image.select([item]).values, text.select([item]).values
        q = layer_norm(v, (6,), w["norm_image.weight"], w["norm_image.bias"]) @ w["query.weight"].T
        read = layer_norm(t, (4,), w["norm_text.weight"], w["norm_text.bias"])
        looked = (q @ (read @ w["key.weight"].T).T / math.sqrt(3)).softmax(-1) @ (read @ w["value.weight"].T)
        f = (v + looked @ w["out.weight"].T).mean(0) if len(t) else v.mean(0)
        torch.testing.assert_close(found[item], normalize(f, dim=-1), atol=1e-5, rtol=1e-4)


def test_cross_attention_starts_as_the_mean_of_the_patches() -> None:
    """Wo is zero; and its count of parameters is the one that the spec tells."""
    image, text = ragged([3, 2], 6, 0), ragged([2, 4], 4, 1)
    fusion = CrossAttention(6, 4, rank=5)
    expected = torch.stack([normalize(image.select([item]).values.mean(0), dim=-1) for item in (0, 1)])
    torch.testing.assert_close(fusion(TokenPair(image, text)), expected)
    spec = SimilaritySpec(nodes="fused", fusion="cross_attention", fusion_rank=5, threshold=0.5)
    assert spec.parameter_count(6, 4) == sum(parameter.numel() for parameter in fusion.parameters())
    assert SimilaritySpec(nodes="fused", threshold=0.5).parameter_count(6, 4) == 0


def test_many_items_are_fused_some_at_a_time() -> None:
    """More items than are held at once: the same as each alone."""
    image, text = ragged([1 + item % 3 for item in range(600)], 6, 0), ragged([2] * 600, 4, 1)
    fusion = CrossAttention(6, 4, rank=3)
    torch.nn.init.normal_(fusion.out.weight)
    pair = TokenPair(image, text)
    with torch.no_grad():
        found = fusion(pair)
        alone = torch.cat([fusion(pair.select(torch.tensor([item]))) for item in (0, 511, 512, 599)])
    torch.testing.assert_close(found[[0, 511, 512, 599]], alone)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=5), st.integers(0, 2**20))
def test_the_mean_is_read_out_of_an_items_own_nodes(lengths: list[tuple[int, int]], seed: int) -> None:
    """Values, and gradients that reach every node; an item without nodes gets zeros."""
    image, text = (ragged([pair[side] for pair in lengths], 4, seed + side) for side in (0, 1))
    nodes = nodes_of({}, {"image": image, "text": text}, SimilaritySpec(nodes="tokens", threshold=0.5))
    assert nodes.layout is not None
    x = nodes.x.clone().requires_grad_()
    found = read_out(x, nodes.layout, "mean")
    for item in range(len(lengths)):
        own = torch.cat([image.select([item]).values, text.select([item]).values])
        expected = normalize(own, dim=-1).mean(0) if len(own) else torch.zeros(4)
        torch.testing.assert_close(found[item], expected)
    found.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, (1 / nodes.layout.offsets.diff()[nodes.layout.owner])[:, None].expand(len(x), 4))


@settings(max_examples=25)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=6), st.data())
def test_a_layout_of_chosen_items_is_theirs(lengths: list[int], data: st.DataObject) -> None:
    """Rows, kinds and offsets of any selection, repetitions allowed, and of two layouts joined."""
    layout = Layout(torch.tensor([0, *lengths]).cumsum(0), torch.arange(sum(lengths)) % 2)
    chosen = data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=6))
    rows = [row for item in chosen for row in range(sum(lengths[:item]), sum(lengths[: item + 1]))]
    items = torch.tensor(chosen, dtype=torch.int64)
    assert layout.rows_of(items).tolist() == rows
    assert layout.select(items).kinds.tolist() == [row % 2 for row in rows]
    both = layout.joined(layout.select(items))
    assert both.offsets.diff().tolist() == lengths + [lengths[item] for item in chosen]


def vectors(items: int, seed: int, width: int = 8) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {kind: torch.randn(items, width, generator=generator) for kind in ("image", "text")}


PROMPTS = ClassPrompts(normalize(torch.randn(3, 8, generator=torch.Generator().manual_seed(9)), dim=-1), 20.0)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("tokens", "cross_attention", "centred")])
def test_zero_shot_logits_are_the_cosine_heads_on_bare_nodes(kind: str) -> None:
    """As adapter `none` with head `cosine` would give, whatever the nodes."""
    graph = SimilaritySpec(**{"threshold": 0.5, "weight": "binary", **KINDS[kind]})
    given = vectors(5, 1)
    nodes = nodes_of(given, {}, graph)
    items = nodes.x if nodes.layout is None else read_out(nodes.x, nodes.layout, graph.readout)
    expected = 20.0 * normalize(items, dim=-1) @ normalize(prompt_nodes(PROMPTS, graph).vectors, dim=-1).T
    torch.testing.assert_close(zero_shot_logits(given, graph, PROMPTS), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["tokens", "cross_attention"])
def test_zero_shot_logits_of_tokens_come_from_the_items_two_vectors(kind: str) -> None:
    """Tokens have no zero-shot logits of their own: the mean of image and text vector has."""
    graph = SimilaritySpec(**{"threshold": 0.5, "weight": "binary", **KINDS[kind]})
    given = vectors(5, 1)
    mean = normalize(sum(normalize(one, dim=-1) for one in given.values()), dim=-1)  # type: ignore[arg-type]
    torch.testing.assert_close(zero_shot_logits(given, graph, PROMPTS), 20.0 * mean @ PROMPTS.vectors.T)


def test_the_blend_adds_its_share_and_can_be_searched(tmp_path: Path) -> None:
    """With nothing trained and a linear head at zero the logits are blend x zero-shot; `search` tries several."""
    run = Measured(tmp_path, **spec_of("image", trainer__epochs=0, task__blend=0.25))
    features = run.trial.prepared.features["test"]
    assert torch.equal(run.load().logits(run.pictures()), run.logits)
    prompts = run.trial.prepared.prompts
    assert prompts is not None
    torch.testing.assert_close(run.logits, 0.25 * zero_shot_logits(features.vectors, run.trial.spec.graph, prompts))
    searched = pipeline(**spec_of("image"), search={"task.blend": [0, 0.1, 1.0]}).run(tmp_path / "run")
    assert [one["values"]["task.blend"] for one in searched.result["tried"]] == [0, 0.1, 1.0]
    assert searched.result["blend"] == searched.result["chosen"]["task.blend"]
    assert (
        f"Blend with zero-shot logits: {searched.result['blend']}"
        in (searched.folder / "adapter" / "README.md").read_text()
    )


@pytest.mark.parametrize("kind", ["image", "concat"])
def test_the_blend_goes_with_a_head_that_compares_too(tmp_path: Path, kind: str) -> None:
    """Both need class vectors, and both find theirs in the saved folder."""
    run = Measured(tmp_path, **spec_of(kind, task__head={"type": "cosine"}, task__blend=0.5))
    assert torch.equal(run.load().logits(run.pictures()), run.logits)


@pytest.mark.parametrize("kind", ["mean", "concat", "pair, side by side", "tokens"])
def test_a_blend_by_text_is_of_the_text_half_alone(tmp_path: Path, kind: str) -> None:
    """With nothing trained: b s cos(t, t_c), whatever the nodes; the same logits from the saved folder."""
    blend = {"value": 0.25, "by": "text"}
    run = Measured(tmp_path, **spec_of(kind, trainer__epochs=0, task__blend=blend))
    prompts, texts = run.trial.prepared.prompts, run.trial.prepared.features["test"].vectors["text"]
    assert prompts is not None
    expected = 0.25 * (prompts.logit_scale or 100) * normalize(texts, dim=-1) @ prompts.vectors.T
    torch.testing.assert_close(run.logits, expected)
    assert torch.equal(run.load().logits(run.pictures()), run.logits)
    assert (run.result["blend"], run.result["blend_by"]) == (0.25, "text")
    assert "Blend with zero-shot logits: 0.25 of the items' texts." in (run.folder / "README.md").read_text()


def test_vectors_of_two_widths_are_an_error_with_its_remedy() -> None:
    """For edges across, for a mean, and for the blend."""
    given = {**vectors(2, 0), "text": torch.randn(2, 5)}
    with pytest.raises(DataError, match='widths 8 and 5 have no edges; set "nodes": "fused" and "fusion": "concat"'):
        nodes_of(given, {}, SimilaritySpec(nodes="pair", threshold=0.5))
    with pytest.raises(DataError, match="widths 8 and 5 have no mean"):
        nodes_of(given, {}, SimilaritySpec(nodes="fused", threshold=0.5))
    with pytest.raises(DataError, match='width 8 and 5 with class vectors of width 8; set "blend": 0 in `task`'):
        zero_shot_logits(given, SimilaritySpec(nodes="fused", fusion="concat", threshold=0.5), PROMPTS)
    words = {"image": torch.randn(2, 5), "text": normalize(given["image"], dim=-1)}
    by_text = zero_shot_logits(words, SimilaritySpec(nodes="fused", fusion="concat", threshold=0.5), PROMPTS, "text")
    torch.testing.assert_close(by_text, PROMPTS.logit_scale * words["text"] @ PROMPTS.vectors.T)


class TwoSpacesSpec(EncoderSpec):
    """Towers of two models, told before any is loaded."""

    type: Literal["two_spaces"] = "two_spaces"
    one_width: bool = False

    def width(self, modality: str) -> int:
        return 8 if self.one_width or modality == "image" else 5

    def token_width(self, modality: str) -> int:
        return self.width(modality)

    def shares_space(self) -> bool | None:
        return False if self.one_width else None


@pytest.mark.parametrize("nodes", ["pair", "tokens"])
def test_edges_between_widths_or_spaces_are_refused_before_anything_runs(nodes: str) -> None:
    """Known from the spec alone, with what takes their place; so is a blend across spaces."""
    spec = pipeline(graph__nodes=nodes, task__blend=0.5).spec
    (widths,) = incoherences(spec.model_copy(update={"encoder": TwoSpacesSpec()}))
    assert f"nodes `{nodes}` need one width, and images have 8, texts 5" in widths.reason
    found = list(incoherences(spec.model_copy(update={"encoder": TwoSpacesSpec(one_width=True)})))
    assert [problem.path for problem in found] == [("task", "blend"), ("graph", "nodes")]
    assert all("lie in different spaces" in problem.reason for problem in found)


class RingSpec(GraphSpec):
    """A third party's graph over one node an item."""

    type: Literal["ring"] = "ring"


@pytest.mark.parametrize("nodes", ["pair", "tokens"])
def test_a_graph_of_one_node_an_item_is_not_given_several(nodes: Any) -> None:
    """A builder says that it knows layouts; of another nothing runs."""
    spec = pipeline().spec.model_copy(update={"graph": RingSpec(nodes=nodes)})
    (problem,) = incoherences(spec)
    assert problem.reason == f"graph `ring` connects one node an item, and nodes are `{nodes}`"


def test_side_by_side_is_for_pairs() -> None:
    """Other nodes have no two vectors to put side by side."""
    with pytest.raises(ValueError, match="readout `concat` joins the two nodes of a `pair`; nodes are `tokens`"):
        GraphSpec(type="any", nodes="tokens", readout="concat")


def test_pairs_are_an_image_and_a_text_of_unit_length(tmp_path: Path) -> None:
    """Interleaved, two nodes an item; the saved support says whose they are."""
    run = Measured(tmp_path, **spec_of("pair, side by side", trainer__epochs=1))
    saved = load_file(run.folder / "support.safetensors")
    assert saved["x"].shape == (2 * 30, WIDTH)
    assert saved["layout.kinds"].tolist() == [0, 1] * 30
    assert saved["layout.offsets"].tolist() == list(range(0, 61, 2))
    assert run.result["nodes"] == "pair, read out by concat"
    assert run.result["graph"]["support_nodes"] == [60]
