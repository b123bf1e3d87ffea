"""The inductive policies against dense references, and what each says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import gelu, linear, normalize

from graftwork import load
from graftwork.core.cli import main
from graftwork.core.data.layout import Layout
from graftwork.core.features.model import FeatureModel
from graftwork.core.graph.nodes import Nodes
from graftwork.core.graph.queries import attached, in_batches, rewire
from graftwork.core.graph.support import Support
from graftwork.core.run.load import PolicyWarning
from graftwork.plugins.adapters import GANetSpec
from graftwork.plugins.adapters.ga_net import GANet
from graftwork.plugins.graphs import SimilaritySpec
from graftwork.plugins.graphs.similarity import Similarity
from graftwork.plugins.heads import LinearSpec
from graftwork.plugins.heads.linear import Linear

from ...support.small_pipeline import pipeline

WIDTH, CLASSES = 6, 3
CPU = torch.device("cpu")


def unit(rows: int, seed: int) -> Tensor:
    return normalize(torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(seed)), dim=-1)


def model_of(norm: Any, self_message: bool, layers: int, readout: Any, seed: int) -> FeatureModel:
    """GA-Net with a linear head, no tensor of it zero."""
    torch.manual_seed(seed)
    adapter = GANet(GANetSpec(bottleneck=4, norm=norm, self_message=self_message, layers=layers), WIDTH)
    head = Linear(LinearSpec(scale=1.0), WIDTH * (2 if readout == "concat" else 1), CLASSES, None)
    model = FeatureModel(adapter, head, readout=readout)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape) / 2)
    return model


class Dense:
    """The same model and policies by definition: full matrices, no sparse code."""

    def __init__(self, model: FeatureModel, spec: SimilaritySpec, adapter: GANetSpec, readout: str) -> None:
        self.state, self.spec, self.adapter, self.readout = model.state_dict(), spec, adapter, readout

    def edges(self, x: Tensor, y: Tensor) -> Tensor:
        """Weights [n, m]; of a vector with itself too."""
        cosine = (normalize(x.double(), dim=-1) @ normalize(y.double(), dim=-1).T).float()
        tau = torch.full_like(cosine, self.spec.threshold)  # type: ignore[call-overload]
        if self.spec.weight == "binary":
            return (cosine >= tau).float()
        weight = ((cosine - 1) / self.spec.temperature).exp() if self.spec.weight == "softmax" else cosine
        return torch.where(cosine >= tau, weight, 0)

    def logits(self, x: Tensor, adjacency: Tensor, items: int) -> Tensor:
        """Of the last ``items`` items, over an adjacency without loops."""
        looped = adjacency + torch.eye(len(x))
        degree = looped.sum(1)
        if self.adapter.norm == "row":
            message = looped / degree[:, None]
        else:
            message = looped / degree.sqrt()[:, None] / degree.sqrt()[None]
        s = self.state
        hidden = linear(x, s["adapter.down.weight"], s["adapter.down.bias"])
        for layer in range(self.adapter.layers):
            name = f"adapter.convolutions.{layer}"
            new = linear(message @ hidden, s[f"{name}.neighbours.weight"], s[f"{name}.neighbours.bias"])
            hidden = gelu(new + linear(hidden, s[f"{name}.own.weight"]) if self.adapter.self_message else new)
        z = x + linear(hidden, s["adapter.up.weight"], s["adapter.up.bias"])
        nodes_each = len(z) // (len(z) // 2) if self.spec.nodes == "pair" else 1
        if nodes_each == 2:
            pairs = z.reshape(-1, 2, WIDTH)
            z = pairs.flatten(1) / 2**0.5 if self.readout == "concat" else pairs.mean(1)
        return linear(z[len(z) - items :], s["head.weight"], s["head.bias"])


def without_loops(adjacency: Tensor) -> Tensor:
    return adjacency * (1 - torch.eye(len(adjacency)))


def joined(x: Tensor, q: Tensor, dense: Dense, each: int, policy: str) -> Tensor:
    """[[S, S->Q], [Q->S, Q]] by the policy, of queries that are computed together."""
    support, sources, among = without_loops(dense.edges(x, x)), dense.edges(q, x), without_loops(dense.edges(q, q))
    if policy == "attach":
        own = torch.arange(len(q)) // each
        among = among * (own[:, None] == own[None])
    back = sources.T if policy == "rewire" else torch.zeros(len(x), len(q))
    return torch.cat([torch.cat([support, back], 1), torch.cat([sources, among], 1)])


@settings(max_examples=50)
@given(
    st.sampled_from(("attach", "rewire", "batch")),
    st.sampled_from(("image", "pair")),
    st.sampled_from(("mean", "concat")),
    st.sampled_from(("binary", "cosine", "softmax")),
    st.sampled_from((0.0, 0.3, 0.7)),
    st.builds(
        GANetSpec,
        bottleneck=st.just(4),
        norm=st.sampled_from(("sym", "row")),
        self_message=st.booleans(),
        layers=st.integers(1, 2),
    ),
    st.integers(1, 8),
    st.integers(1, 5),
    st.integers(0, 2**20),
)
def test_every_policy_is_what_it_says(
    policy: str, kind: Any, readout: Any, weight: Any, threshold: float, adapter: GANetSpec, items: int, queries: int,
    seed: int,
) -> None:  # fmt: skip
    """Logits equal those over full matrices written down from the policy's definition, for one node an item and two.

    Also where messages are computed once, in a single part, which one layer alone allows.
    """
    readout, each = (readout, 2) if kind == "pair" else ("mean", 1)
    spec = SimilaritySpec(nodes=kind, readout=readout, threshold=threshold, weight=weight, temperature=0.3)
    model = model_of(adapter.norm, adapter.self_message, adapter.layers, readout, seed)
    x, q, builder = unit(each * items, seed), unit(each * queries, seed + 1), Similarity(spec)
    layouts = (Layout.pairs(items, CPU), Layout.pairs(queries, CPU)) if kind == "pair" else (None, None)
    graph = builder.connect(x, layouts[0])
    support = Support(tuple(map(str, range(items))), Nodes(x, graph, layouts[0]), torch.zeros(items).long())
    asked, size = Nodes(q, layout=layouts[1]), 2
    met = {
        "attach": lambda: attached(support, asked, builder),
        "rewire": lambda: rewire(support, asked, builder),
        "batch": lambda: in_batches(support, asked, builder, size),
    }[policy]()
    together = {"attach": queries, "rewire": 1, "batch": size}[policy]
    dense, expected = Dense(model, spec, adapter, readout), []
    for start in range(0, queries, together):
        some = q[each * start : each * (start + together)]
        adjacency = joined(x, some, dense, each, policy)
        expected.append(dense.logits(torch.cat([x, some]), adjacency, len(some) // each))
    torch.testing.assert_close(met.logits(model), torch.cat(expected), atol=2e-5, rtol=1e-4)
    once = met.aggregated(model)
    assert (once is met) == (adapter.layers > 1)
    torch.testing.assert_close(once.logits(model), torch.cat(expected), atol=2e-5, rtol=1e-4)


@settings(max_examples=20)
@given(st.integers(1, 8), st.integers(2, 5), st.integers(0, 2**20))
def test_rewire_does_not_depend_on_what_else_is_asked(items: int, queries: int, seed: int) -> None:
    """Alone and in company: the same logits."""
    builder = Similarity(SimilaritySpec(threshold=0.1, weight="binary"))
    model = model_of("sym", True, 2, "mean", seed)
    x, q = unit(items, seed), unit(queries, seed + 1)
    support = Support(tuple(map(str, range(items))), Nodes(x, builder.connect(x)), torch.zeros(items).long())
    together = rewire(support, Nodes(q), builder).logits(model)
    for index in range(queries):
        alone = rewire(support, Nodes(q[index : index + 1]), builder).logits(model)
        torch.testing.assert_close(alone[0], together[index], atol=1e-6, rtol=1e-5)


def test_a_rewired_query_is_a_node_like_any_other() -> None:
    """Its graph is the one that would be built over the support and the query, weights included."""
    builder = Similarity(SimilaritySpec(threshold=0.0))
    x, q = unit(9, 0), unit(1, 1)
    support = Support(tuple("abcdefghi"), Nodes(x, builder.connect(x)), torch.zeros(9).long())
    ((nodes, _),) = rewire(support, Nodes(q), builder).parts()
    whole = builder.connect(torch.cat([x, q]))
    assert nodes.graph is not None
    assert torch.equal(nodes.graph.edge_index, whole.edge_index)
    torch.testing.assert_close(nodes.graph.weight, whole.weight)


FEW = {"type": "few_digits", "train": 4, "val": 2, "test": 2}
TWO_LAYERS = {"type": "ga_net", "bottleneck": 8, "layers": 2}
WORDS = {
    "attach": "each item sees the support set alone",
    "rewire": "one item at a time joins the support's graph",
    "batch": "the others of its batch of 7",
    "transductive": "the items of val and test are nodes of the training graph, without their labels: training sees "
    "the distribution that it is tested on (a leak)",
}


def run_by(policy: str, folder: Path, **more: Any) -> Any:
    spec: dict[str, Any] = {
        "dataset": FEW,
        "dataset__shots": 2,
        "adapter": TWO_LAYERS,
        "evaluation__inductive_batch": 7,
    }
    return pipeline(**(spec | {"evaluation__inductive": policy} | more)).run(folder)


@pytest.mark.parametrize("policy", WORDS)
def test_the_policy_is_named_in_result_card_and_plan(tmp_path: Path, policy: str) -> None:
    """By its name and in words that say what the figures mean."""
    run = run_by(policy, tmp_path / "run")
    assert run.result["inductive"] == policy
    assert WORDS[policy] in run.result["inductive_note"]
    card = (run.folder / "adapter" / "README.md").read_text()
    assert f"Inductive policy: {policy}" in card
    assert WORDS[policy] in card
    plan = pipeline(evaluation__inductive=policy, evaluation__inductive_batch=7).plan(tmp_path / "store")
    assert WORDS[policy] in plan.stages[-1].detail


@pytest.mark.parametrize("policy", [rewire, lambda *given: in_batches(*given, 2)], ids=["rewire", "batch"])
def test_parts_too_large_to_keep_are_made_anew(policy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept or not, in one part or in several: the same logits, also the second time."""
    builder = Similarity(SimilaritySpec(threshold=0.0, weight="binary"))
    model, x, q = model_of("sym", True, 2, "mean", 3), unit(9, 0), unit(5, 1)
    support = Support(tuple("abcdefghi"), Nodes(x, builder.connect(x)), torch.zeros(9).long())
    kept = policy(support, Nodes(q), builder)
    assert kept.parts() is kept.parts()
    monkeypatch.setattr("graftwork.core.graph.queries.KEPT", 0)
    monkeypatch.setattr("graftwork.core.graph.queries.PART", 2 * x.numel())
    anew = policy(support, Nodes(q), builder)
    assert len(list(anew.parts())) == 3
    for _ in range(2):
        torch.testing.assert_close(anew.logits(model), kept.logits(model))


