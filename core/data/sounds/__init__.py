"""Sounds: decoded in one place, whole, to one channel."""

from __future__ import annotations

from .budget import MAX_SAMPLES, require_few
from .decode import SUFFIXES, decode, file_audio, open_sound, sound_media, soundfile, waveform

__all__ = [
    "MAX_SAMPLES",
    "SUFFIXES",
    "decode",
    "file_audio",
    "open_sound",
    "require_few",
    "sound_media",
    "soundfile",
    "waveform",
]
