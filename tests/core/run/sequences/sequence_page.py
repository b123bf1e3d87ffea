"""The tables of docs/results/sequences.md, made of the measured cells; what stands around them is written by hand."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence

from graftwork.core.studies.tables import markdown_table

from ....support.paths import ROOT
from .sequence_cells import MEMORIES, SCENARIOS, SETS, STRENGTHS, Cell, Line

PAGE = ROOT / "docs" / "results" / "sequences.md"
NAMES = {
    "plain": "plain fine-tuning",
    "ewc_separate": "EWC, separate",
    "ewc_online": "EWC, online",
    "synaptic_intelligence": "synaptic intelligence",
    "lwf": "LwF",
    "l2_start": "decay to the start",
    "joint": "joint (bound)",
    "separate": "an adapter a task (bound)",
}
#: Two-sided 5 % of Student's t with four degrees of freedom.
T_95 = 2.776


def write_tables(lines: Mapping[Cell, Line]) -> None:
    """Between the marks of the page; a part that is not measured is left out."""
    text = PAGE.read_text(encoding="utf-8")
    for scenario in SCENARIOS:
        for of in SETS:
            mark = f"{of} {scenario}"
            made = "\n\n".join(_tables(lines, of, scenario)) or "Not measured yet."
            text = re.sub(
                rf"(<!-- {mark} -->\n).*?(<!-- end -->)",
                lambda found, made=made: f"{found[1]}{made}\n{found[2]}",
                text,
                flags=re.DOTALL,
            )
    PAGE.write_text(text, encoding="utf-8")


def chosen(lines: Mapping[Cell, Line], of: str, scenario: str, method: str) -> Line | None:
    """The strength that was best on the first tasks' validation items; among equals the greatest."""
    measured = [lines.get(Cell(of, scenario, method, float(one))) for one in STRENGTHS[method]]
    found = [one for one in measured if one is not None]
    if len(found) < len(measured):
        return None
    return max(found, key=lambda one: (statistics.fmean(one.selection), one.strength))


def _tables(lines: Mapping[Cell, Line], of: str, scenario: str) -> Iterator[str]:
    plain = lines.get(Cell(of, scenario, "plain"))
    if plain is None:
        return
    rows = []
    for name, line in _rows(lines, of, scenario):
        differences = (
            ["", ""]
            if line is plain or not line.forgetting
            else [
                _difference(line.forgetting, plain.forgetting),
                _difference(line.learning, plain.learning),
            ]
        )
        rows.append([name, *map(_score, (line.average, line.learning, line.forgetting)), *differences])
    headers = ["method", "average", "just after learning", "forgetting", "forgetting − plain", "learning − plain"]
    yield markdown_table(headers, rows)
    curves = []
    for method, strengths in STRENGTHS.items():
        best = chosen(lines, of, scenario, method)
        for strength in strengths:
            line = lines.get(Cell(of, scenario, method, float(strength)))
            if line is not None:
                said = f"{strength:g}" + (" (chosen)" if best is line else "")
                figures = (line.selection, line.average, line.learning, line.forgetting)
                curves.append([NAMES[method], said, *map(_score, figures)])
    if curves:
        headers = ["method", "strength", "first three tasks, val", "average", "just after learning", "forgetting"]
        yield markdown_table(headers, curves)


def _rows(lines: Mapping[Cell, Line], of: str, scenario: str) -> Iterator[tuple[str, Line]]:
    for method in ("plain", *STRENGTHS):
        line = lines.get(Cell(of, scenario, method)) if method == "plain" else chosen(lines, of, scenario, method)
        if line is not None:
            yield NAMES[method] + (f", strength {line.strength:g}" if line.strength else ""), line
    for memory in MEMORIES:
        if (line := lines.get(Cell(of, scenario, "replay", float(memory)))) is not None:
            yield f"replay, {memory} items", line
    for method in ("joint", "separate"):
        if (line := lines.get(Cell(of, scenario, method))) is not None:
            yield NAMES[method], line


def _score(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):.4f} ± {statistics.stdev(values):.4f}" if values else "—"


def _difference(values: Sequence[float], others: Sequence[float]) -> str:
    """Paired by seed: the mean with its 95 % interval by Student's t."""
    each = [one - other for one, other in zip(values, others, strict=True)]
    mean, half = statistics.fmean(each), T_95 * statistics.stdev(each) / math.sqrt(len(each))
    return f"{mean:+.4f} ({mean - half:+.4f} to {mean + half:+.4f})"
