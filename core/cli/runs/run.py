"""``graftwork run``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..options import (
    Place,
    cache_option,
    format_option,
    goes_on,
    jobs_option,
    lock_beside,
    read_pipeline,
    root_option,
    set_option,
    warn_of_broken_plugins,
)
from ..say import is_quiet, print_json, say

if TYPE_CHECKING:
    from ...pipeline import Pipeline
    from ...run.jobs.machine import Jobs


@click.command(
    "run", epilog="Example: graftwork run examples/ganet_digits.json --set trainer.epochs=50 --out runs/first"
)
@root_option
@set_option
@click.argument("spec", type=click.Path(dir_okay=False), required=False)
@click.option("--out", type=Place(), help="Run folder to make. [default: the first free runs/NAME]")
@click.option(
    "--locked",
    is_flag=False,
    flag_value="",
    metavar="[LOCK]",
    help="Refuse to run where anything differs from the lock (default: that beside SPEC). SPEC may be left out.",
)
@click.option(
    "--resume/--restart",
    default=None,
    help="Go on with the finished trainings that an interrupted run left, or begin anew. [default: ask where there are "
    "some]",
)
@jobs_option
@format_option("text", "json")
@cache_option
def command(
    spec: str | None,
    settings: tuple[str, ...],
    out: str | None,
    locked: str | None,
    resume: bool | None,
    jobs: Jobs,
    style: str,
    cache: str | None,
) -> None:
    """Run the pipeline in SPEC: encode, train, select, test, save.

    What was encoded is stored, and so are finished trainings: after an interrupt the same command with --resume goes
    on where it was, to the same result. With nothing to go on with, --resume begins at the start.
    """
    goes_on("the same command with --resume")
    run = _pipeline(spec, settings, locked).run(out=out, store=cache, resume=resume, show=not is_quiet(), jobs=jobs)
    if style == "json":
        print_json({"folder": str(run.folder), "result": run.result})
    else:
        say(run.folder)


def _pipeline(spec: str | None, settings: tuple[str, ...], locked: str | None) -> Pipeline:
    from ...pipeline import Pipeline

    if spec is None:
        if not locked:
            raise click.UsageError("name SPEC, or a lock: --locked LOCK")
        if settings:
            raise click.UsageError("a lock leaves nothing to set; name SPEC to hold it against the lock")
        warn_of_broken_plugins()
        return Pipeline.from_lock(locked)
    pipeline = read_pipeline(spec, settings)
    return pipeline if locked is None else pipeline.locked_by(locked or lock_beside(spec))
