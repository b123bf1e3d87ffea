"""What the pocket LLaVA's descriptions get right, through transformers' Auto classes, on pictures it never saw."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..clip.digits_check import Digits, load_real_digits
from ..clip.measure import as_image
from ..scenes.compose import Arrangement, Composer, Mix
from ..scenes.describe import PROMPTS, described, read, sentence
from ..scenes.render import render
from ..scenes.scene import DIGITS, Facts, Scene
from ..scenes.stencils import StencilBank
from .conversations import conversation


class LlavaReader:
    """A folder read as any LLaVA is: its processor and model by the Auto classes, a question, greedy decoding."""

    def __init__(self, folder: Path, prompt: str = PROMPTS[0]) -> None:
        from transformers import AutoModelForImageTextToText, AutoProcessor

        self.processor = AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        self.model = AutoModelForImageTextToText.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        ).eval()
        self.question = self.processor.apply_chat_template(conversation(prompt), add_generation_prompt=True)

    @torch.no_grad()
    def describe(self, pictures: Sequence[Image.Image], batch: int = 64) -> list[str]:
        """A sentence a picture."""
        texts: list[str] = []
        for start in range(0, len(pictures), batch):
            part = list(pictures[start : start + batch])
            inputs = self.processor(images=part, text=[self.question] * len(part), return_tensors="pt", padding=True)
            output = self.model.generate(**inputs, do_sample=False)
            answers = output[:, inputs["input_ids"].shape[1] :]
            texts += self.processor.batch_decode(answers, skip_special_tokens=True)
        return [text.strip() for text in texts]


@dataclass(frozen=True)
class LlavaMeasurements:
    """Shares in [0, 1], and pictures described a second."""

    facts: dict[str, float]
    """Of the facts that are true of rendered scenes, the share that their descriptions state, by attribute."""
    characters: dict[str, float]
    """Share of rendered pictures whose character or shape is named, by what they show."""
    whole: float
    """Share of rendered pictures described exactly as the grammar would."""
    digits: dict[str, float]
    """Share of the real digits whose description names the right digit, by split (val, test, all)."""
    pictures_a_second: float
    """Over the real digits, processor and all, with the threads torch had."""


def measure_llava(folder: Path, bank: StencilBank, mix: Mix, seed: int, pictures: int = 2000) -> LlavaMeasurements:
    """All measurements of the model in ``folder``; ``bank`` renders ``pictures`` scenes of ``mix``, from ``seed``."""
    reader, composer = LlavaReader(folder), Composer(bank, seed, mix)
    shake = torch.Generator().manual_seed(seed)
    scenes = composer.scenes(pictures)
    texts = describe_scenes(reader, scenes, bank, shake)
    closer: dict[str, tuple[Arrangement, str]] = {
        "digits, close-up (10)": ("close-up", "digit"),
        "letters, close-up (26)": ("close-up", "letter"),
        "digits, anywhere (10)": ("single", "digit"),
        "letters, anywhere (26)": ("single", "letter"),
        "shapes (12)": ("single", "shape"),
    }
    characters = {}
    for name, (arrangement, kind) in closer.items():
        wanted = scenes_of(composer, arrangement, kind, pictures // 4)
        said = describe_scenes(reader, wanted, bank, shake)
        characters[name] = stated_shares([described(scene) for scene in wanted], said)["what"]
    begun, digits = time.perf_counter(), load_real_digits()
    named = named_digits(reader.describe(digits.pictures))
    speed = len(digits.pictures) / (time.perf_counter() - begun)
    known = [described(scene) for scene in scenes]
    whole = float(np.mean([sentence(facts) == text for facts, text in zip(known, texts, strict=True)]))
    return LlavaMeasurements(stated_shares(known, texts), characters, whole, digit_shares(named, digits), speed)


def describe_scenes(
    reader: LlavaReader, scenes: Sequence[Scene], bank: StencilBank, shake: torch.Generator
) -> list[str]:
    """The descriptions of ``scenes``, rendered."""
    return reader.describe([as_image(picture) for picture in render(scenes, bank, shake)])


def scenes_of(composer: Composer, arrangement: Arrangement, kind: str, count: int) -> list[Scene]:
    """Fresh scenes of one arrangement that show a thing of ``kind``."""
    scenes: list[Scene] = []
    while len(scenes) < count:
        scene = composer.scene(arrangement)
        if scene.things[0].kind == kind:
            scenes.append(scene)
    return scenes


def stated_shares(known: Sequence[Sequence[Facts]], texts: Sequence[str]) -> dict[str, float]:
    """By attribute, the share of the facts in ``known`` that the sentences in ``texts`` state of the same group."""
    hits: dict[str, list[bool]] = {}
    for groups, text in zip(known, texts, strict=True):
        said = read(text)
        for number, group in enumerate(groups):
            stated = said[number] if len(said) == len(groups) else {}
            for attribute, value in group.items():
                hits.setdefault(attribute, []).append(stated.get(attribute) == value)
    return {attribute: float(np.mean(values)) for attribute, values in hits.items()}


def named_digits(texts: Sequence[str]) -> list[int]:
    """The digit that each sentence names first, -1 where it names none."""
    named = []
    for text in texts:
        what = [group["what"] for group in read(text) if group.get("what", "") in (*DIGITS,)]
        named.append(int(what[0]) if what else -1)
    return named


def digit_shares(named: Sequence[int], digits: Digits) -> dict[str, float]:
    """The share of real digits that are named right, by split."""
    right = np.asarray(named) == digits.classes
    parts = {name: digits.splits[name] for name in ("val", "test")} | {"all": np.arange(len(right))}
    return {name: float(right[part].mean()) for name, part in parts.items()}
