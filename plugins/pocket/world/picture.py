"""From scenes of the pocket world to pictures, thousands a second: stencils of every shape, size and offset are made
once, and a picture is put together from its nine cells."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..scenes.shapes import SHAPES, Polygon
from .scene import (
    GRAINS,
    HUE_STEP,
    PHASES,
    REACH,
    WORLD_COLOURS,
    WORLD_SHAPES,
    WORLD_SIZES,
    WORLD_TEXTURES,
    WorldObject,
    WorldScene,
)

Floats = NDArray[np.float32]

CELL = 16
SIDE = 3 * CELL
#: Length of an object's box in pixels.
EXTENT = {"small": 9, "large": 13}
#: Samples a pixel and axis that coverage is counted over; even, since objects lie on half pixels.
_FINE = 8
_OFFSETS = 2 * max(REACH.values()) + 1
#: Standard deviation of the sensor noise, in grey levels of 255.
_NOISE = 4.0
#: How pale the second colour of a texture is: this share of white.
_PALE = 0.75

_RGB: dict[str, tuple[int, int, int]] = {
    "red": (225, 25, 25),
    "orange": (250, 130, 10),
    "yellow": (245, 230, 30),
    "green": (30, 165, 45),
    "cyan": (25, 215, 220),
    "blue": (35, 70, 230),
    "purple": (130, 35, 175),
    "pink": (250, 110, 190),
}


def paint(scenes: Sequence[WorldScene]) -> NDArray[np.uint8]:
    """The pictures of ``scenes``, each from its scene alone: uint8 [N, 48, 48, 3]."""
    shape, texture = _outlines(), _patterns()
    ground = np.array([scene.ground for scene in scenes], np.float32)
    cells = np.empty((len(scenes), 9, CELL, CELL, 3), np.float32)
    cells[:] = ground[:, None, None, None, None]
    at = [(number, thing) for number, scene in enumerate(scenes) for thing in scene.objects]
    if at:
        keys = np.array(
            [
                (
                    number,
                    thing.place,
                    WORLD_SHAPES.index(thing.shape),
                    WORLD_SIZES.index(thing.size),
                    thing.dx + _OFFSETS // 2,
                    thing.dy + _OFFSETS // 2,
                    WORLD_TEXTURES.index(thing.texture),
                    thing.phase,
                    thing.hue,
                )
                for number, thing in at
            ]
        ).T
        ink = shape[keys[2], keys[3], keys[5], keys[4]][..., None]  # (objects, 16, 16, 1)
        colour = rgb_of(keys[8])[:, None, None]
        pale = texture[keys[6], keys[7]][..., None] * _PALE
        below = ground[keys[0]][:, None, None, None]
        cells[keys[0], keys[1]] = below + ink * (colour + pale * (255 - colour) - below)
    pictures = cells.reshape(-1, 3, 3, CELL, CELL, 3).transpose(0, 1, 3, 2, 4, 5).reshape(-1, SIDE, SIDE, 3)
    pictures += _grains()[[scene.grain for scene in scenes]]
    painted: NDArray[np.uint8] = np.clip(pictures + 0.5, 0, 255).astype(np.uint8)
    return painted


def mask_of(things: Sequence[WorldObject]) -> NDArray[np.bool_]:
    """Where ``paint`` shows objects of one picture: bool [48, 48], true where at least half of a pixel is covered."""
    cells = np.zeros((9, CELL, CELL), bool)
    for thing in things:
        drawn = _outlines()[WORLD_SHAPES.index(thing.shape), WORLD_SIZES.index(thing.size)]
        cells[thing.place] |= drawn[thing.dy + _OFFSETS // 2, thing.dx + _OFFSETS // 2] >= 0.5
    return cells.reshape(3, 3, CELL, CELL).transpose(0, 2, 1, 3).reshape(SIDE, SIDE)


def rgb_of(hues: NDArray[np.int64]) -> Floats:
    """Hues in [0, 800) to float32 [N, 3] in [0, 255]: straight from each colour to the next."""
    anchors = np.array([_RGB[name] for name in WORLD_COLOURS], np.float32)
    first, along = hues // HUE_STEP, (hues % HUE_STEP / HUE_STEP).astype(np.float32)[:, None]
    mixed: Floats = anchors[first] + along * (anchors[(first + 1) % len(anchors)] - anchors[first])
    return mixed


@cache
def _outlines() -> Floats:
    """Ink of every shape, size and offset: [shapes, sizes, dy, dx, 16, 16] in [0, 1]."""
    ink = np.zeros((len(WORLD_SHAPES), len(WORLD_SIZES), _OFFSETS, _OFFSETS, CELL, CELL), np.float32)
    for row, name in enumerate(WORLD_SHAPES):
        for column, size in enumerate(WORLD_SIZES):
            fine = _inside(SHAPES[name][0], EXTENT[size] * _FINE)
            for y in range(-REACH[size], REACH[size] + 1):
                for x in range(-REACH[size], REACH[size] + 1):
                    moved = np.roll(fine, (y * _FINE // 2, x * _FINE // 2), (0, 1))
                    covered = moved.reshape(CELL, _FINE, CELL, _FINE).mean((1, 3))
                    ink[row, column, y + _OFFSETS // 2, x + _OFFSETS // 2] = covered
    return ink


def _inside(outline: Polygon, extent: int) -> Floats:
    """Which samples of a cell lie in ``outline`` of ``extent`` samples around its middle (even-odd rule)."""
    samples = ((np.arange(CELL * _FINE) + 0.5) - CELL * _FINE / 2) / extent + 0.5
    y, x = samples[:, None], samples[None, :]
    odd = np.zeros((len(samples), len(samples)), bool)
    for (x0, y0), (x1, y1) in zip(outline, [*outline[1:], outline[0]], strict=True):
        if y0 != y1:
            odd ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return odd.astype(np.float32)


@cache
def _patterns() -> Floats:
    """Share of the pale second colour: [textures, phases, 16, 16]."""
    y, x = np.mgrid[:CELL, :CELL]
    patterns = np.zeros((len(WORLD_TEXTURES), PHASES, CELL, CELL), np.float32)
    for phase in range(PHASES):
        v, h = y + phase, x + phase // 2
        patterns[1, phase] = v % 4 < 2
        patterns[2, phase] = (v // 3 + h // 3) % 2
        patterns[3, phase] = (v % 4 < 2) & (h % 4 < 2)
    return patterns


@cache
def _grains() -> Floats:
    """Sensor noise: [grains, 48, 48, 3], the same in every process."""
    noise: Floats = np.random.RandomState(0).randn(GRAINS, SIDE, SIDE, 3).astype(np.float32) * np.float32(_NOISE)
    return noise
