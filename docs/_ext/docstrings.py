"""Docstrings as they are written here, in the reStructuredText that Sphinx reads.

`One backtick` is code, as in Markdown; a block that is indented under a paragraph is an example; sections are Google's.
"""

from __future__ import annotations

import re

from sphinx.application import Sphinx
from sphinx.ext.napoleon.docstring import GoogleDocstring

_CODE = re.compile(r"(?<![`:\\])`(?!`)((?:[^`\n]|\n(?!\s*\n))+)`(?!`)")
#: Of anything else the words before a colon would be taken for its type.
_WITH_SECTIONS = {"class", "exception", "function", "method"}


def setup(app: Sphinx) -> dict[str, bool]:
    """On every docstring that autodoc reads."""
    app.connect("autodoc-process-docstring", _restructure)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _restructure(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    text = restructured("\n".join(lines))
    lines[:] = GoogleDocstring(text).lines() if what in _WITH_SECTIONS else text.split("\n")


def restructured(text: str) -> str:
    """Code and examples in reStructuredText."""
    blocks: list[str] = []
    for block in re.split(r"\n\s*\n", _CODE.sub(r"``\1``", text)):
        if block.startswith(" ") and not blocks[-1].startswith(" "):
            blocks.append("::")
        blocks.append(block)
    return "\n\n".join(blocks)
