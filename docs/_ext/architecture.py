"""The architecture as a picture: a row a layer of core's import contract, a box a folder and its docstring.

Run as a script it writes the README's Mermaid block anew (`make architecture`). On the site the block becomes an SVG:
Mermaid itself is a script that a page would fetch from elsewhere.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]
CONTAINER = "graftwork.core"
BLOCK = re.compile(r"(?<=^```mermaid\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)
#: Its sections have the folders' names.
PAGE = "docs/architecture"
#: Characters a line in a box of the Mermaid block.
COLUMNS = 40
#: Boxes as wide as their lines.
SETTINGS = '%%{init: {"flowchart": {"wrappingWidth": 420, "rankSpacing": 28, "nodeSpacing": 24}}}%%'
#: Pixels of the SVG: the whole width, between boxes, from a box's edge to its text, a line of text, a character.
WIDTH, GAP, PAD, LINE, CHARACTER = 760, 22, 12, 17, 7.0


class Box(NamedTuple):
    """A folder of core, or a module that stands beside the folders."""

    name: str
    #: As its path ends: ``data/``, ``events.py``.
    path: str
    #: The first sentence of its docstring.
    text: str


def rows() -> list[list[Box]]:
    """The layers of the contract, the command line first; boxes of one row do not import each other."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract.get("containers") == [CONTAINER])
    return [[_box(name.strip()) for name in layer.split("|")] for layer in layers]


def _box(name: str) -> Box:
    folder = ROOT / "core" / name
    module = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    said = ast.get_docstring(ast.parse(module.read_text("utf-8"))) or ""
    sentence = " ".join(said.split("\n\n")[0].split()).split(". ")[0].rstrip(".").replace("`", "'")
    return Box(name, f"{name}/" if folder.is_dir() else module.name, sentence)


def mermaid() -> str:
    """What stands in the README: from the bottom to the top, the way of the data."""
    lines, above = [SETTINGS, "flowchart BT"], ""
    for number, row in enumerate(rows()):
        boxes = [f'{_id(box.name)}["{_label(box)}"]' for box in row]
        here = f"row{number}" if len(row) > 1 else _id(row[0].name)
        lines += (
            [f'subgraph {here}[" "]', *boxes, "end", f"style {here} fill:none,stroke:none"] if len(row) > 1 else boxes
        )
        lines += [f"{here} --> {above}"] if above else []
        above = here
    return "\n".join(lines) + "\n"


def _id(name: str) -> str:
    """``graph`` is a word of Mermaid's own."""
    return f"core_{name}"


def _label(box: Box) -> str:
    return "<br>".join([f"<b>{box.path}</b>", *wrap(box.text, COLUMNS)])


def svg(page: str) -> str:
    """The same as SVG text in the colours of the theme; ``page`` is the address that boxes link to sections of."""
    drawn, top = [], 1.0
    for row in rows():
        width = (WIDTH - GAP * (len(row) - 1)) / len(row)
        texts = [wrap(box.text, int((width - 2 * PAD) / CHARACTER)) for box in row]
        height = 2 * PAD + LINE * (1 + max(map(len, texts)))
        if top > 1:
            drawn.append(f'<path class="arrow" d="M{WIDTH / 2} {top - 2}v{6 - GAP}" marker-end="url(#arrow)"/>')
        for number, (box, text) in enumerate(zip(row, texts, strict=True)):
            drawn += _drawn(box, text, number * (width + GAP), top, width, height, f"{page}#{box.name}")
        top += height + GAP
    return (
        f'<svg class="architecture" role="img" viewBox="-1 0 {WIDTH + 2} {top - GAP + 1}">{HEAD}{"".join(drawn)}</svg>'
    )


def _drawn(box: Box, text: list[str], x: float, y: float, width: float, height: float, link: str) -> Iterator[str]:
    yield f'<a href="{link}"><rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>'
    yield f'<text class="name" x="{x + PAD:g}" y="{y + PAD + 12:g}">{escape(box.path)}</text>'
    for number, line in enumerate(text, 1):
        yield f'<text x="{x + PAD:g}" y="{y + PAD + 12 + LINE * number:g}">{escape(line)}</text>'
    yield "</a>"


HEAD = """<title>The folders of core in the order of the data</title><style>
.architecture { width: 100%; max-width: 760px; font-size: 13px; margin: 1em 0 }
.architecture rect { fill: var(--color-background-secondary); stroke: var(--color-background-border) }
.architecture a:hover rect { stroke: var(--color-brand-primary) }
.architecture a { text-decoration: none }
.architecture text { fill: var(--color-foreground-primary) }
.architecture .name { font: bold 14px var(--font-stack--monospace); fill: var(--color-brand-primary) }
.architecture .arrow { fill: none; stroke: var(--color-foreground-muted); stroke-width: 1.5 }
.architecture marker path { fill: var(--color-foreground-muted) }
</style><marker id="arrow" viewBox="0 0 8 8" refX="5" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0 8 4 0 8z"/></marker>"""


class Drawing(SphinxDirective):
    """A Mermaid block on the site; it must be the one that the contract gives."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """The SVG in its place."""
        if "\n".join(self.content) != mermaid().rstrip("\n"):
            raise self.error("The drawing is not what the import contract gives. Run `make architecture`.")
        page = self.env.app.builder.get_relative_uri(self.env.docname, PAGE)
        return [nodes.raw("", svg(page), format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """For the fences of MyST."""
    app.add_directive("mermaid", Drawing)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(BLOCK.sub(lambda _: mermaid(), readme.read_text("utf-8")), "utf-8")
