"""A run on features as what exporters take: a module of tensors by position, and vectors of the right widths."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor, nn
from torch.nn.functional import normalize

from ..data.items import DataError
from ..data.waveform import Waveform
from ..features.module import FeatureModule
from ..features.predictor import FeaturePredictor


class ByPosition(nn.Module):
    """A run's module, its vectors in the order of ``takes``."""

    def __init__(self, module: FeatureModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, *features: Tensor) -> Tensor:
        """Logits [N, C]."""
        return self.module(**dict(zip(self.module.takes, features, strict=True)))  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class VectorsIn:
    """What is exported."""

    module: ByPosition
    #: Name of an input to d.
    widths: Mapping[str, int]
    class_names: tuple[str, ...]

    def random(self, count: int) -> tuple[Tensor, ...]:
        """Unit vectors float32 [count, d] of each input, the same each time."""
        drawn = Generator().manual_seed(count)
        return tuple(normalize(torch.randn(count, width, generator=drawn), dim=-1) for width in self.widths.values())

    def about(self) -> dict[str, str]:
        """What the file should say of itself."""
        return {"class_names": json.dumps(self.class_names), "inputs": json.dumps(self.widths)}


def vectors_in(predictor: FeaturePredictor) -> VectorsIn:
    """Of a run whose inputs are vectors alone; widths are those that its encoder gives."""
    module = predictor.module.eval()
    widths = {}
    for name in module.takes:
        told = predictor.spec.encoder.tower(name).width(name)
        if told is None:
            told = module.model.width if name == "vector" else predictor.width(name, content(name))
        assert told is not None, "a model that was loaded knows its width"
        widths[name] = told
    return VectorsIn(ByPosition(module), widths, predictor.class_names)


def content(modality: str) -> Any:
    """Something of a modality that a model can be asked about: grey noise, a word, a second of noise.

    Raises ``DataError`` for one that is not known.
    """
    noise = np.random.default_rng(0)
    made: dict[str, Any] = {
        "image": lambda: Image.fromarray(noise.integers(0, 256, (64, 64, 3), dtype=np.uint8)),
        "text": lambda: "a word",
        "audio": lambda: Waveform(noise.uniform(-0.1, 0.1, 16_000).astype(np.float32), 16_000),
    }
    if modality not in made:
        raise DataError(f"what a frozen model makes of {modality} is not known without an example")
    return made[modality]()
