"""Links into the repository: to a file that is no page, by a page with its text; to a folder, by its README."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments.lexers import find_lexer_class_for_filename
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform

FOLDER = "source"


class FolderLinks(SphinxTransform):
    """A link to a folder means its README, as where repositories are browsed; MyST says so where there is none."""

    default_priority = 400

    def apply(self, **keywords: Any) -> None:
        """Of one page, when it is read."""
        for link in self.document.findall(addnodes.pending_xref):
            _, path = self.env.relfn2path(link["reftarget"], self.env.docname)
            readme = self.env.path2doc(Path(path) / "README.md")
            if link["reftype"] == "myst" and readme in self.env.found_docs:
                link.attributes |= {"refdomain": "doc", "reftarget": readme, "reftargetid": None}


def setup(app: Sphinx) -> dict[str, bool]:
    """MyST makes a download of a link to a file that is no page, and reports one to nothing."""
    app.add_transform(FolderLinks)
    app.connect("doctree-resolved", _link)
    app.connect("html-collect-pages", _pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _link(app: Sphinx, document: nodes.document, docname: str) -> None:
    for link in list(document.findall(addnodes.download_reference)):
        path, _ = app.env.relfn2path(link["reftarget"], docname)
        uri = app.builder.get_relative_uri(docname, f"{FOLDER}/{path}")
        link.replace_self(nodes.reference("", "", *link.children, internal=True, refuri=uri))


def _pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    for path in map(str, app.env.dlfiles):
        try:
            text = Path(app.srcdir, path).read_text("utf-8")
        except UnicodeDecodeError:
            raise ExtensionError(f"{path} is no text and has no page: name it without a link") from None
        lexer = find_lexer_class_for_filename(path)
        code = app.builder.highlighter.highlight_block(text, lexer.aliases[0] if lexer else "text")
        yield f"{FOLDER}/{path}", {"title": path, "body": f"<h1>{escape(path)}</h1>{code}"}, "page.html"
