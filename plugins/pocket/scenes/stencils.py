"""The bank of stencils: every drawable thing as a distance field, from fonts, from handwritten strokes, from shapes.

A stencil holds, at each of 48 x 48 points, the distance to the ink in units of the stencil's side (negative inside).
Ink appears where the distance is below a pen width chosen later, so one stencil gives every stroke thickness.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt  # type: ignore[import-untyped]  # scipy ships no types

from .allographs import ALLOGRAPHS
from .fonts import FontFile
from .shapes import SHAPES
from .strokes import pen_path

SIDE = 48
#: The longer side of a thing's bounding box, as a share of the stencil: the rest is room for thick pens and warps.
FILL = 0.7
CHARACTERS = string.digits + string.ascii_letters
Field = NDArray[np.float16]


@dataclass(frozen=True)
class StencilBank:
    """Distance fields float16 [count, 48, 48], and per row what it draws and how."""

    fields: torch.Tensor
    names: tuple[str, ...]
    pen: tuple[bool, ...]
    """Whether the row is a pen's path (its ink has no width of its own)."""
    hand: tuple[bool, ...]
    """Whether the row looks written by hand."""
    aspects: tuple[float, ...]
    """Width over height of the row's bounding box."""

    def rows(self, name: str) -> list[int]:
        """The rows that draw ``name``."""
        return [row for row, other in enumerate(self.names) if other == name]


@dataclass(frozen=True)
class _Stencil:
    field: Field
    name: str
    pen: bool
    hand: bool
    aspect: float


def build_bank(
    fonts: Sequence[FontFile], seed: int, digit_variants: int = 400, letter_variants: int = 80
) -> StencilBank:
    """All stencils of ``fonts``, plus so many handwritten variants of each digit and letter, plus the shapes."""
    rng = np.random.default_rng(seed)
    stencils = [*_shape_stencils(), *_written(rng, digit_variants, letter_variants)]
    for font in fonts:
        stencils += _printed(font)
    fields = torch.from_numpy(np.stack([stencil.field for stencil in stencils]))
    return StencilBank(
        fields,
        tuple(stencil.name for stencil in stencils),
        tuple(stencil.pen for stencil in stencils),
        tuple(stencil.hand for stencil in stencils),
        tuple(stencil.aspect for stencil in stencils),
    )


def _written(rng: np.random.Generator, digit_variants: int, letter_variants: int) -> Iterator[_Stencil]:
    for name, skeletons in ALLOGRAPHS.items():
        for variant in range(digit_variants if name.isdigit() else letter_variants):
            path = pen_path(skeletons[variant % len(skeletons)], rng, jitter=float(rng.uniform(0.01, 0.06)))
            # The unit box's own proportions are wrong for most letters; hands differ in theirs anyway.
            path[:, 0] *= rng.uniform(0.5, 0.95)
            yield _Stencil(path_field(path), name, True, True, _aspect(path))


def _aspect(points: NDArray[np.float64]) -> float:
    width, height = np.maximum(np.ptp(points, axis=0), 0.05)
    return float(width / height)


def path_field(path: NDArray[np.float64]) -> Field:
    """The distance field [48, 48] of a pen's path: points [m, 2], scaled to fill the stencil and centred."""
    low, high = path.min(0), path.max(0)
    points = (path - (low + high) / 2) * (FILL / max(float((high - low).max()), 0.05)) + 0.5
    centres = (np.arange(SIDE) + 0.5) / SIDE
    dx = (centres[:, None] - points[None, :, 0]) ** 2
    dy = (centres[:, None] - points[None, :, 1]) ** 2
    nearest = (dy[:, None, :] + dx[None, :, :]).min(-1)
    return np.asarray(np.sqrt(nearest), dtype=np.float16)


def _shape_stencils() -> Iterator[_Stencil]:
    scale = 4 * SIDE
    for name, (outline, holes) in SHAPES.items():
        picture = Image.new("L", (scale, scale))
        draw = ImageDraw.Draw(picture)
        for polygon, value in [(outline, 255), *((hole, 0) for hole in holes)]:
            corners = scale * (0.5 + FILL * (np.array(polygon) - 0.5))
            draw.polygon([(float(x), float(y)) for x, y in corners], value)
        yield _Stencil(mask_field(np.asarray(picture) > 127), name, False, False, _aspect(np.array(outline)))


def mask_field(mask: NDArray[np.bool_]) -> Field:
    """The signed distance field [48, 48] of a square mask whose side is a multiple of 48."""
    side = len(mask)
    signed = (distance_transform_edt(~mask) - distance_transform_edt(mask)) / side
    step = side // SIDE
    return np.asarray(signed.reshape(SIDE, step, SIDE, step).mean((1, 3)), dtype=np.float16)


def _printed(font: FontFile) -> Iterator[_Stencil]:
    face = ImageFont.truetype(font.path, 96)
    unknown = _ink(face, "\uffff")
    for name in CHARACTERS:
        ink = _ink(face, name)
        # A font without the character draws its "missing" box.
        if ink is None or (unknown is not None and ink.size == unknown.size and ink.tobytes() == unknown.tobytes()):
            continue
        yield _Stencil(mask_field(_centred(ink)), name, False, font.hand, ink.width / ink.height)


def _ink(face: ImageFont.FreeTypeFont, text: str) -> Image.Image | None:
    picture = Image.new("L", (288, 288))
    ImageDraw.Draw(picture).text((96, 72), text, 255, font=face)
    box = picture.getbbox()
    return picture.crop(box) if box else None


def _centred(ink: Image.Image) -> NDArray[np.bool_]:
    side = 2 * SIDE
    scale = FILL * side / max(ink.size)
    width, height = (max(1, round(length * scale)) for length in ink.size)
    canvas = Image.new("L", (side, side))
    canvas.paste(ink.resize((width, height), Image.Resampling.BOX), ((side - width) // 2, (side - height) // 2))
    return np.asarray(canvas) > 127
