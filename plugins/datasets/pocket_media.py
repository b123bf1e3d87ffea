"""Pictures, sounds and masks of the pocket world as media: painted and played when they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.data.items import Media
from ...core.data.waveform import Waveform
from ..pocket.world.picture import mask_of, paint
from ..pocket.world.scene import WorldObject, WorldScene
from ..pocket.world.sounds import Sound, together, waveform

#: Raised when anything that is drawn changes.
VERSION = 1


def picture(scene: WorldScene) -> Media:
    """A scene as an image of 48 x 48 pixels, painted when it is read."""
    return Media(scene.digest("image"), scene.description(), partial(_read_picture, scene))


def sound(heard: Sound, take: int) -> Media:
    """A sound as audio, synthesised when it is read; ``take`` seeds its variation."""
    source = f"pocket world {VERSION} audio {heard} take {take}"
    return Media(hashlib.sha256(source.encode()).hexdigest(), source, partial(_read_sound, heard, take))


def sounds(heard: Sequence[Sound], take: int) -> Media:
    """Several sounds at once as audio."""
    source = f"pocket world {VERSION} audio {' and '.join(map(str, heard))} take {take}"
    return Media(hashlib.sha256(source.encode()).hexdigest(), source, partial(_read_sounds, tuple(heard), take))


def mask(things: Sequence[WorldObject]) -> Media:
    """Where those objects are shown, bool [48, 48]."""
    source = f"mask of {WorldScene(tuple(things)).description()}"
    digest = hashlib.sha256(f"pocket world {VERSION} {source}".encode()).hexdigest()
    return Media(digest, source, partial(_read_mask, tuple(things)))


def _read_picture(scene: WorldScene) -> Image.Image:
    return Image.fromarray(paint([scene])[0])


def _read_sound(heard: Sound, take: int) -> Waveform:
    return waveform(heard, Random(take))


def _read_sounds(heard: Sequence[Sound], take: int) -> Waveform:
    return together(heard, Random(take))


def _read_mask(things: Sequence[WorldObject]) -> NDArray[np.bool_]:
    return mask_of(things)
