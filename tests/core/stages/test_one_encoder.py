"""One model a run: trials of a search share it, and each result names what its own pipeline used."""

from pathlib import Path

import pytest
import torch

from graftwork.core.stages.context import RunContext

from ...support.small_pipeline import Brightness, Pixels, catalogue, pipeline

CAPTIONED = {"captioner": {"type": "brightness"}, "graph__threshold": 0.1, "trainer__epochs": 1}


def test_a_search_over_nodes_loads_one_encoder_and_captions_once(tmp_path: Path) -> None:
    """Images, then images with texts: two preparations, one model; equal pictures are described once."""
    marker = "searched"
    search = {"graph.nodes": ["image", "fused", "text"]}
    described = len(Brightness.seen)
    run = pipeline(**CAPTIONED, encoder__marker=marker, search=search).run(tmp_path / "run", tmp_path / "store")
    assert Pixels.built.count(marker) == 1
    assert sum(map(len, Brightness.seen[described:])) == 240
    kinds = {"image": ["image"], "text": ["text"], "fused": ["image", "text"]}
    assert sorted(run.result["encoder"]) == kinds[run.result["chosen"]["graph.nodes"]]


def test_the_best_pipeline_names_no_modality_of_another(tmp_path: Path) -> None:
    """Untrained texts that are all alike tell nothing: images win, and texts were encoded all the same."""
    search = {"graph.nodes": ["text", "image"]}
    wording = {"captioner": {"type": "brightness", "wording": "a picture"}}
    run = pipeline(**CAPTIONED | wording, search=search).run(tmp_path / "run", tmp_path / "store")
    assert run.result["chosen"] == {"graph.nodes": "image"}
    assert list(run.result["encoder"]) == ["image"]


def test_a_context_without_a_device_loads_nothing(tmp_path: Path) -> None:
    """What a plan or a lock looks through: it finds what is stored, and refuses to load."""
    spec = pipeline().spec
    context = RunContext(catalogue(), tmp_path)
    assert context.encoder(spec).tower("image").known_facts() is None
    with pytest.raises(AssertionError, match="loads no model"):
        _ = context.encoder(spec).tower("image").encoder


def test_stages_of_one_context_share_their_models(tmp_path: Path) -> None:
    """Each asked for anew; what one loaded the other has."""
    context = RunContext(catalogue(), tmp_path, find_device=lambda: torch.device("cpu"))
    spec = pipeline(**CAPTIONED, graph__nodes="fused").spec
    one, other = context.encoder(spec), context.encoder(spec)
    assert other.tower("image").encoder is one.open("image")
    assert (list(one.used()), list(other.used())) == (["image"], [])
    assert context.captioner(spec) is context.captioner(spec)
    assert context.captioner(pipeline(**CAPTIONED).spec) is None
