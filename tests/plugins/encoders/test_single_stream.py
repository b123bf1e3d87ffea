"""ViLT as an encoder: one tower, two streams, no vector of one modality alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from graftwork import Pipeline, SpecError
from graftwork.core.graft import GraftedTowers, builder
from graftwork.core.roles import Encoder, EncoderError
from graftwork.core.towers.frozen_tower import FrozenTower
from graftwork.plugins.adapters.hmmoe import HMMoESpec
from graftwork.plugins.encoders import TransformersSpec
from graftwork.plugins.encoders.transformers.encoder import Transformers

from ...support.models.tiny_encoders import save_tiny_encoder

TEXTS = ["a cat", "the small dog in the dark grass on a picture"]
SIZES = ((32, 40), (64, 32))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny ViLT with its processor's parts."""
    return save_tiny_encoder("vilt", tmp_path_factory.mktemp("vilt"))


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return Transformers(TransformersSpec(model=str(folder)), torch.device("cpu"))


def pictures() -> list[Image.Image]:
    """Of two shapes, so that one is padded."""
    generator = torch.Generator().manual_seed(0)
    return [
        Image.fromarray(torch.randint(0, 255, (h, w, 3), generator=generator, dtype=torch.uint8).numpy())
        for w, h in SIZES
    ]


def collated(encoder: Encoder, tower: FrozenTower, rows: slice = slice(None)) -> dict[str, Any]:
    images = [encoder.preprocess("image", one) for one in pictures()[rows]]
    return tower.collate({"image": images, "text": TEXTS[rows]})


def grafted_of(tower: FrozenTower) -> GraftedTowers:
    """With an adapter that changes something."""
    grafted = GraftedTowers([tower.tower])
    grafted.add_adapter("first", HMMoESpec.model_validate({"rank": 4}), builder())
    for name, parameter in grafted.named_parameters():
        if name.endswith("up.weight"):
            torch.nn.init.normal_(parameter, std=0.2, generator=torch.Generator().manual_seed(1))
    return grafted.eval()


def test_one_tower_reads_both_modalities(encoder: Encoder, folder: Path) -> None:
    """Its read-out is the pooled vector of transformers' own model and processor."""
    from transformers import AutoModel, AutoProcessor

    (tower,) = encoder.towers()
    assert tower.tower.streams == ("text", "image")
    inputs = collated(encoder, tower)
    with torch.no_grad():
        read = tower.read_out(tower.tower.model(**inputs), inputs)
        given = AutoProcessor.from_pretrained(folder)(pictures(), TEXTS, padding=True, return_tensors="pt")
        plain = AutoModel.from_pretrained(folder)(**given).pooler_output
    assert torch.allclose(read, plain, atol=1e-5)
    (shape,) = TransformersSpec(model=str(folder)).tower_shapes() or ()
    blocks, width = len(tower.tower.blocks), tower.tower.width
    assert (shape.modalities, shape.depth, shape.width, shape.read_out) == (("text", "image"), blocks, width, 32)


def test_streams_meet_and_padding_is_heard_by_none(encoder: Encoder) -> None:
    """What a picture and a text give does not depend on how large others in the batch are."""
    (tower,) = encoder.towers()
    grafted = grafted_of(tower)
    whole = collated(encoder, tower)
    with torch.no_grad():
        both = tower.read_out(run(grafted, whole), whole)
        for row in range(2):
            alone = collated(encoder, tower, slice(row, row + 1))
            assert torch.allclose(tower.read_out(run(grafted, alone), alone)[0], both[row], atol=1e-5)
        with grafted.disable_adapter():
            assert not torch.allclose(tower.read_out(run(grafted, whole), whole), both, atol=1e-3)


def run(grafted: GraftedTowers, inputs: dict[str, Any]) -> Any:
    (name,) = grafted.towers
    return grafted({name: inputs}).outputs[name]


def test_one_input_gives_one_vector_and_randomness_stays(encoder: Encoder) -> None:
    """ViLT shuffles its patches by the global generator; here twice the same is bit-equal, and nothing is drawn."""
    (tower,) = encoder.towers()
    inputs = collated(encoder, tower)
    with torch.no_grad():
        before = torch.get_rng_state()
        first = tower.tower.model(**inputs).last_hidden_state
        assert torch.equal(torch.get_rng_state(), before)
        torch.rand(3)
        assert torch.equal(tower.tower.model(**inputs).last_hidden_state, first)


def test_gradients_reach_an_adapter_from_what_is_read_out(encoder: Encoder) -> None:
    """Through both streams."""
    (tower,) = encoder.towers()
    grafted, inputs = grafted_of(tower), collated(encoder, tower)
    tower.read_out(run(grafted, inputs), inputs).square().sum().backward()
    idle = {
        name
        for name, parameter in grafted.named_parameters()
        if name.endswith("up.weight") and (parameter.grad is None or not parameter.grad.any())
    }
    last_picture = {name for name in idle if "image" in name and "1_block" in name}
    assert len(idle) == len(last_picture) == 1, idle  # the pooled vector is that of the first word


def test_one_modality_alone_is_refused(encoder: Encoder, folder: Path) -> None:
    """In words, when encoding, when collating and when a pipeline on features is validated."""
    with pytest.raises(EncoderError, match="a single-stream model reads image and text together"):
        encoder.encode("text", ["a cat"])
    with pytest.raises(EncoderError, match="image is missing"):
        encoder.towers()[0].collate({"text": ["a cat"]})
    spec = TransformersSpec(model=str(folder))
    assert spec.modalities() == {"image", "text"}
    assert spec.shares_space() is False
    with pytest.raises(SpecError, match=r"reads image and text together.*adapter `bottleneck` needs one"):
        Pipeline(
            {
                "dataset": {"type": "digits"},
                "encoder": {"type": "transformers", "model": str(folder)},
                "adapter": {"type": "bottleneck"},
                "task": {"type": "classification", "head": {"type": "linear"}},
            }
        )
