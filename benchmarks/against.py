"""Whether this working tree is slower than an older commit, at what a user waits for before anything is computed.

    python -m graftwork.benchmarks.against COMMIT [--pairs 20] [--only NAME ...] [--json]

COMMIT is checked out beside, into a git worktree that goes afterwards. Each case runs in fresh processes of this
interpreter, the two versions in turn (old new, new old, ...), so that other load on the machine hits both alike; each
pair gives a ratio. `worse`: the whole interval of the ratio lies above the bound; `not told apart`: it holds the bound,
and more pairs would tell. Installed packages and entry points are this environment's for both. Light: no torch.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import click

ROOT = Path(__file__).resolve().parent.parent
#: Of the older commit, so that both versions read it.
SPEC = "examples/ganet_digits.json"
_COMMAND = ("-c", "from graftwork.core.cli import main; main()")
#: What the interpreter is given; ``SPEC`` and ``SWEEP`` stand for those files.
CASES: dict[str, tuple[str, ...]] = {
    "import": ("-c", "import graftwork"),
    "--version": (*_COMMAND, "--version"),
    "--help": (*_COMMAND, "--help"),
    "validate": (*_COMMAND, "validate", SPEC),
    "plan": (*_COMMAND, "plan", SPEC),
}
#: One of twelve points times three seeds; ``OUT`` stands for a folder that is not there yet.
SWEEP, OUT = "examples/threshold_sweep.json", "OUT"
_THRESHOLDS = "0.4,0.5,0.6,0.7,0.75,0.8,0.85,0.9,0.925,0.95,0.975,0.99"
#: What trains, on vectors that the first call stored; by name alone, for they take minutes.
TRAININGS: dict[str, tuple[str, ...]] = {
    "train": (*_COMMAND, "run", SWEEP, "--out", OUT),
    "sweep": (*_COMMAND, "sweep", SWEEP, "--grid", f"graph.threshold=[{_THRESHOLDS}]", "--out", OUT),
}
RESAMPLES = 2000
#: Wall and CPU seconds of one process, its children included.
Seconds = tuple[float, float]


@dataclass(frozen=True)
class Row:
    """One case on one clock."""

    case: str
    clock: str
    #: Median seconds.
    before: float
    after: float
    #: Median over pairs of after / before, and its 95 % interval.
    ratio: float
    low: float
    high: float
    verdict: str

    def __str__(self) -> str:
        """Of a Markdown table."""
        seconds, interval = f"{self.before:.3f} | {self.after:.3f}", f"{self.low:.3f} to {self.high:.3f}"
        return f"| {self.case} | {self.clock} | {seconds} | {self.ratio:.3f} | {interval} | {self.verdict} |"


HEAD = "| case | clock | before, s | after, s | ratio | 95 % | verdict |\n|---|---|---|---|---|---|---|"


@contextlib.contextmanager
def checked_out(root: Path, commit: str) -> Iterator[Path]:
    """A git worktree of ``commit``, removed at the end. Raises ``click.UsageError`` where git cannot make one."""
    git = ("git", "-C", str(root), "worktree")
    with tempfile.TemporaryDirectory(prefix="graftwork-against-") as folder:
        tree = Path(folder) / "tree"
        made = subprocess.run([*git, "add", "--detach", str(tree), commit], capture_output=True, text=True)
        if made.returncode:
            raise click.UsageError(f"git has no worktree of `{commit}` for {root}: {made.stderr.strip()}")
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True, capture_output=True)


def importable(tree: Path, folder: Path) -> dict[str, str]:
    """An environment in which ``graftwork`` is that tree, with a cache of its own; both are kept in ``folder``."""
    folder.mkdir()
    (folder / "graftwork").symlink_to(tree, target_is_directory=True)
    own = {"PYTHONPATH": str(folder), "GRAFTWORK_CACHE": str(folder / "cache"), "PYTHONDONTWRITEBYTECODE": ""}
    environment, code = {**os.environ, **own}, "import graftwork; print(graftwork.__file__)"
    asked = [sys.executable, "-c", code]
    found = subprocess.run(asked, env=environment, cwd=folder, capture_output=True, text=True).stdout
    if not found.startswith(str(folder)):
        raise click.ClickException(f"`import graftwork` finds {found.strip() or 'nothing'}, not {tree}")
    return environment


def timed(arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> Seconds:
    """One process from its start to its end. Raises ``click.ClickException`` with what it wrote where it fails."""
    with tempfile.TemporaryDirectory() as fresh:
        given = [str(Path(fresh) / "run") if word == OUT else word for word in arguments]
        used, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run([sys.executable, *given], env=environment, cwd=folder, capture_output=True, text=True)
        wall, now = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise click.ClickException(f"{' '.join(arguments)} in {folder} failed: {done.stderr.strip()[-2000:]}")
    return wall, now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime


def in_turn(before: Callable[[], Seconds], after: Callable[[], Seconds], pairs: int) -> list[tuple[Seconds, Seconds]]:
    """(before, after) of each pair; who goes first changes. One call of each comes before: compiled, and stored."""
    before(), after()
    return [(before(), after()) if number % 2 == 0 else (after(), before())[::-1] for number in range(pairs)]


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The median and its 95 % interval: percentiles of the medians of samples drawn anew, the same every time."""
    draw = random.Random(0)
    medians = sorted(median(draw.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return median(values), medians[round(0.025 * (RESAMPLES - 1))], medians[round(0.975 * (RESAMPLES - 1))]


def verdict(low: float, high: float, bound: float) -> str:
    """By the interval of the ratio; ``bound`` in percent. More pairs tell apart what it leaves open."""
    limit = 1 + bound / 100
    return f"not worse than {bound:g} %" if high <= limit else "worse" if low > limit else "not told apart"


def rows_of(case: str, pairs: Sequence[tuple[Seconds, Seconds]], bound: float) -> Iterator[Row]:
    """A row for the wall clock and one for the CPU."""
    for index, clock in enumerate(("wall", "CPU")):
        before, after = ([pair[side][index] for pair in pairs] for side in (0, 1))
        ratio, low, high = median_interval([b / a for a, b in zip(before, after, strict=True)])
        yield Row(case, clock, median(before), median(after), ratio, low, high, verdict(low, high, bound))


def compare(root: Path, commit: str, cases: Mapping[str, Sequence[str]], pairs: int, bound: float) -> Iterator[Row]:
    """Rows of each case, as soon as it is measured."""
    with checked_out(root, commit) as old, tempfile.TemporaryDirectory() as folder:
        sides = [(importable(tree, home := Path(folder) / name), home) for name, tree in (("a", old), ("b", root))]
        for case, words in cases.items():
            given = [str(old / word) if word in (SPEC, SWEEP) else word for word in words]
            before, after = (lambda side=side: timed(given, *side) for side in sides)  # noqa: B023
            yield from rows_of(case, in_turn(before, after, pairs), bound)


_ONLY = "A case; may be given again. Default: all that train nothing."


@click.command()
@click.argument("commit")
@click.option("--pairs", type=click.IntRange(min=1), default=20, show_default=True, help="Of processes, a case.")
@click.option("--only", multiple=True, type=click.Choice([*CASES, *TRAININGS]), help=_ONLY)
@click.option("--bound", type=click.FloatRange(min=0), default=5.0, show_default=True, help="Percent that are allowed.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line instead of a table.")
def main(commit: str, pairs: int, only: tuple[str, ...], bound: float, as_json: bool) -> None:
    """Compare this working tree with COMMIT; exit code 1 if a case is worse."""
    worse = False
    if not as_json:
        click.echo(HEAD)
    for row in compare(ROOT, commit, {name: (CASES | TRAININGS)[name] for name in only or CASES}, pairs, bound):
        click.echo(json.dumps(asdict(row)) if as_json else str(row))
        worse |= row.verdict == "worse"
    raise SystemExit(worse)


if __name__ == "__main__":
    main()
