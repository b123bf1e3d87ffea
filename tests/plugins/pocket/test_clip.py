"""The shipped checkpoint: it is small, opens in plain open_clip, and is as good as its card says."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch

from graftwork.plugins.pocket import CLIP_FOLDER
from graftwork.plugins.pocket.clip.digits_check import Digits, OpenClipReader, load_real_digits
from graftwork.plugins.pocket.clip.measure import QUESTIONS, ask, measure_digits
from graftwork.plugins.pocket.scenes.compose import Composer
from graftwork.plugins.pocket.scenes.render import render
from graftwork.plugins.pocket.scenes.stencils import build_bank


@pytest.fixture(scope="module")
def digits() -> Digits:
    return load_real_digits()


@pytest.fixture(scope="module")
def reader() -> OpenClipReader:
    return OpenClipReader(CLIP_FOLDER)


@pytest.fixture(scope="module")
def card() -> str:
    return (CLIP_FOLDER / "README.md").read_text(encoding="utf-8")


def claimed(card: str, row: str) -> list[float]:
    """The figures in the card's table row that begins with ``row``."""
    (line,) = [line for line in card.splitlines() if line.startswith(f"| {row}")]
    return [float(figure) for figure in re.findall(r"\| (0\.\d+|1\.0+)(?= )", line)]


def test_it_is_small_enough_to_ship() -> None:
    sizes = {path.name: path.stat().st_size for path in CLIP_FOLDER.iterdir()}
    assert set(sizes) == {"open_clip_config.json", "open_clip_model.safetensors", "bpe_vocabulary.txt.gz", "README.md"}
    assert sizes["open_clip_model.safetensors"] <= 8_000_000
    assert sum(sizes.values()) <= 8_500_000


def test_the_configuration_fits_the_vocabulary(reader: OpenClipReader) -> None:
    config = json.loads((CLIP_FOLDER / "open_clip_config.json").read_text(encoding="utf-8"))
    assert config["model_cfg"]["text_cfg"]["vocab_size"] == reader.tokenizer.vocab_size


def test_the_splits_are_a_partition_in_the_agreed_shares(digits: Digits) -> None:
    everything = np.concatenate(list(digits.splits.values()))
    assert sorted(everything) == list(range(1797))
    for digit in range(10):
        counts = {name: int((digits.classes[part] == digit).sum()) for name, part in digits.splits.items()}
        total = sum(counts.values())
        assert (counts["train"], counts["val"]) == (round(0.5 * total), round(0.2 * total))


def test_it_reads_real_digits_as_well_as_its_card_claims(reader: OpenClipReader, digits: Digits, card: str) -> None:
    zero_shot, probe, _ = measure_digits(reader, digits)
    val, test, everything = claimed(card, "zero-shot, all")
    # Another processor rounds differently; one picture in a hundred may tip over.
    assert list(zero_shot.values()) == pytest.approx([val, test, everything], abs=0.01)
    assert list(probe.values()) == pytest.approx(claimed(card, "linear probe, 16 shots"), abs=0.01)
    assert zero_shot["all"] >= 0.75


def test_it_tells_rendered_things_about_as_well_as_its_card_claims(reader: OpenClipReader, card: str) -> None:
    """On fresh scenes without fonts; 150 pictures a question, so the floor leaves three standard errors."""
    bank = build_bank((), seed=1, digit_variants=20, letter_variants=5)
    composer, shake = Composer(bank, 1), torch.Generator().manual_seed(1)
    for name, question in QUESTIONS.items():
        accuracy = ask(reader, question, composer, lambda scenes: render(scenes, bank, shake), 150)
        assert accuracy > claimed(card, name)[0] - 0.12, name
        assert accuracy > 1.5 / len(question.values), name
