"""The changelog's page with the fragments of the next release under it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from appended import append
from sphinx.application import Sphinx

FRAGMENTS = "docs/changes"


def setup(app: Sphinx) -> dict[str, bool]:
    """Fragments come and go."""
    return append(app, "CHANGELOG", partial(_fragments, Path(app.srcdir)))


def _fragments(root: Path) -> str:
    names = sorted(path.name for path in (root / FRAGMENTS).glob("*.md"))
    # Links of a fragment start at its folder.
    shown = [f"```{{include}} {FRAGMENTS}/{name}\n:relative-docs: ..\n```" for name in names]
    return "\n\n".join(["\n\n## Next release", *shown])
