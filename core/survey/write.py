"""A drafted spec and its page, written beside each other; nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

from ..storage.files import write_whole
from ..storage.run_folder import write_json
from .draft import Draft
from .readme import FIRST, readme


def place_of(path: Path) -> Path:
    """Where the spec of data at ``path`` goes where nothing is said: into the folder, or beside the file."""
    return (path if path.is_dir() else path.parent) / "spec.json"


def write_draft(made: Draft, spec: Path) -> tuple[Path, Path]:
    """The two files. Raises ``StorageError`` where they cannot be written."""
    page = _page(spec)
    write_json(spec, made.value)
    write_whole(page, readme(made, spec).encode())
    return spec, page


def _page(spec: Path) -> Path:
    """``README.md``; where somebody else's is there, ``spec.md``."""
    usual = spec.with_name("README.md")
    return usual if not usual.exists() or _is_ours(usual) else spec.with_suffix(".md")


def _is_ours(page: Path) -> bool:
    try:
        with page.open("rb") as file:
            return file.read(len(FIRST)) == FIRST.encode()
    except OSError:
        return False
