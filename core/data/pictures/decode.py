"""Pictures from files, objects and arrays, decoded whole or refused by name."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..items import DataError, Media
from ..media_files import read_file, require_same
from .identity import digest_of, finding, opened
from .pixels import WHITE, as_rgb

#: What an image file is called.
SUFFIXES = frozenset(
    f".{name}"
    for name in "apng avif bmp gif jfif jp2 jpe jpeg jpg pbm pgm png pnm ppm tga tif tiff webp".split()  # noqa: SIM905
)

# What Pillow warns of (a large picture, an odd tag) names a line of its own on the terminal. What matters of it is an
# error here, with the file's name; the filter is for the process, since decoding runs in threads.
warnings.filterwarnings("ignore", module=r"PIL\.")


def decode(content: bytes, source: str, background: str = WHITE) -> Image.Image:
    """Decode an encoded picture completely: RGB, upright, transparency laid on ``background`` (``#rrggbb``).

    Of an animation the first frame. Raises ``DataError`` for one that is unreadable, truncated, of absurd size or of a
    depth that tells nothing.
    """
    try:
        picture = as_rgb(opened(content), background)
    except Exception as error:  # each format's decoder has its own: RuntimeError of AVIF, struct.error, IndexError ...
        raise DataError(f"{source}: not a readable image: {_reason(error)}") from error
    picture.info = {}  # a tag that was heeded must not be heeded again
    return picture


def open_picture(image: Any, background: str = WHITE) -> Image.Image:
    """A picture from a path, a ``PIL.Image`` or a uint8 array [H, W] or [H, W, 3], as ``decode`` gives it.

    A ``PIL.Image`` is left as it is, and given back itself where it is RGB and without metadata. Raises ``DataError``.
    """
    if isinstance(image, Image.Image):
        return _seen(image, background)
    if isinstance(image, (str, Path)):
        return decode(read_file(image), str(image), background)
    if isinstance(image, np.ndarray) and _is_picture(image):
        return as_rgb(Image.fromarray(image))
    shape = f"{image.dtype} array {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
    raise DataError(f"a picture is a path, a PIL image or a uint8 array [H, W] or [H, W, 3], not a {shape}")


def bare(picture: Image.Image) -> Image.Image:
    """The pixels alone: without file name, comments or any other metadata that might spell a label."""
    copied = picture.copy()
    copied.info = {}
    return copied


def bytes_of(picture: Any) -> int:
    """Memory that its pixels take; of what is no picture nothing is known: 0."""
    if not isinstance(picture, Image.Image):
        return 0
    return picture.width * picture.height * (4 if picture.mode != "L" else 1)  # Pillow holds RGB in four


def file_media(path: Path, background: str = WHITE) -> Media:
    """A picture file as media, known by its bytes and how they are seen. Raises ``DataError`` if it cannot be read."""
    return picture_media(finding(read_file(path)), str(path), partial(read_file, path), background)


def picture_media(found: str, source: str, read: Callable[[], bytes], background: str) -> Media:
    """A picture whose bytes had that ``finding``, as media; its bytes are compared when it is read again."""
    sha256 = found.partition(" ")[0]
    return Media(
        digest_of(found, background), source, partial(_decode_same, read, sha256, source, background), sha256=sha256
    )


def _decode_same(read: Callable[[], bytes], sha256: str, source: str, background: str) -> Image.Image:
    return decode(require_same(read(), sha256, source), source, background)


def _seen(image: Image.Image, background: str) -> Image.Image:
    try:
        seen = as_rgb(image, background)
    except Exception as error:  # one that is not loaded yet is decoded here
        name = str(getattr(image, "filename", "") or "a PIL image")
        raise DataError(f"{name}: not a readable image: {_reason(error)}") from error
    if seen is image:
        return bare(image) if image.info else image
    seen.info = {}
    return seen


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no image format is recognised"
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        limit = f"{2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6:.0f} megapixels"
        return f"it has more than {limit}, too many to be one picture; scale it down, or cut it up"
    if isinstance(error, MemoryError):
        return "it takes more memory than there is; scale it down, or cut it up"
    return str(error) or type(error).__name__


def _is_picture(array: np.ndarray[Any, Any]) -> bool:
    return array.dtype == np.uint8 and array.size > 0 and (array.ndim == 2 or array.shape[2:] == (3,))
