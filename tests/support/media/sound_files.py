"""Sound files of tones, written by soundfile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray


def tone(pitch: float, rate: int = 16000, seconds: float = 1.0, phase: float = 0.0) -> NDArray[np.float32]:
    """A sine, float32 [T] in [-0.5, 0.5]."""
    times = np.arange(int(rate * seconds)) / rate
    return (0.5 * np.sin(2 * np.pi * pitch * times + phase)).astype(np.float32)


def write(path: Path, samples: NDArray[np.float32], rate: int = 16000, subtype: str | None = None) -> Path:
    """By the suffix of its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def tones(root: Path, count: int = 8) -> Path:
    """Class folders of low and of high tones, of several rates and file kinds."""
    kinds = ((".wav", 16000), (".flac", 22050), (".wav", 44100))
    for index in range(count):
        suffix, rate = kinds[index % len(kinds)]
        for name, pitch in (("low", 200), ("high", 3000)):
            samples = tone(pitch + 20 * index, rate, 0.6, phase=index)
            write(root / name / f"{index}{suffix}", samples, rate)
    return root
