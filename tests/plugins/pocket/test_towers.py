"""The shipped pocket towers: small, opened by the Auto classes, and as good as their cards say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from graftwork.plugins.pocket import AST_FOLDER, SCENE_CLIP_FOLDER, VILT_FOLDER
from graftwork.plugins.pocket.towers.card import file_hashes
from graftwork.plugins.pocket.towers.measure import measure_ast, measure_scene_clip, measure_vilt, open_folder
from graftwork.plugins.pocket.world.picture import paint
from graftwork.plugins.pocket.world.scene import draw_scene

FOLDERS = {"ast": AST_FOLDER, "scene_clip": SCENE_CLIP_FOLDER, "vilt": VILT_FOLDER}
MEASURES = {"ast": measure_ast, "scene_clip": measure_scene_clip, "vilt": measure_vilt}
#: Smaller samples than the card's, so that a test takes seconds: what fits the probes, and what is asked.
SAMPLE = {"ast": (300, 150), "scene_clip": (200, 100), "vilt": (200, 100)}
#: What the towers are for: no adapter can combine what is not there.
LEAST = {"shape (5)": 0.9, "colour (8)": 0.9, "timbre (5), from the mean": 0.95}


def card(folder: Path) -> str:
    return (folder / "README.md").read_text(encoding="utf-8")


def claimed(folder: Path) -> dict[str, float]:
    """What was measured, by its row in the card."""
    return {what: float(share) for what, share in re.findall(r"^\| (.+) \| ([01]\.\d{3}) \|$", card(folder), re.M)}


@pytest.fixture(scope="module", params=list(FOLDERS))
def opened(request: pytest.FixtureRequest):
    """Name, model, and its processor or feature extractor."""
    return request.param, *open_folder(FOLDERS[request.param])


def test_together_they_are_small_enough_to_ship() -> None:
    assert sum(path.stat().st_size for folder in FOLDERS.values() for path in folder.iterdir()) <= 6_000_000


@pytest.mark.parametrize("name", list(FOLDERS))
def test_the_card_names_every_file_with_its_hash_and_nothing_of_a_quick_try(name: str) -> None:
    """It is the card of these very weights."""
    text = card(FOLDERS[name])
    told = dict(re.findall(r"^\| (\S+) \| [\d,]+ \| `([0-9a-f]{64})` \|$", text, re.M))
    assert told == file_hashes(FOLDERS[name])
    assert "torch, transformers" in text


def test_it_is_the_real_architecture_with_finite_weights_in_float32(opened) -> None:
    name, model, _ = opened
    assert type(model).__name__ == {"ast": "ASTModel", "scene_clip": "CLIPModel", "vilt": "ViltModel"}[name]
    assert all(parameter.dtype == torch.float32 and parameter.isfinite().all() for parameter in model.parameters())


def test_every_tower_has_as_many_blocks_so_that_they_meet_one_to_one(opened) -> None:
    _, model, _ = opened
    config = model.config
    towers = (config.vision_config, config.text_config) if hasattr(config, "vision_config") else (config,)
    assert {tower.num_hidden_layers for tower in towers} == {4}


def test_it_gives_the_tokens_that_its_card_tells_of(opened) -> None:
    """32 patches of sound behind two tokens; 36 of a picture behind one."""
    name, model, reads = opened
    if name == "ast":
        values = reads(torch.zeros(10_240).numpy(), sampling_rate=16_000, return_tensors="pt")
        assert model(**values).last_hidden_state.shape == (1, 34, 96)
        return
    from random import Random

    pictures = list(paint([draw_scene(Random(0)), draw_scene(Random(1))]))
    texts = ["a red circle", "a large dotted star in the top left"]
    made = reads(images=pictures, text=texts, padding=True, return_tensors="pt")
    out = model(**made)
    if name == "scene_clip":
        assert out.logits_per_image.shape == (2, 2)
        assert out.vision_model_output.last_hidden_state.shape == (2, 37, 128)
    else:
        assert out.last_hidden_state.shape == (2, made["input_ids"].shape[1] + 37, 128)
        assert made["pixel_mask"].shape == (2, 48, 48)


@pytest.mark.parametrize("name", list(FOLDERS))
def test_its_card_claims_what_the_towers_are_for(name: str) -> None:
    figures = claimed(FOLDERS[name])
    for what, least in LEAST.items():
        assert all(share >= least for row, share in figures.items() if row.startswith(what))


@pytest.mark.parametrize("name", list(FOLDERS))
def test_on_a_small_fresh_sample_it_does_nearly_what_its_card_claims(name: str) -> None:
    """A tenth below is allowed: probes are fitted on a third of the card's sample or less, and asked of fewer."""
    figures, measured = claimed(FOLDERS[name]), MEASURES[name](FOLDERS[name], *SAMPLE[name])
    assert measured.keys() == figures.keys()
    for what, share in measured.items():
        assert share > figures[what] - 0.1, what
