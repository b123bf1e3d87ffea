"""Where encoded vectors are kept. Light: no numpy."""

from __future__ import annotations

import os
from pathlib import Path

from .files import StorageError


def store_root(given: str | Path | None = None) -> Path:
    """``given``, else ``$GRAFTWORK_CACHE``, else ``$XDG_CACHE_HOME/graftwork``, else ``~/.cache/graftwork``.

    Raises ``StorageError`` where nobody knows the user's home.
    """
    if given:
        return Path(given)
    if chosen := os.environ.get("GRAFTWORK_CACHE"):
        return _expanded(chosen).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or _expanded("~/.cache")) / "graftwork"


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise StorageError(f"{path}: no home folder is known here; set GRAFTWORK_CACHE to a whole path") from None
