"""``graftwork runs``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..options import format_option
from ..say import print_json, print_table, say

if TYPE_CHECKING:
    from pathlib import Path

    from ...studies.found_runs import FoundRun

SORTED_BY = ("folder", "name", "method", "dataset", "score", "trainable", "date")


@click.command("runs", epilog="Example: graftwork runs --method ga_net --sort score")
@click.argument("folder", default="runs", type=click.Path(file_okay=False))
@click.option("--sort", "by", type=click.Choice(SORTED_BY), default="folder", show_default=True, help="Order of rows.")
@click.option("--method", metavar="TEXT", help="Only runs whose adapter, expert or head has this in its type.")
@click.option("--name", metavar="TEXT", help="Only runs that have this in their name.")
@format_option("table", "json")
def command(folder: str, by: str, method: str | None, name: str | None, style: str) -> None:
    """List the finished runs in FOLDER, runs/ by default, those of sweeps and comparisons within it, too.

    The score is the mean over the seeds with its standard deviation, of the primary metric on the reported split; only
    scores of the same data, split and metric compare. Folders that cannot be read are named on standard error.
    """
    from pathlib import Path

    from ...studies.found_runs import find_runs

    found = find_runs(folder)
    wanted = [
        run
        for run in found.runs
        if (method or "").lower() in (run.method or "").lower() and (name or "").lower() in run.name.lower()
    ]
    for path, why in found.broken.items():
        say(f"left out: {path}: {why}", err=True)
    wanted.sort(key=_KEYS[by], reverse=by in ("score", "date"))
    if style == "json":
        print_json([run.to_json() for run in wanted])
    elif wanted:
        headers = ["#", "run", "method", "data", "test", "trained", "date"]
        rows = [[str(number), *_row(run, Path(folder))] for number, run in enumerate(wanted, start=1)]
        print_table(headers, rows, title="", left=2, again=1)
        say(f"{len(wanted)} of {len(found.runs)} runs; a score is {_metrics(wanted)}, mean ± s.d. over the seeds")
    else:
        say(f"no run of {len(found.runs)} in {folder} is asked for" if found.runs else f"no finished run in {folder}")


_KEYS = {
    "folder": lambda run: str(run.folder),
    "name": lambda run: run.name,
    "method": lambda run: run.method or "",
    "dataset": lambda run: run.dataset,
    "score": lambda run: run.test.mean,
    "trainable": lambda run: run.trainable,
    "date": lambda run: run.date,
}


def _row(run: FoundRun, place: Path) -> list[str]:
    relative = run.folder.relative_to(place).as_posix()
    of = run.folder.name if relative == "." else relative
    shown = of if run.folder.name.startswith(run.name) else f"{of} ({run.name})"
    shots = f", {run.shots} shots" if run.shots else ""
    counts = [_score(run), _few(run.trainable), f"{run.date:%Y-%m-%d}"]
    return [shown, run.method or "–", f"{run.dataset}{shots}", *counts]


def _score(run: FoundRun) -> str:
    spread = f" ± {run.test.std:.4f}" if len(run.test.per_seed) > 1 else ""
    return f"{run.test.mean:.4f}{spread}"


def _few(count: int) -> str:
    """A count in five letters."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.1f}{letter}"
    return str(count)


def _metrics(runs: list[FoundRun]) -> str:
    return " or ".join(dict.fromkeys(run.metric for run in runs))
