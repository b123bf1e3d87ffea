"""What a picture is known by: its bytes, and whatever makes it be seen otherwise than its samples stand in the file.

A picture of RGB or grey samples of 8 bits, upright and opaque, is known by the sha256 of its bytes, as every picture
was before turning, depth and transparency were heeded: vectors stored then stay valid. Any other has a digest of its
own, so that it never finds a vector of what was seen then.
"""

from __future__ import annotations

import hashlib
from functools import cache
from io import BytesIO
from typing import Any

from PIL import Image

from .orientation import turn_of
from .pixels import is_transparent, may_be_transparent

#: Changes with the rule by which marked pictures are seen.
_RULE = 1
#: Opens by running another program (Ghostscript) on the file.
_RUNS_PROGRAMS = frozenset({"EPS"})
#: PNG may hold these behind its pixels, where opening alone does not look.
_LATE = (b"eXIf", b"iTXt", b"zTXt", b"tEXt")
#: Where a PNG's header says how many bits a sample has.
_DEPTH_AT = 24


def opened(content: bytes) -> Image.Image:
    """The picture with its header read and its pixels not. Raises what Pillow raises."""
    Image.preinit()  # the usual formats are tried first
    Image.init()
    picture = Image.open(BytesIO(content), formats=_formats(len(Image.ID)))
    if picture.format == "PNG" and "transparency" in picture.info:
        picture.info["transparency"] = _of_eight_bits(picture.info["transparency"], picture.mode, content[_DEPTH_AT])
    return picture


@cache
def _formats(known: int) -> tuple[str, ...]:
    """Of the ``known`` formats those that are decoded here; another package may register more at any time."""
    return tuple(name for name in Image.ID[:known] if name not in _RUNS_PROGRAMS)


def _of_eight_bits(clear: Any, mode: str, depth: int) -> Any:
    """A PNG's transparent colour, which counts in the samples of the file, in those that Pillow makes of them."""
    if mode == "L" and depth < 8:
        return clear * 255 // ((1 << depth) - 1)
    if mode == "RGB" and depth == 16:
        return tuple(sample >> 8 for sample in clear)
    return clear


def finding(content: bytes) -> str:
    """sha256 (hex) of the bytes; after it, each after a blank, what makes the picture be seen otherwise.

    ``turned``: the orientation says so. ``converted``: samples of another kind than RGB or grey of 8 bits.
    ``transparent``: some pixel lets the background through. What cannot be read has no such mark: reading it will say.
    """
    return " ".join([hashlib.sha256(content).hexdigest(), *_marks(content)])


def digest_of(found: str, background: str) -> str:
    """The digest (sha256, hex) of a picture with that ``finding``, seen on that background (``#rrggbb``)."""
    sha256, _, marks = found.partition(" ")
    if not marks:
        return sha256
    ground = f" on {background}" if "transparent" in marks else ""
    return hashlib.sha256(f"{sha256} seen {_RULE} {marks}{ground}".encode()).hexdigest()


def _marks(content: bytes) -> list[str]:
    try:
        with opened(content) as picture:
            alpha = may_be_transparent(picture)
            if alpha or _holds_more(content, picture):
                picture.load()
            marks = {
                # Pillow itself has always turned TIFF, as it decodes.
                "turned": picture.format != "TIFF" and turn_of(picture.info) is not None,
                "converted": picture.mode not in ("RGB", "L", "RGBA", "LA"),
                "transparent": alpha and is_transparent(picture),
            }
    except Exception:  # noqa: BLE001 - each decoder has its own; ``decode`` says them
        return []
    return [mark for mark, is_so in marks.items() if is_so]


def _holds_more(content: bytes, picture: Image.Image) -> bool:
    """Whether metadata stands behind the pixels of a PNG."""
    if picture.format != "PNG":
        return False
    pixels = content.find(b"IDAT")
    return any(content.rfind(name) > pixels for name in _LATE)
