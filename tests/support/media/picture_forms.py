"""One picture, written in many forms: formats, depths, orientations, transparency."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from graftwork.core.data.pictures.orientation import TURNS

SIDE = (20, 28)
ORIENTATION = 0x0112
BACKGROUND = "#ff8000"


def coloured() -> Image.Image:
    """RGB of smooth ramps: no two of its eight turns are alike."""
    across, down = np.meshgrid(np.linspace(0, 255, SIDE[0]), np.linspace(0, 255, SIDE[1]))
    return Image.fromarray(np.stack([across, down, (across + down) / 2], axis=2).astype(np.uint8))


def grey() -> Image.Image:
    """The same as one channel."""
    return coloured().convert("L")


def encoded(picture: Image.Image, kind: str, **more: object) -> bytes:
    """The picture as a file."""
    out = io.BytesIO()
    picture.save(out, kind, **more)  # type: ignore[arg-type]
    return out.getvalue()


def tagged(orientation: int) -> Image.Exif:
    """EXIF that says so."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def lying(picture: Image.Image, orientation: int) -> Image.Image:
    """As its pixels are stored where that orientation turns them upright."""
    undone = {6: TURNS[8], 8: TURNS[6]}
    return picture.transpose(undone.get(orientation, TURNS[orientation])) if orientation != 1 else picture


def chunk(name: bytes, content: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_of_bits(values: NDArray[np.int64], bits: int, clear: int | None = None, late: bytes = b"") -> bytes:
    """Grey PNG of 2, 4 or 16 bits a sample, with a transparent value, and a chunk behind the pixels."""
    if bits == 16:
        rows = [row.astype(">u2").tobytes() for row in values]
    else:
        each = 8 // bits
        rows = [
            bytes(
                sum(int(value) << bits * (each - 1 - place) for place, value in enumerate(row[at : at + each]))
                for at in range(0, len(row), each)
            )
            for row in values
        ]
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    transparent = b"" if clear is None else chunk(b"tRNS", struct.pack(">H", clear))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + transparent + chunk(b"IDAT", pixels) + late + chunk(b"IEND", b"")
    )


def levels(bits: int) -> NDArray[np.int64]:
    """The grey picture in so many bits."""
    return np.asarray(grey()).astype(np.int64) * ((1 << bits) - 1) // 255


