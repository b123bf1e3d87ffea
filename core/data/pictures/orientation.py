"""Which way up a picture is, as its metadata says: the EXIF tag, else the same tag in XMP.

Read here and not by Pillow, which looks into XMP as it looks into EXIF but warns on the terminal of every odd tag, and
decodes a whole PNG to look behind its pixels.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import Any

from PIL.Image import Transpose

_TAG = 0x0112
#: Forms of a whole number in EXIF: BYTE, SHORT, LONG.
_NUMBERS = {1: "B", 3: "H", 4: "I"}
_XMP = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
#: Orientation to what turns the stored pixels upright; 1 is upright.
TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


def turn_of(info: Mapping[Any, Any]) -> Transpose | None:
    """What turns a picture with that ``info`` upright; ``None`` where it is upright, or nothing sound is said."""
    found = _in_exif(_exif(info))
    return TURNS.get(_in_xmp(info) if found is None else found)


def _exif(info: Mapping[Any, Any]) -> bytes:
    exif = info.get("exif")
    if isinstance(exif, bytes):
        return exif
    hexadecimal = info.get("Raw profile type exif")  # how ImageMagick has PNG carry it
    try:
        return bytes.fromhex("".join(hexadecimal.split("\n")[3:])) if isinstance(hexadecimal, str) else b""
    except ValueError:
        return b""


def _in_exif(exif: bytes) -> int | None:
    """The tag in the first directory of EXIF; ``None`` where it is not there, or cannot be read."""
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        for number in range(count):
            at = start + 2 + 12 * number
            tag, form = struct.unpack_from(f"{order}HH", exif, at)
            if tag == _TAG and form in _NUMBERS:
                return int(struct.unpack_from(f"{order}{_NUMBERS[form]}", exif, at + 8)[0])
    except struct.error:  # damaged metadata is no reason to refuse a whole picture
        return None
    return None


def _in_xmp(info: Mapping[Any, Any]) -> int:
    xmp = info.get("XML:com.adobe.xmp") or info.get("xmp") or b""
    xmp = xmp[0] if isinstance(xmp, tuple) and xmp else xmp
    found = _XMP.search(xmp.encode("utf-8", "replace") if isinstance(xmp, str) else bytes(xmp))
    return int(found[1]) if found else 1
