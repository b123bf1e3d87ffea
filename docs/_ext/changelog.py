"""The changelog's page with the fragments of the next release under it."""

from __future__ import annotations

from pathlib import Path

from sphinx.application import Sphinx

PAGE, FRAGMENTS = "CHANGELOG", "docs/changes"


def setup(app: Sphinx) -> dict[str, bool]:
    """Read anew in every build, since fragments come and go."""
    app.connect("env-get-outdated", lambda *_: [PAGE])
    app.connect("source-read", _append)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _append(app: Sphinx, docname: str, source: list[str]) -> None:
    if docname == PAGE:
        names = sorted(path.name for path in Path(app.srcdir, FRAGMENTS).glob("*.md"))
        # Links of a fragment start at its folder.
        shown = [f"```{{include}} {FRAGMENTS}/{name}\n:relative-docs: ..\n```" for name in names]
        source[0] += "\n\n".join(["\n\n## Next release", *shown])
