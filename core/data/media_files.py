"""Bytes of media: read whole from regular files, and required to be those that were hashed. Light: no torch."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ..storage.files import read_regular
from .items import DataError, Media


def read_file(path: str | Path) -> bytes:
    """All bytes of a regular file. Raises ``DataError`` naming it, and for a path without letters."""
    if not str(path).strip():
        raise DataError("a path is empty: name a file")
    try:
        return read_regular(path)
    except (OSError, ValueError) as error:  # ValueError: a name that holds a zero
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def absent_media(path: Path) -> Media:
    """A file that an annotation names and that is not there, as media that cannot be read.

    For ``on_error`` ``skip`` and ``record``: its item is then left out and counted as those that cannot be decoded.
    """

    def read() -> Any:
        raise DataError(f"{path}: is not there")

    return Media(hashlib.sha256(f"absent {path}".encode("utf-8", "surrogateescape")).hexdigest(), str(path), read)


def require_same(content: bytes, sha256: str, source: str) -> bytes:
    """``content``, if its sha256 (hex) is the one found when the data set was listed; else ``DataError``.

    Vectors and descriptions are stored under the digest of what was listed: those of other bytes would stay for good.
    """
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(f"{source} changed while the data set was in use; run again")
    return content
