"""Sounds of the pocket world, alone, with what is to be told of them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..world.sounds import RHYTHMS, TIMBRES, TONES, Sound, waveform
from .audio_tower import RATE

if TYPE_CHECKING:
    from transformers import ASTFeatureExtractor

#: What is to be told of a sound.
HEARD: dict[str, tuple[str, ...]] = {"tone": tuple(TONES), "timbre": tuple(TIMBRES), "rhythm": RHYTHMS}


def draw_sounds(count: int, random: Random) -> tuple[list[Sound], list[Tensor]]:
    """``count`` random sounds, uniform in each attribute, and their waves, float32 [10240] each."""
    sounds = [Sound(*(random.choice(values) for values in HEARD.values())) for _ in range(count)]
    return sounds, [torch.from_numpy(waveform(sound, random).samples) for sound in sounds]


def log_mels(extractor: ASTFeatureExtractor, waves: Sequence[Tensor]) -> Tensor:
    """What the extractor makes of ``waves``: float32 [N, 64, 32]."""
    made: Tensor = extractor([wave.numpy() for wave in waves], sampling_rate=RATE, return_tensors="pt")["input_values"]
    return made


def labels(sounds: Sequence[Sound]) -> Tensor:
    """int64 [N, 3]: values of ``HEARD``."""
    return torch.tensor(
        [[values.index(getattr(sound, name)) for name, values in HEARD.items()] for sound in sounds]
    ).reshape(len(sounds), len(HEARD))
