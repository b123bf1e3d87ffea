"""Pictures: decoded in one place, to one meaning: upright, opaque, RGB of 8 bits."""

from __future__ import annotations

from .decode import SUFFIXES, bare, bytes_of, decode, file_media, open_picture, picture_media
from .identity import digest_of, finding
from .pixels import WHITE

__all__ = [
    "SUFFIXES",
    "WHITE",
    "bare",
    "bytes_of",
    "decode",
    "digest_of",
    "file_media",
    "finding",
    "open_picture",
    "picture_media",
]
