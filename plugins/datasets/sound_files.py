"""Sound files as media."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...core.dataset import DataError
from ...core.waveform import Waveform


def read_sound(path: Path) -> Waveform:
    """A sound file's mean over its channels. Raises ``DataError``: unreadable, without samples, not finite."""
    try:
        import soundfile
    except ImportError:
        raise DataError(f'{path}: sound files need the soundfile package: pip install "graftwork[audio]"') from None
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        raise DataError(f"{path}: not a readable sound: {error}") from None
    if not len(samples):
        raise DataError(f"{path}: the sound has no samples (zero length)")
    if not np.isfinite(samples).all():
        raise DataError(f"{path}: the sound holds samples that are no numbers (NaN or infinite)")
    return Waveform(np.clip(samples.mean(axis=1), -1, 1), rate)
