"""A clip file as it was listed, and whether it still is that."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from ...storage.files import open_regular
from ..file_memo import STABLE_NS
from ..items import DataError


@dataclass(frozen=True, slots=True)
class Clip:
    """Where a clip lies, and what its bytes were when it was listed."""

    path: Path
    #: sha256 (hex) of the file's bytes.
    sha256: str


def file_clip(path: Path) -> Clip:
    """A clip by its file. Raises ``DataError`` if it cannot be read; decodes nothing."""
    return Clip(path, sha256_of_clip(path))


def sha256_of_clip(path: Path) -> str:
    """sha256 (hex) of a file's bytes, a block at a time. Raises ``DataError`` naming it."""
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:  # ValueError: a name that holds a zero
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


#: State of a file to its sha256, of those that were read last.
_SEEN: dict[tuple[object, ...], str] = {}
_SEEN_AT_MOST = 4096
_LOCK = threading.Lock()


def state_of(path: Path) -> tuple[object, ...]:
    """What changes when a file does. Raises ``DataError``."""
    try:
        stat = os.stat(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    return str(path), stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def require_unchanged(clip: Clip) -> tuple[object, ...]:
    """The state of a clip whose bytes are those that were listed; else ``DataError``.

    A file is hashed once for each state that it is found in, however many of its frames are read.
    """
    state = state_of(clip.path)
    with _LOCK:
        known = _SEEN.get(state)
    if known is None:
        known = sha256_of_clip(clip.path)
        *_, modified, changed = state
        if time.time_ns() - max(int(str(modified)), int(str(changed))) >= STABLE_NS and state_of(clip.path) == state:
            with _LOCK:
                if len(_SEEN) >= _SEEN_AT_MOST:
                    del _SEEN[next(iter(_SEEN))]
                _SEEN[state] = known
    if known != clip.sha256:
        raise DataError(f"{clip.path} changed while the data set was in use; run again")
    return state
