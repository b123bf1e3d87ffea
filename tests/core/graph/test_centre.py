"""Centred nodes against their equations, and what they refuse."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from graftwork import load
from graftwork.core.data.items import DataError
from graftwork.core.graph.centre import centre_of
from graftwork.core.graph.make_nodes import nodes_of, prompt_nodes
from graftwork.core.roles import ClassPrompts
from graftwork.core.storage.manifest import seal
from graftwork.core.storage.run_folder import RunFolderError
from graftwork.core.storage.tensors import read_tensors, write_tensors
from graftwork.plugins.graphs import SimilaritySpec
from graftwork.registry.errors import SpecError

from ...support.small_pipeline import catalogue, notes_heard, pipeline
from .test_make_nodes import Measured, spec_of, vectors

GRAPH: dict[str, Any] = {"nodes": "fused", "fusion": "concat", "threshold": 0.2, "centre": "pool"}
seeds = st.integers(0, 2**20)


def unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True)


def double(of: dict[str, Tensor]) -> dict[str, Tensor]:
    return {kind: one.double() for kind, one in of.items()}


@given(seeds, st.integers(2, 9), st.floats(0.01, 0.99))
def test_centred_nodes_are_their_equation(seed: int, pool: int, share: float) -> None:
    """m = [sqrt(1 - s) unit(v - c_v), sqrt(s) unit(t - c_t)], c the means of the pool's unit vectors, in float64."""
    graph = SimilaritySpec(**GRAPH, text_share=share)
    training, items = vectors(pool, seed), vectors(4, seed + 1)
    found = nodes_of(items, {}, graph, centre_of(training, graph)).x
    v, t = (unit(unit(items[kind].double()) - unit(training[kind].double()).mean(0)) for kind in ("image", "text"))
    expected = torch.cat([math.sqrt(1 - share) * v, math.sqrt(share) * t], dim=-1)
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)
    cosines = (1 - share) * v @ v.T + share * t @ t.T
    torch.testing.assert_close((found @ found.T).double(), cosines, atol=1e-5, rtol=1e-5)


@given(seeds, st.sampled_from(["image", "text", "pair", "mean"]))
def test_every_kind_of_node_of_one_vector_can_be_centred(seed: int, kind: str) -> None:
    """Each modality by its own mean; a node's length is 1."""
    fields = {"nodes": "fused", "fusion": "mean"} if kind == "mean" else {"nodes": kind}
    graph = SimilaritySpec(threshold=0.2, centre="pool", **fields)
    training, items = double(vectors(6, seed)), double(vectors(3, seed + 1))
    found = nodes_of(items, {}, graph, centre_of(training, graph)).x
    each = {name: unit(unit(items[name]) - unit(training[name]).mean(0)) for name in ("image", "text")}
    pair = torch.stack(list(each.values()), dim=1).flatten(0, 1)
    expected = {**each, "pair": pair, "mean": unit(each["image"] + each["text"])}[kind]
    torch.testing.assert_close(found, expected)


def test_without_a_centre_nodes_are_what_they_were() -> None:
    """To the bit: [v, t] / sqrt(2)."""
    graph, items = SimilaritySpec(**GRAPH | {"centre": "none"}), vectors(5, 1)
    units = [torch.nn.functional.normalize(items[kind], dim=-1) for kind in ("image", "text")]
    assert centre_of(items, graph) == {}
    assert torch.equal(nodes_of(items, {}, graph).x, torch.cat(units, dim=-1) / math.sqrt(2))


@given(seeds, st.floats(0.01, 0.99))
def test_class_vectors_are_moved_by_their_own_mean_and_weighed_as_nodes(seed: int, share: float) -> None:
    """So a cosine head compares image with (1 - s) and text with s."""
    graph, prompts = SimilaritySpec(**GRAPH, text_share=share), unit(vectors(5, seed)["text"])
    found = prompt_nodes(ClassPrompts(prompts, 20.0), graph).vectors
    moved = unit(prompts.double() - prompts.double().mean(0))
    expected = torch.cat([math.sqrt(1 - share) * moved, math.sqrt(share) * moved], dim=-1)
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)


SKIP = {"type": "ga_net", "bottleneck": 4, "skip": 0.4, "loop": "nearest"}


