"""What a run over tasks learnt and forgot. Light: no torch."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ..run.measured import task_rows
from ..storage.result_parts import TaskSequence
from .blocks import Block, Cell, Chart, Lines, Part, Section, Table, row
from .charts import lines_chart
from .read_run import ReportedRun


def task_parts(run: ReportedRun) -> list[Part]:
    """The accuracy matrix with its figures; nothing of a run over one task."""
    found = run.result.tasks
    if found is None:
        return []
    same = all(order == found.orders[0] for order in found.orders)
    seed = 0 if same else list(run.result.seeds).index(run.result.saved_seed)
    matrix = _mean(found) if same else found.matrix[seed]
    of = "mean over the seeds" if same else f"seed {run.result.saved_seed}: each seed has an order of its own"
    names = list(found.orders[seed])
    steps = [f"after {name}" for name in names] if len(matrix) > 1 else ["all at once"]
    rows = [row(step, *map(_cell, of_step)) for step, of_step in zip(steps, matrix, strict=True)]
    metric = f"{run.result.metric} on {run.result.test_on}"
    caption = f"{metric} of each task (column) after each was learnt (row), {of}"
    figures = Table("Over the tasks", ["figure", "mean ± s.d."], [row(*one) for one in task_rows(run.result)])
    how = f"{len(names)} tasks, {found.scenario}-incremental, trained {found.training}, order {found.order}."
    lines = [how, *(f"No {name} figure: {why}." for name, why in found.undefined.items())]
    blocks: list[Block] = [Lines(lines), figures, Table(caption, ["state", *names], rows, sortable=False, matrix=True)]
    return [Section("Tasks", [*blocks, *_curves(matrix, names, metric)])]


def _mean(found: TaskSequence) -> list[list[float | None]]:
    """Over the seeds; what one of them cannot answer none can."""
    return [
        [
            None if None in one else statistics.fmean(value for value in one if value is not None)
            for one in zip(*step, strict=True)
        ]
        for step in zip(*found.matrix, strict=True)
    ]


def _cell(value: float | None) -> Cell:
    return Cell("", -1.0) if value is None else Cell(f"{value:.3f}", value, min(max(value, 0.0), 1.0))


def _curves(matrix: Sequence[Sequence[float | None]], names: Sequence[str], metric: str) -> list[Chart]:
    """Each task as others are learnt after it."""
    if len(matrix) < 2:
        return []
    known = {
        name: [(float(step), at) for step, row in enumerate(matrix, 1) if (at := row[task]) is not None]
        for task, name in enumerate(names)
    }
    drawn = {name: ([step for step, _ in one], [at for _, at in one]) for name, one in known.items() if len(one) > 1}
    if not drawn:
        return []
    said = "; ".join(f"{name}: {', '.join(f'{at:.3f}' for at in one)}" for name, (_, one) in drawn.items())
    return [Chart("Each task while others are learnt", said, lines_chart({metric: drawn}, "tasks learnt"))]
