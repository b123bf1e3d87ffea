"""Where encoded vectors are kept. Light: no numpy."""

from __future__ import annotations

import os
from pathlib import Path


def store_root(given: str | Path | None = None) -> Path:
    """``given``, else ``$GRAFTWORK_CACHE``, else ``$XDG_CACHE_HOME/graftwork``, else ``~/.cache/graftwork``."""
    if given:
        return Path(given)
    if chosen := os.environ.get("GRAFTWORK_CACHE"):
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graftwork"
