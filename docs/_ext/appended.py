"""Pages whose end is made when the site is built."""

from __future__ import annotations

from collections.abc import Callable

from sphinx.application import Sphinx


def append(app: Sphinx, page: str, text: Callable[[], str]) -> dict[str, bool]:
    """Put ``text()`` under a page, which is read anew in every build: what it shows does not stand in its own file."""

    def extend(app: Sphinx, docname: str, source: list[str]) -> None:
        if docname == page:
            source[0] += text()

    app.connect("env-get-outdated", lambda *_: [page])
    app.connect("source-read", extend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
