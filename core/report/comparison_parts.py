"""Several runs beside each other; none in a column with figures of other data or another metric. Light: no torch."""

from __future__ import annotations

from collections.abc import Sequence

from ..run.measured import measured
from ..studies.conditions import differences, reported
from ..studies.paired import Paired, pairs_of
from ..studies.settings import differing_settings
from .blocks import Block, Cell, Lines, Section, Table, count, number, row
from .read_run import ReportedRun

#: Settings that are listed.
MOST_SETTINGS = 30


def comparison_part(runs: Sequence[ReportedRun]) -> Section:
    """A table for each set of runs that report one metric on one split of the same data, paired item by item."""
    groups: dict[tuple[str, str, str], list[ReportedRun]] = {}
    for run in runs:
        groups.setdefault(reported(run.result), []).append(run)
    blocks: list[Block] = []
    if len(groups) > 1:
        why = "these runs report different metrics, splits or data: their scores stand in tables of their own"
        blocks.append(Lines([f"Not comparable in one column: {why}."], notes=True))
    for (metric, split, _), some in groups.items():
        blocks += _table(some, metric, split)
    blocks += _differences(runs)
    return Section("Side by side", blocks)


def _table(runs: Sequence[ReportedRun], metric: str, split: str) -> list[Block]:
    rows = []
    for run in runs:
        found = measured(run.result)
        scores = [
            number(found.test.mean),
            number(found.test.std) if len(found.test.per_seed) > 1 else Cell("1 seed", -1.0),
        ]
        costs = [count(found.trainable), count(found.fitted), number(found.seconds, 2), count(found.peak_memory_mb)]
        rows.append(row(run.name, *scores, *costs))
    headers = ["run", f"{split} {metric}", "s.d.", "trainable", "fitted", "seconds a training", "peak MB"]
    facts = runs[0].result.dataset
    blocks: list[Block] = [Table(f"{metric} on {split} of {facts.type} (data {facts.fingerprint[:12]})", headers, rows)]
    pairs, unpaired = pairs_of([(run.name, run.folder, run.result) for run in runs])
    if pairs:
        caption = f"Against {pairs[0].against}, item by item: difference with its 95 % interval over items and seeds"
        blocks.append(Table(caption, ["run", "difference", "low", "high", "verdict"], list(map(_pair, pairs))))
    blocks += (
        [Lines([f"Not paired item by item: {name}: {why}." for name, why in unpaired.items()])] if unpaired else []
    )
    return blocks


def _pair(one: Paired) -> list[Cell]:
    verdict = "ahead" if one.low > 0 else "behind" if one.high < 0 else "not told apart"
    figures = [Cell(f"{value:+.4f}", value) for value in (one.difference, one.low, one.high)]
    return row(one.name, *figures, verdict)


def _differences(runs: Sequence[ReportedRun]) -> list[Block]:
    blocks: list[Block] = []
    found = differences([(run.name, run.result) for run in runs])
    rows = [row(one.condition, value, ", ".join(who)) for one in found for value, who in one.values.items()]
    if rows:
        blocks.append(Table("Conditions that they do not share", ["condition", "value", "runs"], rows, sortable=False))
    else:
        blocks.append(Lines(["They share every condition."]))
    known = [run for run in runs if run.pipeline]
    settings = differing_settings(
        {run.name: run.pipeline for run in known}, {run.name: run.result.chosen for run in known}
    )
    rows = [
        row(one.condition, value, ", ".join(who))
        for one in settings[:MOST_SETTINGS]
        for value, who in one.values.items()
    ]
    if rows:
        more = f" (the first {MOST_SETTINGS} of {len(settings)})" if len(settings) > MOST_SETTINGS else ""
        blocks.append(
            Table(f"Settings in which their specs differ{more}", ["setting", "value", "runs"], rows, sortable=False)
        )
    return blocks
