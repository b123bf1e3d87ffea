"""Pictures from files, objects and arrays, decoded whole or refused by name."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from .items import DataError, Media

#: What an image file is called.
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"})


def decode(content: bytes, source: str) -> Image.Image:
    """Decode an encoded picture completely. Raises ``DataError`` for an unreadable or truncated one."""
    try:
        picture = Image.open(BytesIO(content))
        picture.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = "no image format is recognised" if isinstance(error, UnidentifiedImageError) else str(error)
        raise DataError(f"{source}: not a readable image: {reason}") from None
    return picture


def open_picture(image: Any) -> Image.Image:
    """A picture from a path, a ``PIL.Image`` or a uint8 array [H, W] or [H, W, 3]. Raises ``DataError``."""
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, (str, Path)):
        return decode(_read(Path(image)), str(image))
    if isinstance(image, np.ndarray) and _is_picture(image):
        return Image.fromarray(image)
    shape = f"{image.dtype} array {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
    raise DataError(f"a picture is a path, a PIL image or a uint8 array [H, W] or [H, W, 3], not a {shape}")


def bare(picture: Image.Image) -> Image.Image:
    """The pixels alone: without file name, comments or any other metadata that might spell a label."""
    copied = picture.copy()
    copied.info = {}
    return copied


def _is_picture(array: np.ndarray[Any, Any]) -> bool:
    return array.dtype == np.uint8 and array.size > 0 and (array.ndim == 2 or array.shape[2:] == (3,))


def file_media(path: Path) -> Media:
    """A picture file as media, known by the sha256 of its bytes. Raises ``DataError`` if it cannot be read."""
    return Media(hashlib.sha256(_read(path)).hexdigest(), str(path), lambda: open_picture(path))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