def test_policies_differ() -> None:
    """With two layers no two of them give the same logits."""
    builder = Similarity(SimilaritySpec(threshold=0.0, weight="binary"))
    model = model_of("sym", True, 2, "mean", 3)
    x, q = unit(9, 0), unit(4, 1)
    support = Support(tuple("abcdefghi"), Nodes(x, builder.connect(x)), torch.zeros(9).long())
    found = [attached(support, Nodes(q), builder), rewire(support, Nodes(q), builder)]
    found.append(in_batches(support, Nodes(q), builder, 2))
    logits = [one.logits(model) for one in found]
    assert all(not torch.allclose(logits[a], logits[b], atol=1e-3) for a in range(3) for b in range(a))


def test_transductive_has_the_scored_splits_in_its_graph(tmp_path: Path) -> None:
    """Labelled training items, and all of val and test without labels; the loss hears of no label of theirs."""
    run = run_by("transductive", tmp_path / "a")
    assert run.result["graph"]["support_nodes"] == [20 + 20 + 20]
    assert run.result["dataset"]["labelled"] == [20]
    turned = run_by("transductive", tmp_path / "b", dataset__rotate={"test": 3})
    files = [one.folder / "adapter" / "adapter_model.safetensors" for one in (run, turned)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert run.result["test"]["accuracy"] != turned.result["test"]["accuracy"]


def test_without_messages_between_items_the_policy_has_no_effect_and_says_so(tmp_path: Path) -> None:
    """A bottleneck's items stand alone: nothing leaks, and no test item is carried along."""
    runs = [run_by(policy, tmp_path / policy, adapter={"type": "bottleneck"}) for policy in ("attach", "transductive")]
    assert runs[0].result["test"] == runs[1].result["test"]
    assert runs[1].result["inductive_note"] == "no messages are passed: every item stands alone, whatever the policy"
    config = json.loads((runs[1].folder / "adapter" / "adapter_config.json").read_text())
    assert len(config["graftwork"]["support_ids"]) == 20


def test_a_new_image_attaches_to_a_transductive_graph_and_is_told(
    tmp_path: Path, tiny_clip: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``load`` warns, ``graftwork predict`` prints a note; the prediction is that of `attach`."""
    clip = {"type": "open_clip", "model": f"local-dir:{tiny_clip}"}
    run = run_by("transductive", tmp_path / "run", encoder=clip, dataset={"type": "digits"}, trainer__epochs=1)
    with pytest.warns(PolicyWarning, match="A new image was not, so it is attached to that graph"):
        predictor = load(run.folder)
    picture = (torch.rand(8, 8) * 255).byte().numpy()
    assert predictor.predict([picture])[0].neighbours
    from PIL import Image

    Image.fromarray(picture).save(tmp_path / "new.png")
    monkeypatch.setattr("sys.argv", ["graftwork", "predict", str(run.folder), str(tmp_path / "new.png")])
    main()
    assert "note: " in capsys.readouterr().err
