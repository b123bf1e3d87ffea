"""``graftwork sweep``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..options import (
    Place,
    cache_option,
    checkpoint_option,
    format_option,
    goes_on,
    jobs_option,
    read_pipeline,
    resume_option,
    seeds_option,
    spec_argument,
)
from ..progress import shown_progress
from ..say import say, say_progress

if TYPE_CHECKING:
    from ....registry.catalogue import Catalogue
    from ...run.jobs.machine import Jobs
    from ...studies.sweep import Point
    from ...studies.sweep_report import WrittenSweep


@click.command(
    "sweep",
    epilog="Example: graftwork sweep examples/threshold_sweep.json --grid graph.threshold=[0.7,0.8,0.9]",
)
@spec_argument
@click.option(
    "--grid",
    "grids",
    multiple=True,
    metavar="KEY=LIST",
    help="A dotted path and the JSON list of its values. Repeatable: every combination. [default: the spec's `search`]",
)
@seeds_option
@click.option("--out", type=Place(file_okay=False), help="Folder of the sweep. [default: runs/NAME-sweep]")
@jobs_option
@resume_option
@checkpoint_option
@format_option("table", "markdown", "json")
@cache_option
def command(
    spec: str,
    settings: tuple[str, ...],
    grids: tuple[str, ...],
    seeds: tuple[int, ...] | None,
    out: str | None,
    jobs: Jobs,
    resume: bool,
    checkpoint_every: float,
    style: str,
    cache: str | None,
) -> None:
    """Run SPEC at every point of a grid; report validation and test at each as table and chart.

    Finished points are found again when the same folder is given: a sweep can be interrupted, resumed and extended.
    What `search` varies beside the grid is searched at each point. Exit code 1 or 2 if a point failed.
    """
    goes_on("the same command")
    pipeline = read_pipeline(spec, settings)
    with shown_progress() as tell:
        done = pipeline.sweep(
            _grid(grids),
            seeds,
            out=out,
            store=cache,
            hear=_say,
            resume=resume,
            checkpoint_every=checkpoint_every,
            jobs=jobs,
            tell=tell,
        )
    _print(done, pipeline.catalogue, style)
    if done.sweep.failures:
        raise SystemExit(max(point.failure.exit_code for point in done.sweep.failures if point.failure))


def _grid(options: tuple[str, ...]) -> dict[str, list[Any]] | None:
    from ...spec.overrides import parse_set

    grid: dict[str, list[Any]] = {}
    for option in options:
        key, equals, _ = option.partition("=")
        if not equals or not key or key[-1] in "+-":
            raise _no_grid(f"{option!r} is not KEY=LIST, such as graph.threshold=[0.7,0.8]")
        if key in grid:
            raise _no_grid(f"{key} is there twice; write all its values in one list")
        if not isinstance(values := parse_set([option])[key], list):
            raise _no_grid(f"{key} needs a JSON list, such as {key}=[1,2]")
        grid[key] = values
    return grid or None


def _no_grid(said: str) -> click.BadParameter:
    return click.BadParameter(said, param_hint="--grid")


def _say(number: int, total: int, point: Point) -> None:
    """One line a point on standard error."""
    from ...studies.sweep_report import point_label

    if point.failure:
        said = f"failed: {point.failure}"
    else:
        assert point.measured
        assert point.done
        seconds = sum(usage.seconds for usage in point.done.typed.stages.values())
        how = "found" if point.done.found else f"{seconds:.1f} s"
        said = f"val {point.measured.val or '–'}  test {point.measured.test}  ({how})"
    say_progress(f"[{number}/{total}] {point_label(point)}: {said}")


def _print(done: WrittenSweep, catalogue: Catalogue, style: str) -> None:
    from ...studies.sweep_report import NOTE, sweep_json, sweep_markdown, sweep_notes, sweep_table
    from ...studies.winner import predict_command
    from ..say import print_json, print_table

    sweep, chosen = done.sweep, done.sweep.chosen
    use = predict_command(chosen.done.folder, catalogue) if chosen and chosen.done else None
    if style == "json":
        print_json({**sweep_json(sweep, done.folder), "folder": str(done.folder), "use": use})
        return
    if style == "markdown":
        say(sweep_markdown(sweep), nl=False)
        return
    print_table(*sweep_table(sweep), title=sweep.name)
    say("\n".join([NOTE, *sweep_notes(sweep), *map(str, done.written)]))
    if use:
        say(f"the best on validation: {use}")
