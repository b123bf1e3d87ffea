"""Sounds from files and arrays, decoded whole to one channel, or refused by name."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from .items import DataError, Media
from .waveform import Waveform

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: What a sound file is called.
SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3"})


def soundfile() -> ModuleType:
    """The library that decodes sound files. Raises ``DataError`` with the command that installs it."""
    try:
        import soundfile
    except ImportError:
        raise DataError('sound files need the package soundfile: pip install "graftwork[audio]"') from None
    return soundfile  # type: ignore[no-any-return]


def file_audio(path: Path) -> Media:
    """A sound file as media, known by the sha256 of its bytes. Raises ``DataError`` if it cannot be read."""
    return Media(hashlib.sha256(_read(path)).hexdigest(), str(path), lambda: open_sound(path))


def open_sound(sound: Any) -> Waveform:
    """A waveform from a path (WAV, FLAC, OGG, MP3), or as it is. Raises ``DataError`` naming the file."""
    if isinstance(sound, Waveform):
        return waveform(sound.samples, sound.rate, "waveform")
    if isinstance(sound, (str, Path)):
        return decode(_read(Path(sound)), str(sound))
    raise DataError(f"a sound is a path or a Waveform, not a {type(sound).__name__}")


def decode(content: bytes, source: str) -> Waveform:
    """Decode an encoded sound completely. Raises ``DataError`` for one that is empty, damaged or no sound."""
    library = soundfile()
    if not content:
        raise DataError(f"{source}: the file is empty")
    try:
        samples, rate = library.read(BytesIO(content), dtype="float32", always_2d=True)
    except (library.SoundFileError, RuntimeError, ValueError, OSError) as error:
        reason = str(getattr(error, "error_string", "") or error).strip()
        raise DataError(f"{source}: not a readable sound: {reason}") from None
    return waveform(samples, int(rate), source)


def waveform(samples: NDArray[Any], rate: int, source: str) -> Waveform:
    """Samples [T] or [T, channels] as one channel: the mean of them. Raises ``DataError`` for none, or NaN."""
    if samples.size == 0:
        raise DataError(f"{source}: the sound has no samples (zero length)")
    if not np.isfinite(samples).all():
        raise DataError(f"{source}: the sound holds samples that are no numbers (NaN or infinite)")
    if rate <= 0:
        raise DataError(f"{source}: a sound of {rate} samples a second")
    mono = samples if samples.ndim == 1 else samples.mean(axis=1)
    return Waveform(np.ascontiguousarray(mono, dtype=np.float32), rate)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
