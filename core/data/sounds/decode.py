"""Sounds from files and arrays, decoded whole to one channel, or refused by name."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..items import DataError, Media
from ..media_files import read_file, require_same
from ..waveform import Waveform
from .budget import require_few, require_known_rate
from .whole import TOLD, fault_of, readable

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: What a sound file is called.
SUFFIXES = frozenset([".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au"])
#: Samples that are decoded at a time: of many channels only so much is in memory.
_BLOCK = 1 << 20
#: Share of the channels' power below which their mean has lost it: 20 dB. Unrelated channels keep a half.
CANCELLED = 0.01
_AT_ONCE = ("MP3", "MPEG")
#: Frames where the library does not know.
_UNKNOWN = (1 << 63) - 1


def soundfile() -> ModuleType:
    """The library that decodes sound files. Raises ``DataError`` with the command that installs it."""
    try:
        import soundfile
    except ImportError:
        raise DataError('sound files need the package soundfile: pip install "graftwork[audio]"') from None
    return soundfile  # type: ignore[no-any-return]


def file_audio(path: Path) -> Media:
    """A sound file as media, known by the sha256 of its bytes. Raises ``DataError`` if it cannot be read."""
    return sound_media(hashlib.sha256(read_file(path)).hexdigest(), path)


def sound_media(sha256: str, path: Path) -> Media:
    """A sound file that had that sha256 (hex), as media; its bytes are compared when it is read again."""
    return Media(sha256, str(path), partial(_decode_same, path, sha256))


def _decode_same(path: Path, sha256: str) -> Waveform:
    return decode(require_same(read_file(path), sha256, str(path)), str(path))


def open_sound(sound: Any) -> Waveform:
    """A waveform from a path (WAV, FLAC, Ogg, MP3, AIFF ...), or as it is. Raises ``DataError`` naming the file."""
    if isinstance(sound, Waveform):
        return waveform(sound.samples, sound.rate, "waveform")
    if isinstance(sound, (str, Path)):
        return decode(read_file(sound), str(sound))
    raise DataError(f"a sound is a path or a Waveform, not a {type(sound).__name__}")


def decode(content: bytes, source: str) -> Waveform:
    """Decode an encoded sound completely.

    Raises ``DataError`` for one that is empty, damaged, cut off, several joined, no sound, or of absurd length or rate.
    """
    library = soundfile()
    if not content:
        raise DataError(f"{source}: the file is empty")
    try:
        mixed = _mixed(library, content)
    except Exception as error:  # libsndfile's own, and what odd headers make of it: RuntimeError, MemoryError ...
        reason = str(getattr(error, "error_string", "") or error or type(error).__name__).strip()
        raise DataError(f"{source}: not a readable sound: {reason}") from error
    return replace(waveform(mixed.samples, mixed.rate, source), cancelled=mixed.cancelled)


def _mixed(library: ModuleType, content: bytes) -> Waveform:
    """The mean of the channels, a block at a time."""
    if fault := fault_of(content):  # first: libsndfile's MP3 library has lines of its own for it, on the terminal
        raise ValueError(fault)
    with library.SoundFile(BytesIO(readable(content))) as file:
        if file.format not in TOLD:
            raise ValueError(
                f"of a sound of kind {file.format} it cannot be told whether it is whole; write it as WAV or FLAC"
            )
        require_known_rate(file.samplerate)
        if file.seekable():
            file.seek(0)  # MP3 begins with other samples where nobody has sought, and goes on with others where one has
        require_few(0 if file.frames == _UNKNOWN else file.frames)
        size, heard = file.frames + 1 if file.format in _AT_ONCE else max(1, _BLOCK // file.channels), 0
        blocks: list[NDArray[np.float32]] = []
        channels = mixed = 0.0
        while not blocks or len(blocks[-1]) == size:
            block = file.read(size, dtype="float32", always_2d=True)
            blocks.append(block.mean(axis=1))
            if file.channels > 1:
                channels += float(np.square(block).sum()) / file.channels
                mixed += float(np.square(blocks[-1]).sum())
            heard += len(blocks[-1])
            require_few(heard)
        return Waveform(np.concatenate(blocks), int(file.samplerate), mixed < CANCELLED * channels)


def waveform(samples: NDArray[Any], rate: int, source: str) -> Waveform:
    """Samples [T] or [T, channels] as one channel: the mean of them.

    Raises ``DataError`` for none, for NaN, and for an absurd length or rate.
    """
    if samples.size == 0:
        raise DataError(f"{source}: the sound has no samples (zero length)")
    if not np.isfinite(samples).all():
        raise DataError(f"{source}: the sound holds samples that are no numbers (NaN or infinite)")
    try:
        require_few(len(samples))
        require_known_rate(rate)
    except ValueError as error:
        raise DataError(f"{source}: {error}") from None
    mono = samples if samples.ndim == 1 else samples.mean(axis=1)
    return Waveform(np.ascontiguousarray(mono, dtype=np.float32), rate)
