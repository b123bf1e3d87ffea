"""How objects of the pocket world sound: the timbre tells the shape, the rhythm the texture, the pitch the size.

Colour and place are silent, so that "which colour sounds" needs eyes and ears.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

import numpy as np
from numpy.typing import NDArray

from ....core.data.waveform import Waveform
from .scene import WORLD_SHAPES, WORLD_SIZES, WORLD_TEXTURES, WorldObject

Floats = NDArray[np.float32]

RATE = 16_000
SECONDS = 0.64
SAMPLES = int(RATE * SECONDS)

#: Fundamental in Hz: large things sound low.
TONES = {"high": 620.0, "low": 230.0}
#: Timbre -> partials (multiple of the fundamental, amplitude); "breath" is noise around them.
TIMBRES: dict[str, tuple[tuple[float, float], ...]] = {
    "flute": ((1, 1.0), (2, 0.08)),
    "reed": ((1, 1.0), (3, 0.6), (5, 0.45), (7, 0.3)),
    "string": ((1, 1.0), (2, 0.7), (3, 0.5), (4, 0.4), (5, 0.3), (6, 0.25)),
    "bell": ((1, 0.7), (2.76, 1.0), (5.4, 0.7)),
    "breath": ((1, 1.0), (2, 0.5)),
}
RHYTHMS = ("steady", "pulsed", "paired", "ticking")
TIMBRE_OF = dict(zip(WORLD_SHAPES, TIMBRES, strict=True))
SHAPE_OF = {timbre: shape for shape, timbre in TIMBRE_OF.items()}
RHYTHM_OF = dict(zip(WORLD_TEXTURES, RHYTHMS, strict=True))
TONE_OF = dict(zip(WORLD_SIZES, TONES, strict=True))
#: Onsets (share of the length) and decay time (seconds) of each rhythm; one without decay is held.
_BEATS: dict[str, tuple[tuple[float, ...], float]] = {
    "pulsed": (tuple(k / 4 for k in range(4)), 0.05),
    "paired": ((0.0, 0.125, 0.5, 0.625), 0.04),
    "ticking": (tuple(k / 10 for k in range(10)), 0.012),
}
#: Fades in and out, in seconds: no clicks.
_FADE = 0.008
#: Detune in octaves, level in dB, noise in dB below the sound: standard deviation or range.
_DETUNE, _LEVEL, _NOISE = 0.05, (-14.0, -2.0), (-40.0, -22.0)


@dataclass(frozen=True, slots=True)
class Sound:
    """What is heard, as data."""

    tone: str
    timbre: str
    rhythm: str

    @classmethod
    def of(cls, thing: WorldObject) -> Sound:
        """The sound that belongs to an object."""
        return cls(TONE_OF[thing.size], TIMBRE_OF[thing.shape], RHYTHM_OF[thing.texture])


def waveform(sound: Sound, random: Random) -> Waveform:
    """``sound`` as it comes by once: 0.64 s at 16 kHz; ``random`` moves pitch, phases, onsets, level and noise."""
    rng = np.random.Generator(np.random.PCG64(random.getrandbits(64)))
    pitch = TONES[sound.tone] * 2 ** random.gauss(0, _DETUNE)
    played = _timbre(sound.timbre, pitch, rng) * _envelope(sound.rhythm, random)
    played /= np.sqrt(np.mean(played**2)) + 1e-9
    played += 10 ** (random.uniform(*_NOISE) / 20) * rng.standard_normal(SAMPLES, np.float32)
    played *= 10 ** (random.uniform(*_LEVEL) / 20) / np.abs(played).max()
    return Waveform(played, RATE)


def together(sounds: Sequence[Sound], random: Random) -> Waveform:
    """Several sounds at once: their sum, each at its own level, made quieter where its peak is above 1."""
    mixed = np.zeros(SAMPLES, np.float32)
    for sound in sounds:
        mixed += waveform(sound, random).samples
    return Waveform(mixed / np.float32(max(1.0, float(np.abs(mixed).max()))), RATE)


def _timbre(timbre: str, pitch: float, rng: np.random.Generator) -> Floats:
    time = _time() * np.float32(2 * np.pi * pitch)
    played = np.zeros(SAMPLES, np.float32)
    for multiple, amplitude in TIMBRES[timbre]:
        wobble = np.float32(rng.uniform(0, 2 * np.pi)) if timbre != "breath" else _drift(rng)
        played += np.float32(amplitude * rng.uniform(0.8, 1.2)) * np.sin(time * np.float32(multiple) + wobble)
    return played


def _drift(rng: np.random.Generator) -> Floats:
    """A phase that walks at random: it spreads a partial into a band of noise some 100 Hz wide."""
    return np.cumsum(rng.standard_normal(SAMPLES, np.float32) * np.float32(0.22))


def _envelope(rhythm: str, random: Random) -> Floats:
    shape = np.zeros(SAMPLES, np.float32)
    if rhythm == "steady":
        shape += 1
    else:
        onsets, decay = _BEATS[rhythm]
        shift = random.uniform(0, 0.04)
        strike = np.exp(-_time() / np.float32(decay))
        rise = int(0.002 * RATE)
        strike[:rise] *= np.linspace(0, 1, rise, dtype=np.float32)
        for onset in onsets:
            start = int((onset + shift + random.uniform(0, 0.005)) * SAMPLES)
            np.maximum(shape[start:], strike[: SAMPLES - start], out=shape[start:])
    fade = int(_FADE * RATE)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    shape[:fade] *= ramp
    shape[-fade:] *= ramp[::-1]
    return shape


@cache
def _time() -> Floats:
    """Seconds since the start: [SAMPLES]."""
    return (np.arange(SAMPLES) / RATE).astype(np.float32)
