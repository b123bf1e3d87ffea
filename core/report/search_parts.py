"""How the score depends on what was searched or swept. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from ..storage.record import Json
from ..studies.tables import label
from .blocks import Block, Cell, Chart, Lines, Missing, Part, Section, Table, number, row
from .charts import lines_chart
from .read_run import ReportedRun


def search_part(run: ReportedRun) -> Part:
    """The combinations that a search tried, and the points of the sweep that the run is one of."""
    title = "Score against what was varied"
    blocks = [*_search(run), *(_sweep(run.sweep) if run.sweep else [])]
    return Section(title, blocks) if blocks else Missing(title, "the run searched nothing, and is no point of a sweep")


def _search(run: ReportedRun) -> list[Block]:
    result = run.result
    tried = [one for one in result.tried if one.values]
    if len(tried) < 2:
        return []
    keys = list(dict.fromkeys(key for one in tried for key in one.values))
    rows = [
        row(
            str(index),
            *(_value(one.values.get(key)) for key in keys),
            Cell("failed", -1.0) if one.selection is None else number(one.selection),
            "chosen" if one.values == result.chosen else one.failure or "",
        )
        for index, one in enumerate(tried, start=1)
    ]
    headers = ["combination", *keys, f"{result.metric} on {result.select_on}", "note"]
    blocks: list[Block] = [Table("Every combination that the search tried, mean over the seeds", headers, rows)]
    for key in keys:
        best: dict[float, float] = {}
        for one in tried:
            value = one.values.get(key)
            if _is_number(value) and one.selection is not None:
                best[float(value)] = max(best.get(float(value), one.selection), one.selection)
        if len(best) > 2:
            x = sorted(best)
            y = [best[value] for value in x]
            said = "; ".join(f"{value:g}: {score:.4f}" for value, score in zip(x, y, strict=True))
            svg = lines_chart({f"{result.metric} on {result.select_on}": {"best": (x, y)}}, key)
            blocks.append(Chart(f"The best score at each value of {key}, whatever the others", said, svg))
    return blocks


def _sweep(sweep: Json) -> list[Block]:
    """Of ``sweep.json``, a file that only people read so far: what of it is no point is passed over."""
    grid, points = sweep.get("grid"), sweep.get("points")
    if not isinstance(grid, Mapping) or not isinstance(points, list) or not grid:
        return []
    keys = [str(key) for key in grid]
    rows, drawn = [], list[tuple[float, float, float | None]]()
    for point in points:
        if not isinstance(point, Mapping) or not isinstance(values := point.get("values"), Mapping):
            continue
        test, val = _mean(point, "test"), _mean(point, "val")
        cells = [_value(values.get(key)) for key in keys[1:]]
        mark = "best on validation" if point.get("chosen_on_validation") else str(point.get("failure") or "")
        first = values.get(keys[0])
        rows.append(
            [
                Cell(label(first), float(first) if _is_number(first) else None),
                *cells,
                _score(val),
                _score(test),
                Cell(mark),
            ]
        )
        if _is_number(first) and test is not None:
            drawn.append((float(first), test, val))
    note = "The test column has chosen nothing: quote the marked point's, not the highest."
    table = Table("The sweep that this run is a point of", [*keys, "validation", "test", "note"], rows)
    blocks: list[Block] = [table, Lines([note])]
    if len({x for x, _, _ in drawn}) > 1 and len(keys) == 1:
        drawn.sort()
        lines: dict[str, tuple[Sequence[float], Sequence[float]]] = {
            "test": ([x for x, _, _ in drawn], [y for _, y, _ in drawn])
        }
        selecting = [(x, val) for x, _, val in drawn if val is not None]
        if selecting:
            lines["validation (selects)"] = ([x for x, _ in selecting], [val for _, val in selecting])
        said = "; ".join(f"{x:g}: test {y:.4f}" for x, y, _ in drawn)
        metric = next((str(one["metric"]) for one in points if isinstance(one, Mapping) and "metric" in one), "score")
        blocks.append(Chart(f"{metric} against {keys[0]}", said, lines_chart({metric: lines}, keys[0])))
    return blocks


def _mean(point: Mapping[str, Any], split: str) -> float | None:
    score = point.get(split)
    mean = score.get("mean") if isinstance(score, Mapping) else None
    return float(mean) if _is_number(mean) else None


def _score(value: float | None) -> Cell:
    return Cell("–", -1.0) if value is None else number(value)


def _value(value: Any) -> Cell:
    return Cell(label(value), float(value) if _is_number(value) else None)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
