"""A sound file by time: decoded whole once, for all windows that are asked for one after another."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..items import DataError
from ..media_files import read_file
from ..sounds import SUFFIXES, decode, require_few
from .sound_reader import Heard


def is_sound_file(path: Path) -> bool:
    """By its suffix."""
    return path.suffix.lower() in SUFFIXES


class SoundFileReader:
    """A sound file in memory."""

    def __init__(self, path: Path) -> None:
        self.path, self._sound = path, decode(read_file(path), str(path))

    def close(self) -> None:
        """Nothing is open."""

    def window(self, start: float, end: float | None) -> Heard:
        """As ``SoundReader.window``. Raises ``DataError``."""
        rate, samples = self._sound.rate, self._sound.samples
        first, last = round(start * rate), len(samples) if end is None else round(end * rate)
        try:
            require_few(last - first)
        except ValueError as error:
            raise DataError(f"{self.path}: {error}") from None
        found = samples[first:last]
        window = np.pad(found, (0, max(0, last - first - len(found))))
        return Heard(window, rate, max(0, last - first - len(found)) / rate, self._sound.cancelled)
