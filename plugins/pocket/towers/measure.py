"""What the frozen pocket towers know: linear probes and retrieval, through the Auto classes, on what they never saw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..world.captions import caption, full_caption
from ..world.picture import paint
from ..world.scene import WorldScene, draw_scene
from .audio_tower import PREFIX
from .picture_lessons import ATTRIBUTES, NOTHING, changed, patch_facts
from .sound_lessons import HEARD, draw_sounds, labels, log_mels
from .vilt_tower import read_pictures

#: Share in [0, 1] by what was measured.
Figures = dict[str, float]
#: Seeds of what measures begin with this; those of training do not.
MEASURING = "pocket towers, measuring"
#: A text that tells nothing of the picture, for probes of a model that wants one.
NEUTRAL = "this picture"
_BATCH = 200


def open_folder(folder: Path) -> tuple[Any, Any]:
    """Model in evaluation mode, and processor or feature extractor, by the Auto classes."""
    from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoProcessor

    model = AutoModel.from_pretrained(folder, local_files_only=True, trust_remote_code=False).eval()
    audio = (
        AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False).model_type
        == "audio-spectrogram-transformer"
    )
    reads = AutoFeatureExtractor if audio else AutoProcessor
    return model, reads.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def probe(train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor) -> float:
    """Accuracy on ``test`` [N, d] of a logistic regression fitted on ``train``, both standardised by the latter."""
    from sklearn.linear_model import LogisticRegression

    mean, std = train.mean(0), train.std(0).clamp(min=1e-6)
    regression = LogisticRegression(C=1.0, max_iter=2000)
    regression.fit(((train - mean) / std).numpy(), train_labels.numpy())
    return float(regression.score(((test - mean) / std).numpy(), test_labels.numpy()))


@torch.no_grad()
def measure_ast(folder: Path, train: int = 2000, test: int = 1000) -> Figures:
    """Tone, timbre and rhythm, from the mean of the patch tokens and from the pooled vector."""
    model, extractor = open_folder(folder)
    sounds, waves = draw_sounds(train + test, Random(f"{MEASURING} ast"))
    values, heard = log_mels(extractor, waves), labels(sounds)
    outs = [model(part) for part in torch.split(values, _BATCH)]
    read = {
        "mean of the patch tokens": torch.cat([out.last_hidden_state[:, PREFIX:].mean(1) for out in outs]),
        "pooled vector": torch.cat([out.pooler_output for out in outs]),
    }
    return {
        f"{attribute} ({len(values)}), from the {name}": probe(
            states[:train], heard[:train, column], states[train:], heard[train:, column]
        )
        for name, states in read.items()
        for column, (attribute, values) in enumerate(HEARD.items())
    }


@torch.no_grad()
def measure_scene_clip(folder: Path, train: int = 600, test: int = 400, gallery: int = 200) -> Figures:
    """Retrieval among ``gallery``, neighbours told apart, and attributes from single patch tokens."""
    model, processor = open_folder(folder)
    random = Random(f"{MEASURING} scene_clip")
    figures: Figures = {}
    for name, write in {"every attribute said": full_caption, "attributes left out": caption}.items():
        scenes = [draw_scene(random) for _ in range(gallery)]
        likeness = _likeness(model, processor, scenes, [write(scene, random) for scene in scenes])
        own = torch.arange(gallery)
        figures[f"picture to caption, first of {gallery}, {name}"] = _share(likeness.argmax(1) == own)
        figures[f"caption to picture, first of {gallery}, {name}"] = _share(likeness.argmax(0) == own)
    figures["its caption or one with an attribute changed"] = _neighbours(model, processor, random, gallery)
    scenes, pictures = _scenes(random, train + test)
    states = [
        model.vision_model.post_layernorm(
            model.vision_model(**processor.image_processor(pictures[at : at + _BATCH], return_tensors="pt"))
            .last_hidden_state[:, 1:]
        )
        for at in range(0, len(pictures), _BATCH)
    ]  # fmt: skip
    return figures | probe_patches(torch.cat(states), scenes, train, random)


def _likeness(model: Any, processor: Any, scenes: Sequence[WorldScene], texts: Sequence[str]) -> Tensor:
    """Cosines [pictures, texts]."""
    pixels = processor.image_processor(as_images(scenes), return_tensors="pt")
    tokens = processor.tokenizer(list(texts), padding=True, return_tensors="pt")
    images = F.normalize(model.get_image_features(**pixels).pooler_output, dim=-1)
    cosines: Tensor = images @ F.normalize(model.get_text_features(**tokens).pooler_output, dim=-1).T
    return cosines


def _neighbours(model: Any, processor: Any, random: Random, count: int) -> float:
    scenes = [draw_scene(random) for _ in range(count)]
    texts = [full_caption(scene, random) for scene in scenes]
    wrong = [full_caption(changed(scene, random), random) for scene in scenes]
    likeness = _likeness(model, processor, scenes, [*texts, *wrong])
    own = torch.arange(count)
    return _share(likeness[own, own] > likeness[own, own + count])


@torch.no_grad()
def measure_vilt(folder: Path, train: int = 600, test: int = 400) -> Figures:
    """True captions told from ones with an attribute changed, and attributes from single patch tokens."""
    model, processor = open_folder(folder)
    random = Random(f"{MEASURING} vilt")
    figures: Figures = {}
    for things in (1, 2, 3):
        states, true = _matches(model, processor, random, things, 3 * train + test)
        figures[f"true caption or one with an attribute changed, {things} described"] = probe(
            states[test:], true[test:], states[:test], true[:test]
        )
    scenes, pictures = _scenes(random, train + test)
    states = torch.cat(
        [
            _read(model, processor, pictures[at : at + _BATCH], [NEUTRAL] * len(pictures[at : at + _BATCH]))[1]
            for at in range(0, len(pictures), _BATCH)
        ]
    )
    return figures | probe_patches(states, scenes, train, random)


def _read(model: Any, processor: Any, pictures: list[Image.Image], texts: list[str]) -> tuple[Tensor, Tensor]:
    """Pooled vectors, and patch tokens in reading order."""
    made = processor(images=pictures, text=texts, padding=True, return_tensors="pt")
    out = read_pictures(model, made["pixel_values"], made["input_ids"], made["attention_mask"])
    return out.pooler_output, out.last_hidden_state[:, made["input_ids"].shape[1] + 1 :]


def _matches(model: Any, processor: Any, random: Random, things: int, count: int) -> tuple[Tensor, Tensor]:
    """Pooled vectors of pictures with captions of ``things`` objects, and int64 [count]: 1 where one is true."""
    states, true = [], torch.tensor([random.randint(0, 1) for _ in range(count)])
    for at in range(0, count, _BATCH):
        scenes = [draw_scene(random, things) for _ in range(min(_BATCH, count - at))]
        told = [scene if true[at + k] else changed(scene, random) for k, scene in enumerate(scenes)]
        parts = [WorldScene(scene.objects[:things]) for scene in told]
        states.append(_read(model, processor, as_images(scenes), [full_caption(part, random) for part in parts])[0])
    return torch.cat(states), true


def probe_patches(states: Tensor, scenes: Sequence[WorldScene], train: int, random: Random) -> Figures:
    """Attributes of objects from one random patch of each one's cell; ``states`` [N, 36, width].

    The first ``train`` scenes fit the probes, the others are asked.
    """
    facts = patch_facts(scenes)
    picked = torch.zeros(facts.shape[:2], dtype=torch.bool)
    for number, scene in enumerate(scenes):
        for thing in scene.objects:
            row, column = 2 * thing.row + random.randrange(2), 2 * thing.column + random.randrange(2)
            picked[number, 6 * row + column] = True
    assert bool((facts[picked] != NOTHING).all())
    known, asked = (states[part][picked[part]] for part in (slice(train), slice(train, None)))
    first, second = (facts[part][picked[part]] for part in (slice(train), slice(train, None)))
    return {
        f"{attribute} ({len(values)}), from one patch token": probe(
            known, first[:, column], asked, second[:, column]
        )
        for column, (attribute, values) in enumerate(ATTRIBUTES.items())
    }  # fmt: skip


def _scenes(random: Random, count: int) -> tuple[list[WorldScene], list[Image.Image]]:
    scenes = [draw_scene(random) for _ in range(count)]
    return scenes, as_images(scenes)


def as_images(scenes: Sequence[WorldScene]) -> list[Image.Image]:
    """Their pictures, as a data set would give them."""
    return [Image.fromarray(picture) for picture in paint(scenes)]


def _share(right: Tensor) -> float:
    return float(np.mean(right.numpy()))
