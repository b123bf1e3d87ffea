"""Every stored byte held against the sha256 that it was stored under."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..files import sha256_of
from .inventory import folders, index_files, index_of, own_files, require_store
from .namespace import ABOUT, read_about


@dataclass(frozen=True, slots=True)
class Verified:
    """What ``verify`` found."""

    files: int
    bytes: int
    #: Files that are torn or altered, or cannot be read, with why.
    altered: dict[Path, str]
    #: Those that were removed.
    removed: tuple[Path, ...]


def verify(
    root: Path, *, remove: bool = False, progress: Callable[[int, int], None] = lambda done, of: None
) -> Verified:
    """Read all of a store again; with ``remove`` what is not whole goes, and is made anew by the next run.

    ``progress(files, of all)``. Raises ``UserError`` for a folder that is no store.
    """
    require_store(root)
    found = [(folder, path, status.st_size) for folder in folders(root) for path, status in own_files(folder)]
    altered: dict[Path, str] = {}
    removed: list[Path] = []
    for number, (folder, path, _) in enumerate(found, 1):
        if why := _why_altered(path):
            altered[path] = why
            if remove:
                with contextlib.suppress(OSError):
                    path.unlink()
                    removed.append(path)
            for index in index_files(index_of(root, folder)):
                if index.suffix == ".index":  # it may know a part of them by what they hold now
                    with contextlib.suppress(OSError):
                        index.unlink()
        progress(number, len(found))
    return Verified(len(found), sum(size for *_, size in found), altered, tuple(removed))


def _why_altered(path: Path) -> str:
    """``""`` for a whole file, and for one that was removed meanwhile."""
    try:
        if path.name == ABOUT:
            is_whole = read_about(path.parent) is not None or not os.path.lexists(path)
        else:
            is_whole = sha256_of(path) == path.name.partition(".")[0]
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return "" if is_whole else "torn or altered"