@pytest.mark.parametrize(
    ("adapter", "policy"),
    [
        ({"type": "none"}, "attach"),
        ({"type": "diffusion", "steps": 2}, "rewire"),
        *((SKIP, policy) for policy in ("attach", "rewire", "batch")),
    ],
)
def test_a_run_keeps_the_means_of_its_pool(tmp_path: Path, adapter: dict[str, Any], policy: str) -> None:
    """All training items with pool `train`, labelled or not, whether the adapter hears them or not; never others.

    Loaded from disk, new items get every bit of the logits that were measured, by every policy.
    """
    head = {"type": "logistic_regression", "train": True}
    run = Measured(tmp_path, **spec_of("centred", adapter=adapter, task__head=head, evaluation={"inductive": policy}))
    saved = load_file(run.folder / "support.safetensors")
    features = run.trial.prepared.features["train"]
    for kind, of_kind in features.vectors.items():
        torch.testing.assert_close(saved[f"centre.{kind}"], unit(of_kind).mean(0))
    assert torch.equal(run.load().logits(run.pictures()), run.logits)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"text_share": 0.75, "fusion": "mean"},
            'text_share 0.75 weighs image and text side by side; set "nodes": "fused"',
        ),
        ({"text_share": 1.0}, "text_share"),
        ({"text_share": 0.0}, "text_share"),
        ({"nodes": "tokens"}, "nodes are made of `tokens`; take `none`"),
        ({"fusion": "cross_attention"}, "nodes are made by `cross_attention`; take `none`"),
    ],
)
def test_what_cannot_be_centred_or_shared_is_refused(fields: dict[str, Any], said: str) -> None:
    """In one line that says what to set."""
    with pytest.raises(SpecError) as raised:
        pipeline(graph={"type": "similarity", **GRAPH, **fields}, captioner={"type": "brightness"})
    assert said in str(raised.value)


@pytest.mark.parametrize(("items", "said"), [(0, "0"), (1, "1"), (3, "all equal")])
def test_a_pool_whose_mean_takes_everything_away_is_refused(items: int, said: str) -> None:
    """No item, one, or equal ones."""
    with pytest.raises(DataError, match=f'vectors are {said}: nothing would be left; set "pool": "train"'):
        centre_of({"image": torch.ones(items, 4)}, SimilaritySpec(nodes="image", threshold=0.5, centre="pool"))


@pytest.mark.parametrize("adapter", [{"type": "ga_net", "skip": 0.3}, {"type": "diffusion"}])
def test_a_pool_without_any_neighbour_is_said(tmp_path: Path, adapter: dict[str, Any]) -> None:
    """In a note and in the result, whose shares are those of a graph that is off; nodes keep their own vectors."""
    graph = {"type": "similarity", "threshold": 1.0, "pool": "train", "centre": "pool"}
    run = pipeline(graph=graph, adapter=adapter, trainer__epochs=1, reporters=[{"type": "hearing"}]).run(
        tmp_path / "run"
    )
    assert any("the adapter hears no neighbour; let the graph join more" in note for note in notes_heard(run))
    assert "the support graph has no edges" in run.result["graph"]["warning"]
    assert set(run.result["graph"]["neighbour_shares"][0].values()) == {0.0}


@pytest.mark.parametrize(
    ("altered", "told"),
    [
        (lambda mean: None, "lacks `centre.image`, which this pipeline needs"),
        (
            lambda mean: mean[None],
            "`centre.image` is torch.float32 [1, 64], and should be torch.float32 of 1 dimensions",
        ),
        (lambda mean: mean.double(), "`centre.image` is torch.float64 [64]"),
        (lambda mean: mean[1:], "`centre.image` has 63 numbers, and new vectors have 64"),
    ],
    ids=["lost", "of another form", "of another type", "of another width"],
)
def test_a_saved_run_without_its_means_is_refused(
    tmp_path: Path, altered: Callable[[Tensor], Tensor | None], told: str
) -> None:
    """Its predictions would be those of other nodes; a width is told where vectors are met."""
    folder = (
        pipeline(graph__centre="pool", trainer__epochs=1).run(tmp_path / "run", tmp_path / "store").folder / "adapter"
    )
    tensors = read_tensors(folder / "support.safetensors")
    mean = altered(tensors.pop("centre.image"))
    (folder / "support.safetensors").unlink()
    write_tensors(folder / "support.safetensors", tensors | ({} if mean is None else {"centre.image": mean}))
    (folder / "manifest.json").unlink()
    seal(folder)
    with pytest.raises(RunFolderError, match=re.escape(told)):
        load(folder, catalogue=catalogue()).predict([Image.new("L", (8, 8))])
