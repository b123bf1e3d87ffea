"""Whole pipelines on a GPU and on a CPU: the same scores, and what each takes; run by `sections.py`. Needs pydantic."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
_MAIN = (sys.executable, "-W", "ignore", "-c", "from graftwork.core.cli import main; main()")
#: Example to what is other than in it: smaller data and fewer epochs.
SPECS: Mapping[str, Mapping[str, Any]] = {
    "digits_bottleneck": {"search": None},
    "ganet_digits": {"captioner": None, "graph.nodes": "image", "graph.fusion": None, "regularizers": None},
    "sequences/digits": {
        "regularizers": [{"type": "ewc", "strength": 100.0, "anchor": "previous"}],
        "evaluation.seeds": [0, 1],
    },
    "pocket_events": {"dataset.train": 300, "dataset.test": 200, "trainer.epochs": 3, "evaluation.seeds": [0]},
    "hmmoe_pocket_vqa": {"dataset.train": 500, "dataset.val": 100, "dataset.test": 300, "trainer.epochs": 3},
    "hmmoe_pocket_avs_s4": {"trainer.epochs": 1},
}
APART = 0.05
"""How far the mean score of a GPU may be from that of a CPU: sums round in another order, and trainings part."""


def compared(devices: Sequence[str], limit: float) -> Iterator[dict[str, Any]]:
    """A row a pipeline and device; the store is empty before each. ``limit``: seconds of each run."""
    for name, changes in SPECS.items():
        scores: list[float] = []
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "pipeline.json"
            file.write_text(json.dumps(_changed(json.loads((EXAMPLES / f"{name}.json").read_text("utf-8")), changes)))
            for device in devices:
                row: dict[str, Any] = {"what": f"run {name}, {device}"}
                start = time.perf_counter()
                problem = _run(file, Path(folder) / device, device, limit)
                row["ms"] = (time.perf_counter() - start) * 1e3
                if problem:
                    yield {**row, "right": False, "failed": problem[-600:]}
                    continue
                result = json.loads((Path(folder) / device / "result.json").read_text("utf-8"))
                scores.append(float(result["test"][result["metric"]]["mean"]))
                row["training ms"] = round(1e3 * result["stages"]["train"]["seconds"])
                yield {**row, "score": round(scores[-1], 4), "right": abs(scores[-1] - scores[0]) <= APART}


def _changed(spec: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    for path, value in changes.items():
        *parents, last = path.split(".")
        where = spec
        for parent in parents:
            where = where[parent]
        where[last] = value
        if value is None:
            del where[last]
    spec.pop("$schema")
    return spec


def _run(file: Path, out: Path, device: str, limit: float) -> str:
    """What went wrong, in words, or nothing."""
    command = [*_MAIN, "--quiet", "run", str(file), "--set", f"device={device}", "--out", str(out)]
    environment = {**os.environ, "GRAFTWORK_CACHE": str(out.parent / f"store-{device}")}
    environment.pop("TRITON_INTERPRET", None)  # kernels of a CPU answer on a CPU
    environment["OMP_NUM_THREADS"] = "4"  # small tensors
    try:
        done = subprocess.run(command, env=environment, timeout=limit, capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired:
        return f"stopped after {limit:.0f} s"
    return "" if done.returncode == 0 else f"exit code {done.returncode}: {done.stdout[-300:]} {done.stderr[-1500:]}"
