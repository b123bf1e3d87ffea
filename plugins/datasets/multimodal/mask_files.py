"""Masks in picture files."""

from __future__ import annotations

from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from ....core.data.items import DataError, Media
from ....core.data.media_files import read_file, require_same
from ....core.data.pictures import decode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def mask_media(path: Path, sha256: str) -> Media:
    """A file known by the sha256 (hex) of its bytes; ``read`` gives bool [H, W], or raises ``DataError``."""
    return Media(sha256, str(path), partial(_read, path, sha256))


def fault_of_mask(path: Path) -> str:
    """Why it cannot be decoded; nothing of one that can."""
    try:
        mask_of(read_file(path), str(path))
    except DataError as error:
        return str(error)
    return ""


def mask_of(content: bytes, source: str) -> NDArray[np.bool_]:
    """bool [H, W] of an encoded picture: where it is not black, however dark. Raises ``DataError``."""
    import numpy as np
    from PIL import Image

    seen = decode(content, source, "#000000")
    stored = Image.open(BytesIO(content))
    if stored.mode.startswith(("I", "F")):  # seen in 8 bits, the least of 16 are black
        return np.asarray(np.asarray(stored) > 0)
    return np.asarray(np.asarray(seen).any(axis=2))


def _read(path: Path, sha256: str) -> NDArray[np.bool_]:
    return mask_of(require_same(read_file(path), sha256, str(path)), str(path))
