"""``graftwork run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..options import (
    Place,
    SpecFile,
    cache_option,
    checkpoint_option,
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
@click.argument("spec", type=SpecFile(dir_okay=False), required=False)
@click.option("--out", type=Place(), help="Run folder to make. [default: the first free runs/NAME]")
@click.option(
    "--locked",
    is_flag=False,
    flag_value="",
    metavar="[LOCK]",
    help="Refuse to run where anything differs from the lock (default: that beside SPEC). SPEC may be left out.",
)
@click.option(
    "--resume",
    is_flag=False,
    flag_value="",
    metavar="[RUN]",
    help="Go on with what an interrupted run left (RUN: its folder, NAME or NAME.partial; default: that which this run "
    "makes). With RUN, SPEC may be left out.",
)
@click.option("--restart", is_flag=True, help="Begin anew where an interrupted run left something. [default: refuse]")
@jobs_option
@checkpoint_option
@format_option("text", "json")
@cache_option
def command(
    spec: str | None,
    settings: tuple[str, ...],
    out: str | None,
    locked: str | None,
    resume: str | None,
    restart: bool,
    jobs: Jobs,
    checkpoint_every: float,
    style: str,
    cache: str | None,
) -> None:
    """Run the pipeline in SPEC: encode, train, select, test, save.

    What was encoded is stored, so are finished trainings, and how far others came: after an interrupt the same command
    with --resume goes on where it was, to the same result. With nothing to go on with, --resume begins at the start.
    """
    goes_on("the same command with --resume")
    if resume and spec is None and resume.endswith(".json"):  # `run --resume spec.json`
        spec, resume = resume, ""
    if resume is not None and restart:
        raise click.UsageError("--resume goes on, --restart begins anew; say one of them")
    if resume:
        out = _named_by(resume, out)
    of_run = resume and spec is None and locked is None
    pipeline = _interrupted(resume or "", settings) if of_run else _pipeline(spec, settings, locked)
    going = None if resume is None and not restart else not restart
    show = not is_quiet()
    run = pipeline.run(out=out, store=cache, resume=going, show=show, checkpoint_every=checkpoint_every, jobs=jobs)
    if style == "json":
        print_json({"folder": str(run.folder), "result": run.result})
    else:
        say(run.folder)


def _named_by(run: str, out: str | None) -> str:
    """The folder that an interrupted run makes."""
    from ...run.resume import interrupted_run

    folder = str(interrupted_run(Path(run))[0])
    if out is not None and Path(out).absolute() != Path(folder).absolute():
        raise click.UsageError(f"--resume {run} makes {folder}, and --out names {out}; leave --out out")
    return folder


def _interrupted(run: str, settings: tuple[str, ...]) -> Pipeline:
    from ...pipeline import Pipeline

    if settings:
        raise click.UsageError("an interrupted run leaves nothing to set; name SPEC to hold it against the run")
    warn_of_broken_plugins()
    return Pipeline.from_interrupted(run)


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
