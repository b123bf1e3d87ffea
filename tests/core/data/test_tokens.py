"""Token sequences: ragged storage, and what open_clip's towers give."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional

from graftwork.core.data.items import Media
from graftwork.core.data.tokens import Tokens
from graftwork.core.roles import Encoder, EncoderError, EncoderFacts
from graftwork.core.stages.encode import EncoderStage
from graftwork.plugins.encoders import OpenClipSpec
from graftwork.plugins.encoders.open_clip.encoder import OpenClip
from graftwork.registry.discovery import default_catalogue

CPU = torch.device("cpu")
TEXTS = ["a photo of a 3.", "", "the digit three in the grass " * 20]


def sequences(lengths: list[int], width: int = 3) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(length, width, generator=generator) for length in lengths]


LENGTHS = st.lists(st.integers(0, 5), min_size=1, max_size=6)


@given(LENGTHS)
def test_padding_and_mask_hold_each_sequence(lengths: list[int]) -> None:
    """Row i begins with sequence i, the mask says where it ends, and behind it are zeros."""
    padded, mask = Tokens.of(sequences(lengths)).padded()
    assert padded.shape == (len(lengths), max(lengths), 3)
    for row, keep, expected in zip(padded, mask, sequences(lengths), strict=True):
        assert torch.equal(row[keep], expected)
        assert torch.equal(keep, torch.arange(max(lengths)) < len(expected))
        assert not row[~keep].any()


@given(LENGTHS, st.data())
def test_selection_is_those_sequences_in_that_order(lengths: list[int], data: st.DataObject) -> None:
    """Any rows, repeated or none at all, as a list or a tensor."""
    rows = data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=8))
    tokens = Tokens.of(sequences(lengths))
    for asked in (rows, torch.tensor(rows, dtype=torch.int64)):
        chosen = tokens.select(asked)
        assert len(chosen) == len(rows)
        assert chosen.lengths().tolist() == [lengths[row] for row in rows]
        for position, row in enumerate(rows):
            found = chosen.values[chosen.offsets[position] : chosen.offsets[position + 1]]
            assert torch.equal(found, sequences(lengths)[row])


def test_no_sequence_has_no_width() -> None:
    """What the width of nothing is, nobody knows."""
    with pytest.raises(ValueError, match="no sequence"):
        Tokens.of([])


def pictures(number: int, side: int = 32) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)) for _ in range(number)]


@pytest.fixture(scope="module")
def clip(tiny_clip: Path) -> OpenClip:
    return OpenClip(OpenClipSpec(model=f"local-dir:{tiny_clip}"), CPU)


@pytest.fixture(scope="module")
def pocket() -> OpenClip:
    return OpenClip(OpenClipSpec(), CPU)


def test_class_token_of_a_vit_is_the_vector_before_normalising(clip: OpenClip) -> None:
    """17 tokens of a picture of 4 x 4 patches, in the joint space; the first is what the vector is made of."""
    tokens = clip.encode_tokens("image", pictures(3))
    assert [tuple(one.shape) for one in tokens] == [(17, 32)] * 3
    first = functional.normalize(torch.stack([one[0] for one in tokens]), dim=-1)
    torch.testing.assert_close(first, clip.encode("image", pictures(3)))


@pytest.mark.parametrize("name", ["clip", "pocket"])
def test_end_token_of_a_text_is_the_vector_before_normalising(name: str, request: pytest.FixtureRequest) -> None:
    """A text's tokens end with its end token; an empty one has start and end alone, and none is padding."""
    encoder: OpenClip = request.getfixturevalue(name)
    tokens = encoder.encode_tokens("text", TEXTS)
    assert [len(one) for one in tokens][1:] == [2, encoder._model.context_length]
    last = functional.normalize(torch.stack([one[-1] for one in tokens]), dim=-1)
    torch.testing.assert_close(last, encoder.encode("text", TEXTS))


