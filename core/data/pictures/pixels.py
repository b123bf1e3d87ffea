"""From the pixels that a file stores to those that a viewer shows: RGB of 8 bits, opaque, upright."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .orientation import turn_of

#: What lies under transparent pixels where nobody says otherwise.
WHITE = "#ffffff"
_WITH_ALPHA = frozenset({"RGBA", "LA", "PA", "La", "RGBa"})
#: TIFF's tag for bits a sample.
_BITS = 258


def as_rgb(picture: Image.Image, background: str = WHITE) -> Image.Image:
    """The picture as it is meant to be seen; itself where it is RGB, opaque and upright already.

    Of an animation the first frame. Grey of more than 8 bits is scaled by its depth, the upper 8 bits are kept; floats
    in [0, 1] are scaled, in [0, 255] cut to whole numbers. Transparency is laid on ``background`` (``#rrggbb``). Raises
    ``ValueError`` for numbers that nothing gives a meaning, and what decoders raise.
    """
    picture.load()
    turn = turn_of(picture.info)
    seen = _opaque(_of_eight_bits(picture), background)
    return seen if turn is None else seen.transpose(turn)


def may_be_transparent(picture: Image.Image) -> bool:
    """Whether there is an alpha channel, or a colour declared to be transparent. Decodes nothing."""
    return picture.mode in _WITH_ALPHA or "transparency" in picture.info


def is_transparent(picture: Image.Image) -> bool:
    """Whether any pixel lets the background through."""
    return may_be_transparent(picture) and _lets_through(_alpha(_of_eight_bits(picture)))


def _opaque(picture: Image.Image, background: str) -> Image.Image:
    if not may_be_transparent(picture):
        return picture if picture.mode == "RGB" else picture.convert("RGB")
    seen = _with_alpha(picture)
    alpha = seen.getchannel("A")
    if not _lets_through(alpha):
        return seen.convert("RGB")
    ground = Image.new("RGB", seen.size, background)
    ground.paste(seen, mask=alpha)
    return ground


def _with_alpha(picture: Image.Image) -> Image.Image:
    if picture.mode in ("La", "PA"):
        picture = picture.convert("LA" if picture.mode == "La" else "RGBA")
    return picture if picture.mode == "RGBA" else picture.convert("RGBA")


def _alpha(picture: Image.Image) -> Image.Image:
    return _with_alpha(picture).getchannel("A")


def _lets_through(alpha: Image.Image) -> bool:
    return alpha.getextrema()[0] != 255


def _of_eight_bits(picture: Image.Image) -> Image.Image:
    """Grey of whole numbers or floats as grey of 8 bits, with alpha where one value is declared transparent."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    values = np.asarray(picture)
    levels = _scaled_floats(values) if picture.mode == "F" else _scaled_numbers(values, picture)
    grey = Image.fromarray(levels)
    clear = picture.info.get("transparency")
    if isinstance(clear, (int, float)):
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    grey.info = {key: value for key, value in picture.info.items() if key != "transparency"}
    return grey


def _scaled_numbers(values: NDArray[Any], picture: Image.Image) -> NDArray[np.uint8]:
    """By the depth of the file, where it has one; numbers of 32 bits only where 8 bits hold them."""
    if picture.mode.startswith("I;16"):
        return (values.astype(np.uint16) >> (_depth(picture) - 8)).clip(0, 255).astype(np.uint8)
    least, most = int(values.min()), int(values.max())
    if picture.format == "PPM" and least >= 0 and most < 1 << 16:  # whatever its greatest value: Pillow scales to 16
        return (values >> 8).astype(np.uint8)
    if not (least >= 0 and most <= 255):
        raise ValueError(
            f"its grey values are whole numbers of 32 bits from {least} to {most}, and nothing says which is white; "
            "store it with 8 or 16 bits"
        )
    return values.astype(np.uint8)


def _depth(picture: Image.Image) -> int:
    bits = getattr(picture, "tag_v2", {}).get(_BITS, (16,))
    depth = bits[0] if isinstance(bits, tuple) and len(bits) == 1 else 16
    return depth if isinstance(depth, int) and 8 < depth <= 16 else 16


def _scaled_floats(values: NDArray[Any]) -> NDArray[np.uint8]:
    least, most = float(values.min()), float(values.max())  # NaN in one of both, wherever it stands
    if not (least >= 0 and most <= 255):
        raise ValueError(
            f"its grey values are floats from {least:g} to {most:g}, and only [0, 1] and [0, 255] have a meaning; "
            "scale them to one of the two"
        )
    return (np.rint(values * 255) if most <= 1 else values).astype(np.uint8)
