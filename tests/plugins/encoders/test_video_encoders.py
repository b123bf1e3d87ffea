"""Encoders over clips: towers that take several frames at once, and towers of images frame by frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch.nn.functional import normalize

from graftwork import Pipeline, load
from graftwork.core.data.video import VideoFrames
from graftwork.core.roles import EncoderError
from graftwork.core.roles.encoder import encoded, encoded_tokens, preprocessed
from graftwork.core.stages.composed_encoder import build_encoder
from graftwork.core.testing.contents import clips
from graftwork.plugins.encoders import DualSpec, TransformersSpec
from graftwork.plugins.encoders.transformers.encoder import Transformers
from graftwork.registry.discovery import default_catalogue

from ...support.media.clip_files import strangers_clips
from ...support.models.tiny_encoders import save_tiny_encoder
from ...support.paths import ROOT

CPU = torch.device("cpu")
FAMILIES = ("videomae", "vivit", "timesformer")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder a family."""
    root = tmp_path_factory.mktemp("models")
    return {name: save_tiny_encoder(name, root / name) for name in (*FAMILIES, "clip", "vit")}


def build(folder: Path, **more: Any) -> Transformers:
    return Transformers(TransformersSpec(model=str(folder), **more), CPU)


def shown(video: VideoFrames) -> list[Image.Image]:
    return list(video)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tower_of_clips_gives_what_transformers_itself_gives(family: str, saved: dict[str, Path]) -> None:
    """Vectors and tokens; alone and among others; preprocessed ahead or not."""
    from transformers import AutoImageProcessor, AutoModel

    spec, encoder, some = TransformersSpec(model=str(saved[family])), build(saved[family]), clips(4)
    assert spec.modalities() == {"video"}
    assert encoder.takes_clips
    model, processor = AutoModel.from_pretrained(saved[family]), AutoImageProcessor.from_pretrained(saved[family])
    with torch.no_grad():
        pixels = [processor(shown(one), return_tensors="pt")["pixel_values"].reshape(1, 4, 3, 16, 16) for one in some]
        states = model(pixel_values=torch.cat(pixels)).last_hidden_state
    expected = states.mean(dim=1) if family == "videomae" else states[:, 0]
    vectors = encoded(encoder, "video", some)
    torch.testing.assert_close(vectors, normalize(expected, dim=-1), atol=1e-4, rtol=1e-4)
    assert spec.width("video") == vectors.shape[1] == spec.token_width("video")
    for one, state in zip(encoded_tokens(encoder, "video", some), states, strict=True):
        torch.testing.assert_close(one, state, atol=1e-4, rtol=1e-4)
    ready = [preprocessed(encoder, "video", one) for one in some]
    torch.testing.assert_close(encoded(encoder, "video", ready[1:2]), vectors[1:2], atol=1e-4, rtol=1e-4)


def test_another_number_of_frames_is_refused(saved: dict[str, Path]) -> None:
    """With what to write; and pictures, which such a model does not take."""
    with pytest.raises(EncoderError, match=r'takes 4 frames of a clip is given 16; set "frames": 4 in `dataset`'):
        encoded(build(saved["videomae"]), "video", clips(16))
    with pytest.raises(EncoderError, match="has no image tower; it encodes video"):
        build(saved["videomae"]).encode("image", shown(clips(4)[0]))


def test_a_clip_beside_words(saved: dict[str, Path]) -> None:
    """By a part of its own, a tower of clips or of images; or frame by frame, in the space of the words."""
    parts = {kind: TransformersSpec(model=str(saved[kind])) for kind in ("videomae", "clip")}
    some, catalogue = clips(4), default_catalogue()
    apart = DualSpec(video=parts["videomae"], text=parts["clip"])
    assert apart.modalities() == {"video", "text"}
    assert (apart.width("video"), apart.shares_space()) == (32, False)
    by_clip = build_encoder(catalogue, apart, CPU).encode("video", some)
    torch.testing.assert_close(by_clip, encoded(build(saved["videomae"]), "video", some))
    together = DualSpec(video=parts["clip"], text=parts["clip"])
    assert (together.width("video"), together.shares_space()) == (24, True)
    frames = build_encoder(catalogue, together, CPU).encode("video", some)
    alone = build_encoder(catalogue, parts["clip"], CPU)
    torch.testing.assert_close(frames, alone.encode("video", some))
    expected = torch.stack([alone.encode("image", shown(one)).mean(dim=0) for one in some])
    torch.testing.assert_close(frames, normalize(expected, dim=-1))


@pytest.mark.parametrize(
    "overrides",
    [
        {"dataset.frames": 2},
        {"encoder": {"type": "open_clip", "model": "pocket"}},
        {"encoder": {"type": "transformers", "model": "videomae"}, "dataset.frames": 4},
    ],
    ids=["timm", "open_clip", "transformers"],
)
def test_the_example_by_any_tower(overrides: dict[str, Any], saved: dict[str, Path], tmp_path: Path) -> None:
    """A stranger's folder; without a graph clips are the nodes; the run folder predicts as the model does."""
    random_weights = overrides.get("dataset.frames") == 4
    if random_weights:
        overrides = {**overrides, "encoder": {"type": "transformers", "model": str(saved["videomae"])}}
    root = strangers_clips(tmp_path / "clips")
    overrides = {"dataset.root": str(root), "reporters": [], "device": "cpu", **overrides}
    run = Pipeline.from_file(ROOT / "examples" / "clips.json", overrides).run(tmp_path / "run", tmp_path / "store")
    assert run.result["test"]["accuracy"]["mean"] == 1.0 or random_weights
    predictor = load(run.folder, device="cpu")
    found = predictor.predict(clips=[str(root / "train" / "left" / "0.avi"), str(root / "train" / "right" / "1.mkv")])
    assert [one.label for one in found] == ["left", "right"] or random_weights


def test_adapters_enter_a_tower_of_clips(saved: dict[str, Path], tmp_path: Path) -> None:
    """As they do those of pictures: its blocks are met layer by layer."""
    root = strangers_clips(tmp_path / "clips")
    spec = {
        "device": "cpu",
        "dataset": {"type": "video_folder", "root": str(root), "frames": 4},
        "encoder": {"type": "transformers", "model": str(saved["videomae"])},
        "adapter": {"type": "lora", "rank": 2},
        "task": {"type": "classification", "head": {"type": "linear"}},
        "trainer": {"epochs": 2, "batch_size": 4, "optimizer": {"type": "adamw", "lr": 0.01}},
        "reporters": [],
    }
    run = Pipeline.from_dict(spec).run(tmp_path / "run", tmp_path / "store")
    (found,) = load(run.folder, device="cpu").predict(clips=str(root / "train" / "left" / "0.avi"))
    assert found.label in ("left", "right")