def test_a_position_of_a_resnet_is_what_its_pool_gives_attending_to_it_alone(pocket: OpenClip) -> None:
    """The pocket CLIP's map at 32 pixels has one position; open_clip's own attention, given it alone, agrees."""
    tokens = pocket.encode_tokens("image", pictures(2))
    visual: Any = pocket._model.visual
    pixels = pocket._inputs("image", pictures(2))
    with torch.no_grad():
        x = visual.layer4(visual.layer3(visual.layer2(visual.layer1(visual.stem(pixels)))))
        pool = visual.attnpool
        x = x.flatten(2).permute(2, 0, 1) + pool.positional_embedding[1:, None]
        zeros = torch.cat([pool.q_proj.bias, pool.k_proj.bias, pool.v_proj.bias])
        attended, _ = functional.multi_head_attention_forward(
            x, x, x, x.shape[-1], pool.num_heads, None, zeros, None, None, False, 0.0, pool.c_proj.weight,
            pool.c_proj.bias, need_weights=False, use_separate_proj_weight=True, q_proj_weight=pool.q_proj.weight,
            k_proj_weight=pool.k_proj.weight, v_proj_weight=pool.v_proj.weight,
        )  # fmt: skip
    assert attended.shape[0] == 1
    torch.testing.assert_close(torch.stack(tokens), attended.transpose(0, 1), atol=1e-5, rtol=1e-5)


def test_spec_tells_the_width_of_tokens(clip: OpenClip, pocket: OpenClip) -> None:
    """Without loading; a tower of timm is said to have none, and loading says the same."""
    for encoder, spec in ((pocket, OpenClipSpec()),):
        for modality, batch in (("image", pictures(1)), ("text", TEXTS)):
            assert {one.shape[1] for one in encoder.encode_tokens(modality, batch)} == {spec.token_width(modality)}
    assert OpenClipSpec(model="ViT-B-16-SigLIP", pretrained="webli").token_width("image") is None


class Silent(Encoder):
    """An encoder of vectors alone."""

    def facts(self) -> EncoderFacts:
        return EncoderFacts("0" * 64, 0, None)

    def encode(self, modality: str, batch: Sequence[Any]) -> torch.Tensor:
        return torch.empty(len(batch), 1)


def test_encoder_without_tokens_says_so() -> None:
    """By its name and the modality."""
    with pytest.raises(EncoderError, match="Silent gives no tokens of a image"):
        Silent().encode_tokens("image", [])


def stage(root: Path, folder: Path) -> EncoderStage:
    spec = OpenClipSpec(model=f"local-dir:{folder}", batch_size=2)
    return EncoderStage(spec, default_catalogue(), root, lambda: CPU)


def test_tokens_are_stored_by_content_and_not_encoded_again(tmp_path: Path, tiny_clip: Path, clip: OpenClip) -> None:
    """A second stage takes them from the store, bit by bit, without loading; vectors are stored apart from them."""
    media = [Media.of_text(text) for text in TEXTS]
    first = stage(tmp_path, tiny_clip).encode_tokens("text", media)
    for position, expected in enumerate(clip.encode_tokens("text", TEXTS)):
        found = first.values[first.offsets[position] : first.offsets[position + 1]]
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    later = stage(tmp_path, tiny_clip)
    assert later.missing_tokens("text", media) == []
    assert later.missing("text", media) == media
    again = later.encode_tokens("text", media[::-1])
    assert not later.tower("text").loaded
    assert torch.equal(again.values, first.select([2, 1, 0]).values)
    assert again.values.dtype == torch.float32


def test_interrupted_tokens_are_resumed(tmp_path: Path, tiny_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the second batch of two: the first is stored, and only the rest is encoded by the next run."""
    media = [Media.of_text(f"text {number}") for number in range(5)]
    seen: list[int] = []
    whole = OpenClip.encode_tokens

    def interrupted(self: OpenClip, modality: str, batch: Any) -> list[torch.Tensor]:
        if seen:
            raise KeyboardInterrupt
        seen.append(len(batch))
        return whole(self, modality, batch)

    monkeypatch.setattr(OpenClip, "encode_tokens", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stage(tmp_path, tiny_clip).encode_tokens("text", media)
    monkeypatch.setattr(OpenClip, "encode_tokens", whole)
    assert stage(tmp_path, tiny_clip).missing_tokens("text", media) == media[2:]
    assert len(stage(tmp_path, tiny_clip).encode_tokens("text", media)) == 5