def see_through() -> Image.Image:
    """Its left half is transparent, black where it is; a strip of its right half lets a part through."""
    picture = coloured().convert("RGBA")
    alpha = np.full(SIDE[::-1], 255, np.uint8)
    alpha[:, : SIDE[0] // 2], alpha[:, -3:] = 0, 128
    picture.putalpha(Image.fromarray(alpha))
    picture.paste((0, 0, 0, 0), (0, 0, SIDE[0] // 2, SIDE[1]))
    return picture


def laid(picture: Image.Image, background: str) -> Image.Image:
    """What a viewer shows of it on that background, counted in floats."""
    seen = np.asarray(picture.convert("RGBA")).astype(float)
    ground = np.asarray(Image.new("RGB", picture.size, background)).astype(float)
    share = seen[:, :, 3:] / 255
    return Image.fromarray(np.rint(seen[:, :, :3] * share + ground * (1 - share)).astype(np.uint8))


@dataclass(frozen=True)
class Form:
    """A way to write a picture, and what is to be seen."""

    suffix: str
    write: Callable[[], bytes]
    seen: Callable[[], Image.Image]
    #: How far a sample may be off: the loss of the codec, or of the depth.
    within: int = 0
    #: Whether its digest is the sha256 of its bytes, as it was before orientation, depth and transparency counted.
    plain: bool = False


def _turned(kind: str, suffix: str, orientation: int, within: int = 0, plain: bool = False) -> Form:
    more = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    more |= {"quality": 100} if kind == "AVIF" else {}
    return Form(
        suffix,
        lambda: encoded(lying(coloured(), orientation), kind, exif=tagged(orientation), **more),
        coloured,
        within,
        plain,
    )


def _palette() -> Image.Image:
    """Eight colours, of which none stands for transparency yet."""
    return coloured().quantize(8)


def _key_colour() -> Image.Image:
    picture = coloured()
    picture.paste((1, 2, 3), (0, 0, 9, 28))
    return picture


def _laid_where(picture: Image.Image, clear: NDArray[np.bool_]) -> Callable[[], Image.Image]:
    def seen() -> Image.Image:
        with_alpha = picture.convert("RGBA")
        with_alpha.putalpha(Image.fromarray(np.where(clear, 0, 255).astype(np.uint8)))
        return laid(with_alpha, BACKGROUND)

    return seen


def _tiff_of_12_bits() -> bytes:
    """One strip of two samples in three bytes."""
    values = levels(12).ravel()
    packed = b"".join(
        bytes([one >> 4, (one & 15) << 4 | other >> 8, other & 255])
        for one, other in zip(values[::2].tolist(), values[1::2].tolist(), strict=True)
    )
    tags = [(256, 3, SIDE[0]), (257, 3, SIDE[1]), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 8)]
    tags += [(277, 3, 1), (278, 3, SIDE[1]), (279, 4, len(packed))]
    entries = b"".join(struct.pack("<HHII", tag, form, 1, value) for tag, form, value in tags)
    return struct.pack("<4sI", b"II*\0", 8 + len(packed)) + packed + struct.pack("<H", len(tags)) + entries + bytes(4)


def _late_exif() -> bytes:
    exif = tagged(3).tobytes().removeprefix(b"Exif\0\0")
    values = np.asarray(lying(grey(), 3)).astype(np.int64)
    return png_of_bits(values * 257, 16, late=chunk(b"eXIf", exif))


def _xmp(orientation: int) -> bytes:
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="{orientation}"/></x:xmpmeta>'.encode()
    return encoded(lying(coloured(), orientation), "JPEG", quality=100, subsampling=0, xmp=xmp)


def _rgb(make: Callable[[], Image.Image]) -> Callable[[], Image.Image]:
    return lambda: make().convert("RGB")


def _sixteen(scale: int = 257) -> Image.Image:
    return Image.fromarray(np.asarray(grey()).astype(np.uint16) * scale)


def _floats(scale: float) -> Image.Image:
    return Image.fromarray(np.asarray(grey()).astype(np.float32) * scale)


def _animation(kind: str) -> bytes:
    others = [Image.new("RGB", SIDE, "red"), Image.new("RGB", SIDE, "blue")]
    more = {"lossless": True} if kind == "WEBP" else {}
    return encoded(_palette() if kind == "GIF" else coloured(), kind, save_all=True, append_images=others, **more)


_see_through_palette = np.asarray(_palette()) == 0

FORMS = {
    "PNG": Form(".png", lambda: encoded(coloured(), "PNG"), coloured, plain=True),
    "JPEG": Form(".jpg", lambda: encoded(coloured(), "JPEG", quality=100, subsampling=0), coloured, 3, plain=True),
    "JPEG, grey": Form(".jpe", lambda: encoded(grey(), "JPEG", quality=100), _rgb(grey), 2, plain=True),
    "WebP": Form(".webp", lambda: encoded(coloured(), "WEBP", lossless=True), coloured, plain=True),
    "AVIF": Form(".avif", lambda: encoded(coloured(), "AVIF", quality=100), coloured, 12, plain=True),
    "BMP": Form(".bmp", lambda: encoded(coloured(), "BMP"), coloured, plain=True),
    "TIFF": Form(".tif", lambda: encoded(coloured(), "TIFF"), coloured, plain=True),
    "JPEG 2000": Form(".jp2", lambda: encoded(coloured(), "JPEG2000"), coloured, plain=True),
    "TGA": Form(".tga", lambda: encoded(coloured(), "TGA"), coloured, plain=True),
    "PNG, opaque alpha": Form(".png", lambda: encoded(coloured().convert("RGBA"), "PNG"), coloured, plain=True),
    **{
        f"{kind}, orientation {number}": _turned(kind, suffix, number, within, plain=kind == "TIFF")
        for kind, suffix, within in (("JPEG", ".jpg", 4), ("PNG", ".png", 0), ("WEBP", ".webp", 0), ("TIFF", ".tif", 0))
        for number in (2, 3, 6)
    },
    "JPEG, orientation 5": _turned("JPEG", ".jpg", 5, 4),
    "JPEG, orientation 8": _turned("JPEG", ".jfif", 8, 4),
    "AVIF, orientation 6": _turned("AVIF", ".avif", 6, 12),
    "JPEG, orientation in XMP": Form(".jpg", lambda: _xmp(7), coloured, 4),
    "PNG of 16 bits, orientation behind the pixels": Form(".png", _late_exif, _rgb(grey)),
    "PNG of 16 bits": Form(".png", lambda: encoded(_sixteen(), "PNG"), _rgb(grey)),
    "TIFF of 16 bits": Form(".tiff", lambda: encoded(_sixteen(), "TIFF"), _rgb(grey)),
    "PGM of 16 bits": Form(".pgm", lambda: encoded(_sixteen(), "PPM"), _rgb(grey)),
    "TIFF of 12 bits": Form(".tif", _tiff_of_12_bits, _rgb(grey), 1),
    "TIFF of 32 bits that hold 8": Form(
        ".tif", lambda: encoded(Image.fromarray(np.asarray(grey()).astype(np.int32)), "TIFF"), _rgb(grey)
    ),
    "TIFF of floats in [0, 1]": Form(".tif", lambda: encoded(_floats(1 / 255), "TIFF"), _rgb(grey)),
    "TIFF of floats in [0, 255]": Form(".tif", lambda: encoded(_floats(1), "TIFF"), _rgb(grey)),
    "PNG of 4 bits": Form(".png", lambda: png_of_bits(levels(4), 4), _rgb(grey), 17, plain=True),
    "PNG of 1 bit": Form(
        ".png",
        lambda: encoded(grey().point(lambda value: 255 * (value > 99), "1"), "PNG"),
        lambda: grey().point(lambda value: 255 * (value > 99)).convert("RGB"),
    ),
    "PNG, palette": Form(".png", lambda: encoded(_palette(), "PNG"), _rgb(_palette)),
    "TIFF, CMYK": Form(".tif", lambda: encoded(coloured().convert("CMYK"), "TIFF"), coloured, 1),
    "GIF, first of three": Form(".gif", lambda: _animation("GIF"), _rgb(_palette)),
    "WebP, first of three": Form(".webp", lambda: _animation("WEBP"), coloured, plain=True),
    "PNG, transparent": Form(".png", lambda: encoded(see_through(), "PNG"), lambda: laid(see_through(), BACKGROUND), 1),
    "WebP, transparent": Form(
        ".webp",
        lambda: encoded(see_through(), "WEBP", lossless=True, exact=True),
        lambda: laid(see_through(), BACKGROUND),
        1,
    ),
    "TIFF, transparent": Form(
        ".tif", lambda: encoded(see_through(), "TIFF"), lambda: laid(see_through(), BACKGROUND), 1
    ),
    "PNG, grey and transparent": Form(
        ".png",
        lambda: encoded(see_through().convert("LA"), "PNG"),
        lambda: laid(see_through().convert("LA"), BACKGROUND),
        1,
    ),
    "PNG, palette with a transparent entry": Form(
        ".png", lambda: encoded(_palette(), "PNG", transparency=0), _laid_where(_palette(), _see_through_palette)
    ),
    "GIF with a transparent entry": Form(
        ".gif", lambda: encoded(_palette(), "GIF", transparency=0), _laid_where(_palette(), _see_through_palette)
    ),
    "PNG with a transparent colour": Form(
        ".png",
        lambda: encoded(_key_colour(), "PNG", transparency=(1, 2, 3)),
        _laid_where(_key_colour(), np.arange(SIDE[0])[None] < np.full((SIDE[1], 1), 9)),
    ),
    "PNG of 16 bits with a transparent value": Form(
        ".png",
        lambda: png_of_bits(levels(16), 16, clear=int(levels(16)[5, 5])),
        _laid_where(grey(), levels(16) == levels(16)[5, 5]),
    ),
    "PNG of 4 bits with a transparent value": Form(
        ".png",
        lambda: png_of_bits(levels(4), 4, clear=9),
        _laid_where(Image.fromarray((levels(4) * 17).astype(np.uint8)), levels(4) == 9),
    ),
    "PNG, transparent and turned": Form(
        ".png",
        lambda: encoded(lying(see_through(), 6), "PNG", exif=tagged(6)),
        lambda: laid(see_through(), BACKGROUND),
        1,
    ),
}
