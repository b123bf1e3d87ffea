"""Charts as SVG inside a page: text stays text, and takes the colour of the page around it."""

from __future__ import annotations

import io
import itertools
import math
import re
import warnings
from collections.abc import Mapping, Sequence

from ...registry.errors import MissingExtra
from .figures_of_answers import Bin

try:
    from matplotlib import rc_context
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError:
    raise MissingExtra('a report draws its charts by matplotlib: pip install "graftwork[charts]"') from None

#: Each is at least 3:1 against white and against the dark page; marks and dashes tell them apart, too.
COLOURS = ("#2f7fc1", "#c2620e", "#2a8a4a", "#8a63c9", "#a8507d", "#7a7a20")
MARKS, DASHES = "os^Dvx", ("-", "--", ":", "-.", (0, (5, 1)), (0, (1, 3)))
#: Stands for the page's own colour until the drawing is text.
_INK = "#010203"
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "graftwork",
    "text.parse_math": False,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _INK,
    "legend.framealpha": 0.0,
    "legend.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 10.0,
    "font.family": "sans-serif",
}
_HEAD = re.compile(r"^.*?(?=<svg)|<metadata>.*?</metadata>|<!--.*?-->| xmlns(?::xlink)?=\"[^\"]*\"", re.DOTALL)
_numbers = itertools.count(1)


def svg_of(figure: Figure) -> str:
    """The drawing as an ``svg`` element that names no address, whose ids no other drawing has."""
    content = io.StringIO()
    with rc_context(_STYLE), warnings.catch_warnings():  # type: ignore[arg-type]
        warnings.filterwarnings("ignore", message="Glyph")  # the reader's fonts draw it, not ours
        figure.savefig(content, format="svg", metadata={"Date": None})
    text, own = _HEAD.sub("", content.getvalue()), f"c{next(_numbers)}-"
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{own}", text)
    text = text.replace(_INK, "currentColor").replace("xlink:href", "href")
    return text.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)


def _panels(count: int, height: float = 3.0) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(4.4 * count, height), layout="constrained")
    panels = list(figure.subplots(1, count, squeeze=False)[0])
    for panel in panels:
        panel.grid(alpha=0.2)
    return figure, panels


def lines_chart(
    panels: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]], along: str, kept: Sequence[int] = ()
) -> str:
    """A panel a title: name to its x and y. ``kept``: an x that is marked on each line, in their order."""
    with rc_context(_STYLE):  # type: ignore[arg-type]
        figure, axes = _panels(len(panels))
        for panel, (title, lines) in zip(axes, panels.items(), strict=True):
            for number, (name, (x, y)) in enumerate(lines.items()):
                colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
                mark = MARKS[number % len(MARKS)] if len(x) <= 30 else None
                panel.plot(x, y, color=colour, linestyle=dash, marker=mark, markersize=4, label=name)
                if number < len(kept) and kept[number] in x:
                    at = list(x).index(kept[number])
                    panel.plot([x[at]], [y[at]], "o", color=colour, fillstyle="none", markersize=9)
            panel.set(xlabel=along, ylabel=title)
            if len(lines) > 1:
                panel.legend(fontsize=8)
        return svg_of(figure)


def reliability_chart(bins: Sequence[Bin]) -> str:
    """Accuracy against confidence, and how many answers are as confident."""
    with rc_context(_STYLE):  # type: ignore[arg-type]
        figure, (reliability, counts) = _panels(2)
        reliability.plot([0, 1], [0, 1], ":", color=_INK, label="as confident as right")
        x, y = [one.confidence for one in bins], [one.right for one in bins]
        reliability.plot(x, y, "-o", color=COLOURS[0], markersize=5, label="answers")
        reliability.set(xlabel="confidence", ylabel="right", xlim=(0, 1.02), ylim=(0, 1.02))
        reliability.legend(fontsize=8)
        counts.bar(x, [one.count for one in bins], width=0.04, color=COLOURS[0])
        counts.set(xlabel="confidence", ylabel="answers", xlim=(0, 1.02))
        return svg_of(figure)


def histogram_chart(values: Sequence[int], along: str, upwards: str) -> str:
    """How often each value, or each range of them, is there."""
    with rc_context(_STYLE):  # type: ignore[arg-type]
        figure, (panel,) = _panels(1)
        least, most = min(values), max(values)
        bins = [one - 0.5 for one in range(least, most + 2)] if most - least < 40 else 40
        panel.hist(values, bins=bins, color=COLOURS[0], rwidth=0.9)
        panel.set(xlabel=along, ylabel=upwards)
        return svg_of(figure)


def neighbourhood_chart(
    centre: str,
    label: str | None,
    neighbours: Sequence[tuple[str, str | None, float]],
    joined: Sequence[tuple[int, int]],
) -> str:
    """An item in the middle and those it heard around it (name, class, cosine), the nearer the more alike.

    Circles have the item's class, squares another, triangles none that training saw; ``joined`` are pairs of neighbours
    that the graph joins.
    """
    with rc_context(_STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(6.4, 4.6), layout="constrained")
        panel = figure.subplots()
        cosines = [cosine for _, _, cosine in neighbours]
        low, high = min(cosines), max(cosines)
        places = []
        for number, (_, _, cosine) in enumerate(neighbours):
            angle = math.pi / 2 + 2 * math.pi * number / len(neighbours)
            far = 1.0 - 0.45 * ((cosine - low) / (high - low) if high > low else 0.5)
            places.append((far * math.cos(angle) * 1.5, far * math.sin(angle)))
        for one, other in joined:
            panel.plot(*zip(places[one], places[other], strict=True), color=_INK, alpha=0.35, linewidth=1, zorder=1)
        for (x, y), (name, own, cosine) in zip(places, neighbours, strict=True):
            same = own is not None and own == label
            mark, colour = ("^", _INK) if own is None else ("o", COLOURS[0]) if same else ("s", COLOURS[1])
            panel.plot([0, x], [0, y], color=colour, linewidth=1.4, zorder=1)
            panel.plot([x], [y], mark, color=colour, markersize=11, zorder=2)
            words = f"{_short(name)}\n{_short(own or 'unlabelled')}, {cosine:.3f}"
            panel.annotate(
                words, (x, y), (0, 9 if y >= 0 else -26), textcoords="offset points", ha="center", fontsize=8
            )
        panel.plot([0], [0], "*", color=COLOURS[3], markersize=17, zorder=3)
        panel.annotate(_short(centre), (0, 0), (10, -14), textcoords="offset points", fontsize=9)
        panel.set(xlim=(-2.1, 2.1), ylim=(-1.35, 1.35))
        panel.set_axis_off()
        return svg_of(figure)


def _short(text: str, most: int = 26) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"
