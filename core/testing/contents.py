"""Pictures, clips, texts and sounds to try encoders and captioners on: the same every time."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from ..data.video import VideoFrames
from ..data.waveform import Waveform

TEXTS = ("a photo of the digit three.", "red", "two small blue squares under a large triangle")


def pictures() -> list[Image.Image]:
    """Three RGB ones of different sizes."""
    generator = np.random.default_rng(0)
    sizes = ((40, 32), (64, 64), (33, 48))
    return [Image.fromarray(generator.integers(0, 256, (*size, 3), dtype=np.uint8), "RGB") for size in sizes]


def sounds() -> list[Waveform]:
    """Three tones of different length, float32 in [-0.5, 0.5] at 16 kHz."""
    lengths, pitches = (8000, 16000, 12000), (220.0, 440.0, 3000.0)
    waves = [
        0.5 * np.sin(2 * np.pi * pitch * np.arange(length) / 16000)
        for length, pitch in zip(lengths, pitches, strict=True)
    ]
    return [Waveform(wave.astype(np.float32), 16000) for wave in waves]


def clips(frames: int = 16) -> list[VideoFrames]:
    """Three of one of the pictures that grows brighter."""
    return [
        VideoFrames.of(
            [Image.fromarray((np.asarray(one) * (0.2 + 0.8 * at / frames)).astype(np.uint8)) for at in range(frames)],
            [at / 8 for at in range(frames)],
        )
        for one in pictures()
    ]


def contents(modality: str) -> list[Any]:
    """Three of a modality."""
    if modality == "text":
        return list(TEXTS)
    if modality == "video":
        return list(clips())
    return list(pictures()) if modality == "image" else list(sounds())
