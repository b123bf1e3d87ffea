"""What was stored under one identity: its folder, what is known of it, who uses it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..files import sweep_partials, write_whole
from ..sealed import SEAL, is_unaltered, sealed
from . import locks

#: Raise it when the layout of the store changes.
LAYOUT = 1
ABOUT, INDEX, USED, WRITING = "about.json", "index", "used", "writing"


def identity_key(identity: Mapping[str, Any]) -> str:
    """A short name for everything that the stored values depend on."""
    canonical = json.dumps({"layout": LAYOUT, **identity}, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


class Namespace:
    """All that was stored under one identity; ``about`` tells a person (and later runs) what that is."""

    def __init__(self, root: Path, stage: str, identity: Mapping[str, Any]) -> None:
        self.identity = dict(identity)
        key = identity_key(identity)
        self.folder, self.index_folder = root / stage / key, root / INDEX / stage / key
        self._is_used = False

    def about(self) -> dict[str, Any] | None:
        """What was noted when the first values came in; ``None`` where nothing was, or it was altered since."""
        return read_about(self.folder)

    def damage(self) -> str | None:
        """What to say where ``about.json`` is there and cannot be used."""
        path = self.folder / ABOUT
        if self.about() is not None or not os.path.lexists(path):
            return None
        return f"{path} was altered or cannot be read: the model is loaded to see which stored values are its own"

    def note(self, facts: Mapping[str, Any]) -> None:
        """Write ``about.json``: the identity and these facts."""
        self.use(write=True)
        content = sealed({"identity": self.identity, **facts})
        write_whole(self.folder / ABOUT, json.dumps(content, indent=2, sort_keys=True).encode())

    def use(self, *, write: bool = False) -> None:
        """Keep it from being pruned while this object lives; where nothing is stored, only if it is to ``write``. What
        killed writers left in it goes."""
        if self._is_used or not (write or self.folder.is_dir()):
            return
        self._is_used = True
        locks.keep_used(self, self.index_folder / USED)
        sweep_partials(self.folder, below=False)  # its shelves do so where shards came or went

    @contextmanager
    def writing(self, say: Callable[[str], None]) -> Iterator[bool]:
        """Compute what is missing in it, and no other process does. It says for whom it waits, where it has to, and
        gives whether it had to: then what is missing is another matter."""
        waited = False

        def wait(holder: str) -> None:
            nonlocal waited
            waited = True
            say(f"{holder} computes values of the same model; this one waits, and then takes what is stored")

        with locks.writing(self.index_folder / WRITING, wait):
            yield waited


def read_about(folder: Path) -> dict[str, Any] | None:
    """What was noted of a namespace's folder; ``None`` where nothing was, or it was altered since."""
    try:
        noted = json.loads((folder / ABOUT).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    # An older Graftwork noted no sha256.
    return noted if isinstance(noted, dict) and (SEAL not in noted or is_unaltered(noted)) else None
