"""Charts, by matplotlib's own objects: no global state, no display. Imported only where one is drawn."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from ..run.measured import Measured
from ..storage.files import write_whole
from .compare_report import Comparison
from .sweep import Point, Sweep
from .tables import label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: A value axis spanning more than this many times its smallest value is logarithmic.
WIDE = 50.0


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """``stem.png`` and ``stem.svg``, whole or not at all; the same figure gives the same bytes."""
    written = []
    for suffix, about in (("png", {"Software": None}), ("svg", {"Date": None})):
        content, path = io.BytesIO(), stem.with_name(f"{stem.name}.{suffix}")
        with rc_context({"svg.hashsalt": "graftwork"}):
            figure.savefig(content, format=suffix, dpi=150, metadata=about)
        write_whole(path, content.getvalue())
        written.append(path)
    return written


def sweep_figure(sweep: Sweep) -> Figure:
    """Score against the first swept value, a line for each combination of the others; the graph's edges beside it.

    Beside these, where the results have them: the share of edges that join one class (solid), and the neighbours' share
    in each message of the adapter (dashed, dotted).

    Solid lines are the test split, dashed ones the selection split; bars are standard deviations over the seeds. The
    point that validation chose is ringed.
    """
    first, *others = sweep.grid
    axis = _Axis(sweep.grid[first])
    lines: dict[str, list[Point]] = {}
    for point in sweep.points:
        if point.measured:
            key = ", ".join(f"{name.rpartition('.')[2]} {label(point.values[name])}" for name in others)
            lines.setdefault(key, []).append(point)
    with_edges = any(point.measured and point.measured.edges is not None for point in sweep.points)
    with_shares = any(point.measured and _shares_of(point.measured) for point in sweep.points)
    count = 1 + with_edges + with_shares
    figure = Figure(figsize=(2.5 + 4 * count, 4.2), layout="constrained")
    panels = figure.subplots(1, count, squeeze=False)[0]
    for number, (name, points) in enumerate(lines.items()):
        _score_lines(panels[0], axis, first, points, name, f"C{number}")
        if with_edges:
            _edge_line(panels[1], axis, first, points, name, f"C{number}")
        if with_shares:
            _share_lines(panels[-1], axis, first, points, name, f"C{number}")
    _ring(panels[0], axis, first, sweep.chosen)
    metric = next(point.measured.metric for point in sweep.points if point.measured)
    for panel, title in zip(panels, _titles(metric, with_edges, with_shares), strict=False):
        axis.dress(panel, first)
        panel.set_ylabel(title)
        panel.grid(alpha=0.3)
        panel.legend(fontsize="small")
    figure.suptitle(f"{sweep.name}: mean ± s.d. over {_seeds(sweep)} seeds")
    return figure


def compare_figure(comparison: Comparison) -> Figure:
    """A row a run: test score with its standard deviation, trainable parameters, seconds of a training, peak memory."""
    found = [entry.measured for entry in comparison.entries]
    rows = range(len(found))
    figure = Figure(figsize=(11.0, 1.4 + 0.4 * len(found)), layout="constrained")
    scores, *costs = figure.subplots(1, 4, sharey=True, width_ratios=(2, 1, 1, 1))
    means, deviations = [one.test.mean for one in found], [one.test.std for one in found]
    columns = comparison.columns
    for letter, entries in columns.items():
        own = [row for row in rows if comparison.entries[row] in entries]
        said = f"{entries[0].measured.metric} ({letter})" if len(columns) > 1 else None
        scores.errorbar(
            [means[row] for row in own], own, xerr=[deviations[row] for row in own], fmt="o", capsize=4, label=said
        )
    if len(columns) > 1:
        scores.legend(fontsize="small", title="not comparable")
    scores.set_yticks(rows, [entry.name for entry in comparison.entries])
    scores.set_ylim(len(found) - 0.5, -0.5)
    scores.grid(axis="x", alpha=0.3)
    scores.set_xlabel(f"test {' / '.join(dict.fromkeys(one.metric for one in found))}, ± s.d.")
    _bars(costs[0], "trainable parameters", [one.trainable for one in found], "{:,.0f}")
    _bars(costs[1], "seconds a training", [one.seconds for one in found], "{:.3g}")
    _bars(costs[2], "peak MB", [one.peak_memory_mb for one in found], "{:,.0f}")
    return figure


def _bars(panel: Axes, title: str, values: Sequence[float], style: str) -> None:
    bars = panel.barh(range(len(values)), values, height=0.5, color="C7")
    panel.bar_label(bars, [style.format(value) for value in values], padding=3, fontsize="small")
    panel.set_xlabel(title)
    panel.set_xlim(0, 1.45 * max(values) or 1)  # room for the figures
    panel.set_xticks([])


def _score_lines(panel: Axes, axis: _Axis, first: str, points: Sequence[Point], name: str, colour: str) -> None:
    x = [axis.place(point.values[first]) for point in points]
    for split, style in (("test", "-o"), ("val", "--s")):
        scores = [getattr(point.measured, split) for point in points]
        if None in scores:
            continue
        panel.errorbar(
            x,
            [score.mean for score in scores],
            [score.std for score in scores],
            fmt=style,
            color=colour,
            alpha=1.0 if split == "test" else 0.5,
            markersize=4,
            capsize=3,
            label=f"{name} {split}".strip() + (" (selects)" if split == "val" else ""),
        )


def _edge_line(panel: Axes, axis: _Axis, first: str, points: Sequence[Point], name: str, colour: str) -> None:
    edges = [(axis.place(one.values[first]), one.measured.edges) for one in points if one.measured]
    known = [(x, count) for x, count in edges if count is not None]
    panel.plot(*zip(*known, strict=True), "-o", color=colour, markersize=4, label=name or "mean over the seeds")
    counts = [count for _, count in known]
    if min(counts) > 0 and max(counts) / min(counts) > WIDE:
        panel.set_yscale("log")


def _titles(metric: str, with_edges: bool, with_shares: bool) -> list[str]:
    return [metric, *["edges of the support graph"] * with_edges, *["share"] * with_shares]


def _shares_of(found: Measured) -> dict[str, float]:
    """What is drawn to its share: edges that join one class, and neighbours by message."""
    joined = {} if found.one_class is None else {"edges of one class": found.one_class}
    return joined | {f"neighbours in {name}": share for name, share in (found.neighbour_shares or {}).items()}


def _share_lines(panel: Axes, axis: _Axis, first: str, points: Sequence[Point], name: str, colour: str) -> None:
    shares = [(axis.place(one.values[first]), _shares_of(one.measured)) for one in points if one.measured]
    whats = dict.fromkeys(what for _, some in shares for what in some)
    for what, style in zip(whats, ("-o", "--s", ":^", "-.v"), strict=False):
        known = [(x, some[what]) for x, some in shares if what in some]
        panel.plot(*zip(*known, strict=True), style, color=colour, markersize=4, label=f"{name} {what}".strip())
    panel.set_ylim(-0.03, 1.03)


def _ring(panel: Axes, axis: _Axis, first: str, chosen: Point | None) -> None:
    if chosen is not None and chosen.measured is not None:
        place = [axis.place(chosen.values[first])], [chosen.measured.test.mean]
        panel.plot(*place, "o", color="black", fillstyle="none", markersize=11, label="chosen on val")


def _seeds(sweep: Sweep) -> str:
    return "/".join(sorted({str(len(one.measured.test.per_seed)) for one in sweep.points if one.measured}))


class _Axis:
    """Where swept values stand: numbers at their value, anything else at its index, named."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = list(values)
        self.numeric = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)

    def place(self, value: Any) -> float:
        return float(value) if self.numeric else float(self.values.index(value))

    def dress(self, panel: Axes, name: str) -> None:
        panel.set_xlabel(name)
        if not self.numeric:
            panel.set_xticks(range(len(self.values)), [label(value) for value in self.values], rotation=20, ha="right")
        elif min(self.values) > 0 and max(self.values) / min(self.values) > WIDE:
            panel.set_xscale("log")
