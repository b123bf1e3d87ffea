"""What a third party's code is, by content: part of every key under which its outputs are kept."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

_OURS = __name__.partition(".")[0]


def source_digest(module: str) -> str | None:
    """sha256 (16 hex digits) over the Python files of the package that ``module`` is of, tests among them.

    ``None`` for Graftwork's own, whose components have versions and are released together, and without any file.
    """
    package = module.partition(".")[0]
    found = sys.modules.get(package)
    if package == _OURS or found is None:
        return None
    folders = [Path(folder) for folder in getattr(found, "__path__", ())]
    files = sorted((path.relative_to(folder).as_posix(), path) for folder in folders for path in folder.rglob("*.py"))
    if not folders and getattr(found, "__file__", None):
        files = [(package, Path(str(found.__file__)))]
    digest = hashlib.sha256()
    for name, path in files:
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16] if files else None
