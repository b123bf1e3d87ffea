"""Sweep: one pipeline at every point of a grid, each point a run of its own; every point is reported.

A sweep is not a search: a search reports the one combination that validation chose, a sweep shows how validation *and*
test accuracy depend on a value. The point that validation would choose is marked; the test split chooses nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...registry.catalogue import Catalogue
from ...registry.errors import GraftworkError, Problem, SpecError
from ..events import Tell
from ..run.jobs.machine import Jobs
from ..run.measured import Measured, measured
from ..run.resume import Resume
from ..spec.load_spec import spec_from_dict
from ..spec.overrides import given_by
from ..spec.pipeline_spec import PipelineSpec, SearchRange
from ..storage.claim import CHECKPOINT_EVERY
from .run_cache import Done, RunCache
from .tables import label, require_own_tables

Grid = Mapping[str, Sequence[Any]]
#: Paths that say how a sweep itself is run or measured.
_FIXED = ("name", "seed", "search", "reporters", "version", "evaluation.seeds", "evaluation.select_on")


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the grid."""

    #: Dotted path to the value here.
    values: Mapping[str, Any]
    #: Its run; ``None`` where it failed.
    done: Done | None
    measured: Measured | None
    failure: GraftworkError | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """Every point of a grid, in the order of the grid: the last path runs fastest."""

    name: str
    grid: Grid
    points: tuple[Point, ...]

    @property
    def chosen(self) -> Point | None:
        """The point with the best mean on the selection split, the first among equals."""
        scored = [one for one in self.points if one.measured and one.measured.val]
        return max(scored, key=lambda one: one.measured.val.mean) if scored else None  # type: ignore[union-attr]

    @property
    def failures(self) -> list[Point]:
        """Points that failed."""
        return [one for one in self.points if one.failure]


Hear = Callable[[int, int, Point], None]


def grid_of(spec: PipelineSpec, grid: Grid | None) -> dict[str, list[Any]]:
    """``grid``, or the spec's own search values where none is given. Raises ``SpecError`` for one that cannot be."""
    ranges = [key for key, values in spec.search.items() if isinstance(values, SearchRange)] if not grid else []
    given: Mapping[str, Any] = grid or {key: values for key, values in spec.search.items() if key not in ranges}
    chosen = {key: list(values) for key, values in given.items()}
    problems = [
        Problem(f"a sweep cannot vary `{key}`", (), "--seeds N says the seeds" if "seed" in key else None, "--grid")
        for key in chosen
        if key.split(".")[0] in _FIXED or key in _FIXED
    ]
    hint = "list the values: --grid {}=[...]"
    problems += [Problem("a sweep cannot vary a range", ("search", key), hint.format(key)) for key in ranges]
    problems += [Problem(f"`{key}` has no values", (), None, "--grid") for key, values in chosen.items() if not values]
    if not chosen and not ranges:
        hint = "name a path and its values: --grid graph.threshold=[0.5,0.6], or write `search` in the spec"
        problems.append(Problem("there is nothing to sweep", (), hint, "--grid"))
    for key in spec.search:
        if inside := [swept for swept in chosen if swept.startswith(f"{key}.")]:
            hint = "drop it: --set search={}"
            problems.append(Problem(f"the search over `{key}` would undo the swept `{inside[0]}`", ("search",), hint))
    if problems:
        raise SpecError(problems)
    return chosen


def points_of(
    spec: PipelineSpec, grid: Grid, seeds: Sequence[int] | None, catalogue: Catalogue
) -> list[tuple[dict[str, Any], PipelineSpec]]:
    """The values and the pipeline of every point. What the spec searches beside the grid is searched at each point.

    Raises ``SpecError`` with the problems of every point before anything runs.
    """
    base = spec.to_json()
    base["search"] = {key: values for key, values in base["search"].items() if key not in grid}
    base["trials"] = base["trials"] if base["search"] else None
    base["reporters"] = [{"type": "jsonl"}]
    if seeds is not None:
        base["evaluation"]["seeds"] = list(seeds)
    points, problems = [], []
    for combination in itertools.product(*grid.values()):
        values = dict(zip(grid, combination, strict=True))
        try:
            with given_by("--grid"):
                points.append((values, spec_from_dict(base, values, catalogue)))
        except SpecError as error:
            problems += [one for one in error.problems if one not in problems]
    if problems:
        raise SpecError(problems)
    return points


def sweep(
    spec: PipelineSpec,
    grid: Grid | None,
    seeds: Sequence[int] | None,
    catalogue: Catalogue,
    store: Path,
    out: Path,
    hear: Hear = lambda number, total, point: None,
    jobs: Jobs = 1,
    tell: Tell = lambda event: None,
    *,
    resume: Resume = "where equal",
    checkpoint_every: float = CHECKPOINT_EVERY,
) -> Sweep:
    """Run every point into ``out/points``; those already there are read. A point that fails does not stop the others.

    ``hear(number, total, point)`` is called after each, from 1, as they end; ``jobs`` processes run them beside each
    other, and ``tell`` hears what those do; the rest as ``run_pipeline`` takes it. Raises ``SpecError`` before anything
    runs, and ``UserError`` where files that no sweep wrote stand where its tables go.
    """
    chosen = grid_of(spec, grid)
    planned = points_of(spec, chosen, seeds, catalogue)
    require_own_tables(out, "sweep", "points")
    once = RunCache(catalogue, store, out / "points", resume, checkpoint_every)
    named = [(pipeline, _name(values)) for values, pipeline in planned]
    points: dict[int, Point] = {}
    # a graph too dense for this machine must not cost the other points
    with closing(once.each(named, jobs, tell, survived=(MemoryError, RuntimeError))) as ended:
        for number, outcome in ended:
            points[number] = _point(planned[number][0], outcome)
            hear(len(points), len(planned), points[number])
    return Sweep(spec.name, chosen, tuple(points[number] for number in range(len(planned))))


def _name(values: Mapping[str, Any]) -> str:
    return " ".join(f"{key.rpartition('.')[2]} {label(value)}" for key, value in values.items())


def _point(values: Mapping[str, Any], outcome: Done | GraftworkError) -> Point:
    if isinstance(outcome, GraftworkError):
        return Point(values, None, None, outcome)
    return Point(values, outcome, measured(outcome.typed))
