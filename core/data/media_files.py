"""Bytes of media: read whole from regular files, and required to be those that were hashed. Light: no torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..storage.files import read_regular
from .items import DataError


def read_file(path: str | Path) -> bytes:
    """All bytes of a regular file. Raises ``DataError`` naming it, and for a path without letters."""
    if not str(path).strip():
        raise DataError("a path is empty: name a file")
    try:
        return read_regular(path)
    except (OSError, ValueError) as error:  # ValueError: a name that holds a zero
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def require_same(content: bytes, sha256: str, source: str) -> bytes:
    """``content``, if its sha256 (hex) is the one found when the data set was listed; else ``DataError``.

    Vectors and descriptions are stored under the digest of what was listed: those of other bytes would stay for good.
    """
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(f"{source} changed while the data set was in use; run again")
    return content
