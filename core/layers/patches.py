"""Patch tokens of the tower of pictures, for tasks that say something of every place of a picture."""

from __future__ import annotations

import math
from typing import Any

from PIL import Image
from torch import Tensor

from ..data.items import DataError
from .open_towers import OpenTowers

#: Of a picture that shows whether its edges are seen, in pixels; and how much brighter they must be seen than a row
#: across its middle, in units of normalised pixels.
_SIDE, _EDGE, _SEEN = 512, 8, 0.1
#: The name under which a batch's patches stand beside the towers' read-outs.
PATCHES = "image patches"


def patches_of(out: Any, width: int) -> Tensor:
    """[B, g * g, width] row by row, of what a tower of pictures gave; tokens before the patches (class, registers) go.

    Raises ``DataError`` for a model that gives no tokens of that width of a square picture.
    """
    states = getattr(out, "last_hidden_state", None)
    if not isinstance(states, Tensor) or states.ndim not in (3, 4):
        raise DataError(f"{_NONE}: it gives {type(out).__name__} without hidden states of places")
    if states.ndim == 4:  # a map [B, d, h, w]
        states = states.flatten(2).transpose(1, 2)
    if states.shape[2] != width:
        raise DataError(f"{_NONE} that are as wide as its last block: {states.shape[2]}, and not {width}")
    side = math.isqrt(states.shape[1])
    return states[:, states.shape[1] - side * side :]


def patch_width(towers: OpenTowers) -> int:
    """d of ``patches_of``. Raises ``DataError`` where no tower of pictures tells it."""
    widths = next((one.tower.widths for one in towers.frozen if one.tower.name == "image"), ())
    if not widths:
        raise DataError(f"{_NONE}: its tower has no blocks whose width is known")
    return widths[-1]


def require_whole_pictures(towers: OpenTowers) -> None:
    """Raises ``DataError`` where preprocessing cuts the edges of a square picture off, as that of DINOv2 and of most
    models of timm does: its patches lie over the middle, and masks over the whole.

    By what becomes of a black picture with a thin white edge; of pixels that come in another form nothing is known.
    """
    framed = Image.new("RGB", (_SIDE, _SIDE), "white")
    framed.paste("black", (_EDGE, _EDGE, _SIDE - _EDGE, _SIDE - _EDGE))
    tower = next(one for one in towers.frozen if one.tower.name == "image")
    given = tower.collate({"image": [towers.encoders["image"].preprocess("image", framed)]})
    pixels = next((one for one in given.values() if one.ndim == 4 and one.is_floating_point()), None)
    if pixels is not None and float(pixels[0, :, 0].mean() - pixels[0, :, pixels.shape[2] // 2].mean()) < _SEEN:
        raise DataError(
            "task: the encoder of pictures cuts the edges of a picture off, and its patches lie over the middle alone, "
            'while masks are of the whole; take one that scales pictures (encoder `timm`: "preprocessing": '
            '{"crop": 1.0})'
        )


def as_maps(logits: Tensor, frames: int) -> Tensor:
    """[V, g * p, g * p] of logits [V * g * g, p * p]: each patch is a square of p x p places."""
    places = math.isqrt(logits.shape[1])
    side = math.isqrt(len(logits) // frames)
    squares = logits.view(frames, side, side, places, places)
    return squares.permute(0, 1, 3, 2, 4).reshape(frames, side * places, side * places)


_NONE = "task: masks are made of the patches of a picture, and the encoder of pictures has none"
