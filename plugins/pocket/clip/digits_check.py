"""How well a pocket CLIP reads real handwriting it never saw: scikit-learn's digits, through plain open_clip."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from .architecture import CONTEXT_LENGTH, encode_images, encode_texts
from .vocabulary import load_tokenizer

#: Ordinary CLIP templates; class vectors are the normalised means over them.
PROMPTS = (
    "a photo of the number {}.",
    "a photo of the digit {}.",
    "a handwritten digit {}",
    "a low resolution photo of the digit {}.",
    "a picture of a handwritten number {}.",
)
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Digits:
    """The 1,797 real digits: pictures (8 x 8, mode L, bright on dark), classes int64 [1797], and named splits."""

    pictures: list[Image.Image]
    classes: Indices
    splits: dict[str, Indices]


def load_real_digits() -> Digits:
    """scikit-learn's digits, split by class in the order of a hash: .5 train, .2 val, the rest test."""
    from sklearn.datasets import load_digits

    data = load_digits()
    pixels = np.asarray(data.images)
    classes = np.asarray(data.target).astype(np.int64)
    keys = [hashlib.sha256(p.astype("uint8").tobytes() + str(i).encode()).hexdigest() for i, p in enumerate(pixels)]
    parts: dict[str, list[int]] = {"train": [], "val": [], "test": []}
    for digit in range(10):
        order = sorted(np.flatnonzero(classes == digit), key=lambda index: keys[index])
        train, val = round(0.5 * len(order)), round(0.2 * len(order))
        for name, part in zip(parts, (order[:train], order[train : train + val], order[train + val :]), strict=True):
            parts[name] += [int(index) for index in part]
    pictures = [Image.fromarray((p * 255 / 16).round().astype("uint8"), "L") for p in pixels]
    return Digits(pictures, classes, {name: np.array(sorted(part), dtype=np.int64) for name, part in parts.items()})


class OpenClipReader:
    """A folder read through open_clip alone: its model, its preprocessing, its tokenizer."""

    def __init__(self, folder: Path) -> None:
        import open_clip

        self.model: nn.Module
        self.model, _, self.preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}", weights_only=True)
        self.model.eval()
        self.tokenizer = load_tokenizer(folder, CONTEXT_LENGTH)

    @torch.no_grad()
    def images(self, pictures: Sequence[Image.Image]) -> Tensor:
        """Unit image features float32 [pictures, 128]."""
        batch = torch.stack([self.preprocess(picture) for picture in pictures])
        return encode_images(self.model, batch, normalize=True)

    @torch.no_grad()
    def classes(self, names: Sequence[str], prompts: Sequence[str]) -> Tensor:
        """Unit class vectors float32 [names, 128]: means over ``prompts``."""
        texts = self.tokenizer([prompt.format(name) for name in names for prompt in prompts])
        features = encode_texts(self.model, texts).view(len(names), len(prompts), -1)
        mean: Tensor = torch.nn.functional.normalize(features.mean(1), dim=-1)
        return mean


def zero_shot_accuracy(features: Tensor, classes: Tensor, targets: Indices) -> float:
    """Top-1 accuracy of the nearest class vector."""
    predicted = (features @ classes.T).argmax(1).numpy()
    return float((predicted == targets).mean())


def probe_accuracy(features: Tensor, digits: Digits, split: str, shots: int = 16, seeds: int = 3) -> float:
    """Mean accuracy on ``split`` of a logistic regression on ``shots`` training pictures a class."""
    from sklearn.linear_model import LogisticRegression

    table, accuracies = features.numpy(), []
    for seed in range(seeds):
        rng, train = np.random.default_rng(seed), digits.splits["train"]
        chosen = np.concatenate([rng.permutation(train[digits.classes[train] == d])[:shots] for d in range(10)])
        probe = LogisticRegression(C=30.0, max_iter=2000).fit(table[chosen], digits.classes[chosen])
        wanted = digits.splits[split]
        accuracies.append(float(probe.score(table[wanted], digits.classes[wanted])))
    return float(np.mean(accuracies))
