"""What a trained pocket CLIP knows, measured through open_clip on pictures it never saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..scenes.compose import Arrangement, Composer
from ..scenes.render import render
from ..scenes.scene import COLOURS, COUNTS, DIGITS, LETTERS, PLACES, TEXTURES, Scene, facts
from ..scenes.shapes import SHAPES
from ..scenes.stencils import StencilBank
from .digits_check import PROMPTS, Digits, OpenClipReader, load_real_digits, probe_accuracy, zero_shot_accuracy

_AT = {"left": "on the left", "right": "on the right", "center": "in the center"}


@dataclass(frozen=True)
class Question:
    """A fact to be told from a picture by zero-shot classification: its values, and a caption for each."""

    attribute: str
    values: tuple[str, ...]
    texts: tuple[str, ...]
    arrangement: Arrangement
    kind: str | None


def _question(
    attribute: str, values: Sequence[str], template: str, arrangement: Arrangement, kind: str | None = None
) -> Question:
    texts = tuple(template.format(value) for value in values)
    return Question(attribute, tuple(values), texts, arrangement, kind)


QUESTIONS: dict[str, Question] = {
    "digits, close-up (10)": _question("what", DIGITS, "a photo of the digit {}.", "close-up", "digit"),
    "letters, close-up (26)": _question("what", LETTERS, "a photo of the letter {}.", "close-up", "letter"),
    "shapes (12)": _question("what", tuple(SHAPES), "a photo of a {}.", "single", "shape"),
    "colours of shapes (12)": _question("colour", tuple(COLOURS), "a photo of a {} shape.", "single", "shape"),
    "sizes of shapes (3)": _question("size", ("small", "medium", "large"), "a photo of a {} shape.", "single", "shape"),
    "places of shapes (9)": Question(
        "place", PLACES, tuple(f"a photo of a shape {_AT.get(place, f'at the {place}')}." for place in PLACES),
        "single", "shape",
    ),
    "counts (4)": _question("count", COUNTS[1:], "a photo of {} shapes.", "several", "shape"),
    "textures (7)": _question("texture", TEXTURES, "a {} background.", "bare"),
}  # fmt: skip


@dataclass(frozen=True)
class Measurements:
    """Accuracies in [0, 1]."""

    zero_shot: dict[str, float]
    """On the real digits, by split (val, test, all)."""
    probe: dict[str, float]
    """Linear probe with 16 training pictures a class, mean of 3 draws, by split (val, test)."""
    prompts: dict[str, float]
    """Zero-shot on val with one prompt alone."""
    questions: dict[str, float]
    """On fresh rendered scenes, by name of the question."""


def measure(folder: Path, bank: StencilBank, seed: int, pictures: int = 500) -> Measurements:
    """All measurements of the checkpoint in ``folder``; ``bank`` renders the questions' scenes."""
    reader, digits = OpenClipReader(folder), load_real_digits()
    composer, shake = Composer(bank, seed), torch.Generator().manual_seed(seed)
    zero_shot, probe, prompts = measure_digits(reader, digits)
    questions = {
        name: ask(reader, question, composer, lambda scenes: render(scenes, bank, shake), pictures)
        for name, question in QUESTIONS.items()
    }
    return Measurements(zero_shot, probe, prompts, questions)


def measure_digits(
    reader: OpenClipReader, digits: Digits
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Zero-shot by split, probe by split, zero-shot on val by prompt: all on the real digits."""
    features, targets = reader.images(digits.pictures), digits.classes
    parts = {name: digits.splits[name] for name in ("val", "test")} | {"all": np.arange(len(targets))}
    together = reader.classes(DIGITS, PROMPTS)
    zero_shot = {name: zero_shot_accuracy(features[part], together, targets[part]) for name, part in parts.items()}
    val = parts["val"]
    alone = {
        prompt: zero_shot_accuracy(features[val], reader.classes(DIGITS, (prompt,)), targets[val]) for prompt in PROMPTS
    }
    return zero_shot, {split: probe_accuracy(features, digits, split) for split in ("val", "test")}, alone


def ask(
    reader: OpenClipReader,
    question: Question,
    composer: Composer,
    draw: Callable[[Sequence[Scene]], Tensor],
    pictures: int,
) -> float:
    """Top-1 accuracy over ``pictures`` fresh scenes in which the fact is sure."""
    scenes: list[Scene] = []
    while len(scenes) < pictures:
        scene = composer.scene(question.arrangement)
        known = facts(scene)[0]
        if known.get(question.attribute) in question.values and known.get("kind") == question.kind:
            scenes.append(scene)
    targets = np.array([question.values.index(facts(scene)[0][question.attribute]) for scene in scenes])
    features = reader.images([as_image(picture) for picture in draw(scenes)])
    return zero_shot_accuracy(features, reader.classes(question.texts, ("{}",)), targets)


def as_image(picture: Tensor) -> Image.Image:
    """A picture float32 [3, side, side] in [0, 1] as an RGB image."""
    return Image.fromarray((picture * 255).round().byte().permute(1, 2, 0).contiguous().numpy(), "RGB")
