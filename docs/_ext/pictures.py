"""Pictures of the documentation that are drawn here: `python docs/_ext/pictures.py` writes them anew; a test compares.

SVG by hand, without scripts or fonts of their own; readable on a light page and on a dark one.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "pictures"
#: Frozen, trained, and what is neither: fill and line.
FROZEN, TRAINED, PLAIN = ("#dbe7f5", "#37618f"), ("#fbe3c8", "#a85d00"), ("#eeeeee", "#666666")
Colours = tuple[str, str]


def box(x: float, y: float, width: float, height: float, lines: Iterable[str], colours: Colours) -> str:
    """A box with centred lines."""
    fill, stroke = colours
    said = list(lines)
    first = y + height / 2 - 8 * (len(said) - 1) + 5
    text = "".join(
        f'<text x="{x + width / 2:g}" y="{first + 16 * number:g}" text-anchor="middle">{escape(line)}</text>'
        for number, line in enumerate(said)
    )
    place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
    return f'<rect {place} rx="6" fill="{fill}" stroke="{stroke}"/>{text}'


def arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    """A line with a head."""
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="#666666" marker-end="url(#head)"/>'


def picture(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    """The whole file; ``title`` is what a screen reader says."""
    head = (
        '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#666666"/></marker>'
    )
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" font-family="sans-serif" font-size="13" fill="#222222">\n<title>{escape(title)}</title>\n'
        f'<defs>{head}</defs>\n<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def pipeline() -> str:
    """The sections of a spec, in the order in which data flows."""
    stages: list[tuple[str, str, Colours]] = [
        ("dataset", "items, splits", PLAIN),
        ("captioner", "texts of pictures", FROZEN),
        ("encoder", "vectors, stored", FROZEN),
        ("graph", "who hears whom", PLAIN),
        ("adapter", "the graft", TRAINED),
        ("task", "head and metrics", TRAINED),
        ("result.json", "figures, provenance", PLAIN),
    ]
    parts = []
    for number, (name, does, colours) in enumerate(stages):
        x = 16 + 136 * number
        parts.append(box(x, 24, 118, 56, (name, does), colours))
        if number:
            parts.append(arrow(x - 18, 52, x - 2, 52))
    parts += [
        box(16, 104, 118, 26, ("frozen",), FROZEN),
        box(152, 104, 118, 26, ("trained",), TRAINED),
        '<text x="288" y="122">captioner and graph may be left out; epochs and values are chosen on validation</text>',
    ]
    return picture(966, 146, "A pipeline: data set, captioner, encoder, graph, adapter, task, result", parts)


def towers() -> str:
    """Two frozen towers in lock-step, an adapter where they meet."""
    parts = [box(16, 20, 96, 40, ("picture",), PLAIN), box(16, 150, 96, 40, ("text",), PLAIN)]
    for number in range(3):
        x = 144 + 214 * number
        parts += [
            arrow(x - 30, 40, x - 2, 40),
            arrow(x - 30, 170, x - 2, 170),
            box(x, 16, 96, 48, ("block", f"{number + 1} of 3"), FROZEN),
            box(x, 146, 96, 48, ("blocks", f"{2 * number + 1}, {2 * number + 2} of 6"), FROZEN),
            box(x + 116, 84, 68, 42, ("meeting", str(number + 1)), TRAINED),
            arrow(x + 90, 66, x + 122, 82),
            arrow(x + 90, 144, x + 122, 128),
            arrow(x + 178, 82, x + 194, 42),
            arrow(x + 178, 128, x + 194, 168),
            f'<line x1="{x + 96}" y1="40" x2="{x + 214}" y2="40" stroke="#666666"/>',
            f'<line x1="{x + 96}" y1="170" x2="{x + 214}" y2="170" stroke="#666666"/>',
        ]
    parts += [
        box(786, 84, 100, 42, ("head",), TRAINED),
        '<polyline points="784,40 836,40 836,82" fill="none" stroke="#666666" marker-end="url(#head)"/>',
        '<polyline points="784,170 836,170 836,128" fill="none" stroke="#666666" marker-end="url(#head)"/>',
    ]
    title = "Two frozen towers advance together; at each meeting an adapter hears both states and adds to each"
    return picture(902, 210, title, parts)


PICTURES = {"pipeline.svg": pipeline, "towers.svg": towers}


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        (FOLDER / name).write_text(draw(), "utf-8")


if __name__ == "__main__":
    main()
