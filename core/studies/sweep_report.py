"""A sweep as table (Markdown, CSV, JSON). Light: no torch, no matplotlib."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..storage.files import write_whole
from ..storage.manifest import UNSEALED, is_sealed
from ..storage.run_folder import write_json
from .conditions import Difference, differences, shared
from .tables import (
    charts,
    csv_table,
    label,
    markdown_table,
    require_own_tables,
    task_columns,
    tell_replaced,
    values_in_words,
)

if TYPE_CHECKING:
    from .sweep import Point, Sweep

NOTE = (
    "Every point is reported, validation and test; the mark is where validation is best. "
    "The test column has chosen nothing: quote the marked point's, not the highest."
)


@dataclass(frozen=True, slots=True)
class WrittenSweep:
    """A finished sweep and the files that tell of it."""

    sweep: Sweep
    folder: Path
    written: tuple[Path, ...]


def write_sweep(sweep: Sweep, out: Path) -> list[Path]:
    """Write ``sweep.json``, ``sweep.csv``, ``sweep.md`` and, where a point finished, the chart as PNG and SVG."""
    found, before = sweep_json(sweep, out), require_own_tables(out, "sweep", "points")
    tell_replaced(out, "sweep", before, frozenset(one["folder"] for one in found["points"] if one["folder"]))
    write_json(out / "sweep.json", found)
    write_whole(out / "sweep.csv", csv_table(list(_flat(sweep))).encode())
    write_whole(out / "sweep.md", sweep_markdown(sweep).encode())
    written = [out / "sweep.json", out / "sweep.csv", out / "sweep.md"]
    if any(point.measured for point in sweep.points) and (plots := charts()):
        written += plots.save_figure(plots.sweep_figure(sweep), out / "sweep")
    return written


def sweep_json(sweep: Sweep, out: Path) -> dict[str, Any]:
    """Everything as plain JSON; folders relative to ``out``."""
    results = [point.done.typed for point in sweep.points if point.done]
    return {
        "name": sweep.name,
        "note": NOTE,
        "grid": {key: list(values) for key, values in sweep.grid.items()},
        "conditions": shared(results),
        "differences": [one.to_json() for one in _differences(sweep)],
        "points": [
            {
                "values": dict(point.values),
                "chosen_on_validation": point is sweep.chosen,
                **(point.measured.to_json() if point.measured else {}),
                "searched": point.done.typed.chosen if point.done else None,
                "folder": point.done.folder.relative_to(out.absolute()).as_posix() if point.done else None,
                "failure": str(point.failure) if point.failure else None,
            }
            for point in sweep.points
        ],
    }


def sweep_table(sweep: Sweep) -> tuple[list[str], list[list[str]]]:
    """Headers and cells, a row a point."""
    metric = next((point.measured.metric for point in sweep.points if point.measured), "metric")
    tasks = dict.fromkeys(name for point in sweep.points if point.measured for name in point.measured.tasks or ())
    figures = [
        f"val {metric}",
        f"test {metric}",
        *tasks,
        "edges",
        "of one class",
        "neighbours",
        "trainable",
        "seconds",
        "epochs kept",
        "best on val",
    ]
    headers = [*sweep.grid, *figures]
    rows = []
    for point in sweep.points:
        values = [label(value) for value in point.values.values()]
        if point.measured is None:
            rows.append([*values, "failed", "failed", *[""] * (len(figures) - 2)])
            continue
        found = point.measured
        edges = "–" if found.edges is None else f"{found.edges:,.0f}"
        joined = "–" if found.one_class is None else f"{found.one_class:.1%}"
        shares = ", ".join(f"{name} {share:.1%}" for name, share in (found.neighbour_shares or {}).items())
        mark = "✔" if point is sweep.chosen else ""
        cost = [
            edges,
            joined,
            shares or "–",
            f"{found.trainable:,}",
            f"{found.seconds:.2f}",
            str(found.epochs_kept or "–"),
        ]
        of_tasks = [str((found.tasks or {}).get(name, "–")) for name in tasks]
        rows.append([*values, str(found.val or "–"), str(found.test), *of_tasks, *cost, mark])
    return headers, rows


def sweep_notes(sweep: Sweep) -> list[str]:
    """What makes the figures of a point say less than they seem to, a line each."""
    unsealed = [point_label(one) for one in sweep.points if one.done and not is_sealed(one.done.folder)]
    notes = [f"{point_label(one)}: {line}" for one in sweep.points if one.measured for line in one.measured.notes]
    return [*(f"{label}: {UNSEALED}" for label in unsealed), *notes]


def sweep_markdown(sweep: Sweep) -> str:
    """The table with its conditions, differences and failures."""
    results = [point.done.typed for point in sweep.points if point.done]
    lines = [f"# {sweep.name}: {', '.join(sweep.grid)}\n", markdown_table(*sweep_table(sweep)), NOTE, ""]
    lines += [f"- {line}" for line in sweep_notes(sweep)]
    lines += [f"- {condition}: {value}" for condition, value in shared(results).items()]
    lines += [f"- not the same at every point: {one}" for one in _differences(sweep)]
    lines += [f"- failed at {point_label(point)}: {point.failure}" for point in sweep.failures]
    return "\n".join(lines) + "\n"


def point_label(point: Point) -> str:
    """``graph.threshold 0.8, adapter.bottleneck 16``."""
    return values_in_words(point.values)


def _differences(sweep: Sweep) -> list[Difference]:
    return differences([(point_label(point), point.done.typed) for point in sweep.points if point.done])


def _flat(sweep: Sweep) -> Iterator[dict[str, Any]]:
    for point in sweep.points:
        row: dict[str, Any] = {
            key: json.dumps(value) if isinstance(value, (dict, list)) else value for key, value in point.values.items()
        }
        row["chosen_on_validation"] = point is sweep.chosen
        if found := point.measured:
            row["metric"] = found.metric
            for split, score in (("val", found.val), ("test", found.test)):
                row[f"{split}_mean"], row[f"{split}_std"] = (score.mean, score.std) if score else (None, None)
            row |= task_columns(found.tasks)
            row |= {"nodes": found.nodes, "edges": found.edges, "trainable": found.trainable, "fitted": found.fitted}
            row["one_class"] = found.one_class
            row |= {f"neighbours_{name}": share for name, share in (found.neighbour_shares or {}).items()}
            row |= {"seconds": found.seconds, "peak_memory_mb": found.peak_memory_mb}
            row["epochs_kept"] = str(found.epochs_kept) if found.epochs_kept else None
        row["failure"] = str(point.failure) if point.failure else None
        yield row
