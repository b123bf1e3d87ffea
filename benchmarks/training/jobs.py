"""Trainings side by side against one after another: the same command with `--jobs 1` and `--jobs N`, in turn.

    python -m graftwork.benchmarks.training.jobs layers|sweep [--jobs 2] [--rounds 3] [--out FILE]

`layers` is a comparison of four pipelines through towers, `sweep` the twelve points of `examples/threshold_sweep.json`
on stored vectors. Each run is a fresh process. "one thread" is `--jobs 1` with as many threads as each of N has: its
scores must be those of N to the bit. It takes minutes, and means something on a quiet machine alone. Light: no torch.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import click

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
#: Of the comparison: pipelines that share all but one value.
RATES = (0.001, 0.002, 0.004, 0.008)
_THRESHOLDS = "0.4,0.5,0.6,0.7,0.75,0.8,0.85,0.9,0.925,0.95,0.975,0.99"
_MAIN = (sys.executable, "-c", "from graftwork.core.cli import main; main()")


def _layers(folder: Path, items: int, epochs: int) -> Sequence[str]:
    """Four pipelines on the events of the pocket world."""
    spec: dict[str, Any] = json.loads((EXAMPLES / "pocket_events.json").read_text())
    del spec["$schema"]
    spec["dataset"] |= {"train": items, "val": items // 4, "test": items // 4}
    spec["adapter"] = {"type": "lora", "rank": 8}
    spec["evaluation"] = {"seeds": [0]}
    files = []
    for rate in RATES:
        spec["name"] = f"lr-{rate}"
        spec["trainer"] = {"epochs": epochs, "batch_size": 16, "optimizer": {"type": "adamw", "lr": rate}}
        files.append(folder / f"lr-{rate}.json")
        files[-1].write_text(json.dumps(spec))
    return ["compare", *map(str, files)]


def _sweep() -> Sequence[str]:
    return ["sweep", str(EXAMPLES / "threshold_sweep.json"), "--grid", f"graph.threshold=[{_THRESHOLDS}]"]


def measured(command: Sequence[str], folder: Path, number: int, jobs: int, threads: int | None) -> dict[str, Any]:
    """Seconds by the clock and of all processors, and every score that was reported."""
    out = folder / f"out-{number}"
    given = [*_MAIN, "--quiet", *command, "--jobs", str(jobs), "--out", str(out)]
    own = {"OMP_NUM_THREADS": str(threads)} if threads else {}
    before, start = os.times(), time.perf_counter()
    subprocess.run(given, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **own}, cwd=folder)
    seconds, after = time.perf_counter() - start, os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    (table,) = out.glob("*.csv")
    with open(table, newline="") as file:
        scores = [[row[key] for key in row if key.startswith(("test_", "val_"))] for row in csv.DictReader(file)]
    return {"seconds": seconds, "cpu": spent, "scores": scores}


def told(rounds: Sequence[Mapping[str, Any]], jobs: int) -> dict[str, Any]:
    """Medians, and how many times as much is done by the clock."""
    names = list(rounds[0])
    found: dict[str, Any] = {
        name: {key: round(median(one[name][key] for one in rounds), 1) for key in ("seconds", "cpu")} for name in names
    }
    side = f"--jobs {jobs}"
    for name in names:
        if name != side:
            ratios = [one[name]["seconds"] / one[side]["seconds"] for one in rounds]
            found[name]["throughput of the other"] = [round(one, 3) for one in sorted(ratios)]
    equal = all(one["one thread"]["scores"] == one[side]["scores"] for one in rounds)
    return {
        "ways": found,
        "equal scores": equal,
        "rounds": len(rounds),
        "load": [round(one, 1) for one in os.getloadavg()],
    }


@click.command()
@click.argument("work", type=click.Choice(["layers", "sweep"]))
@click.option("--jobs", default=2, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--items", default=400, show_default=True, help="Of the comparison through towers, to train on.")
@click.option("--epochs", default=6, show_default=True, help="Of the comparison through towers.")
@click.option("--out", type=click.Path(dir_okay=False))
def main(work: str, jobs: int, rounds: int, items: int, epochs: int, out: str | None) -> None:
    """Print, and write, what each way took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = _layers(folder, items, epochs) if work == "layers" else _sweep()
        threads = max(1, (os.cpu_count() or 1) // jobs)
        ways = {"--jobs 1": (1, None), "one thread": (1, threads), f"--jobs {jobs}": (jobs, None)}
        measured([*command, "--seeds", "1"], folder, 0, 1, None)  # what is stored is stored before
        found, number = [], 1
        for turn in range(rounds):
            row = {}
            for way in list(ways)[:: 1 if turn % 2 else -1]:
                row[way] = measured(command, folder, number, *ways[way])
                number += 1
                click.echo(
                    f"round {turn + 1} {way}: {row[way]['seconds']:.1f} s, CPU {row[way]['cpu']:.1f} s", err=True
                )
            found.append({way: row[way] for way in ways})
    result = {"work": work, **told(found, jobs)}
    click.echo(json.dumps(result, indent=2))
    if out:
        Path(out).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
