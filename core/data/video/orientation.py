"""How a frame is turned to be seen as a player shows it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from PIL.Image import Transpose

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

#: The 2 x 2 part of a display matrix (a, b, c, d: x' = a x + c y, y' = b x + d y, y downwards), in signs, to what
#: Pillow calls it. Source: ISO/IEC 14496-12, 8.3.2 (track header box).
_TURNS: dict[tuple[int, int, int, int], Transpose | None] = {
    (1, 0, 0, 1): None,
    (0, 1, -1, 0): Transpose.ROTATE_270,
    (-1, 0, 0, -1): Transpose.ROTATE_180,
    (0, -1, 1, 0): Transpose.ROTATE_90,
    (-1, 0, 0, 1): Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Transpose.FLIP_TOP_BOTTOM,
    (0, 1, 1, 0): Transpose.TRANSPOSE,
    (0, -1, -1, 0): Transpose.TRANSVERSE,
}
#: Degrees clockwise of each turn that is one.
_DEGREES = {Transpose.ROTATE_270: 90, Transpose.ROTATE_180: 180, Transpose.ROTATE_90: 270}


def turn_of(frame: VideoFrame) -> Transpose | None:
    """What the display matrix asks for. Raises ``ValueError`` for an angle between the quarters."""
    beside: Any = frame.side_data
    if not len(beside):
        return None
    from av.sidedata.sidedata import Type

    data = next((bytes(one) for one in beside if one.type == Type.DISPLAYMATRIX), None)
    if data is None:
        return None
    a, b, _, c, d, *_ = struct.unpack("=9i", data[:36])
    greatest = max(map(abs, (a, b, c, d))) or 1
    signs = tuple(round(one / greatest) for one in (a, b, c, d))
    if signs not in _TURNS:
        raise ValueError("its display matrix turns it by no multiple of 90 degrees; store it upright")
    return _TURNS[signs]


def degrees_of(turn: Transpose | None) -> int:
    """Clockwise; 0 of what is mirrored."""
    return _DEGREES.get(turn, 0) if turn is not None else 0
