"""`make evidence-hmmoe`: every cell of the table that is not measured yet; then the page's tables.

    python -m graftwork.tests.core.studies.hmmoe_evidence                 (goes on where it was interrupted)
    python -m graftwork.tests.core.studies.hmmoe_evidence --tables        (the tables of what is there)
    python -m graftwork.tests.core.studies.hmmoe_evidence --memory        (what one epoch of each method takes)

A cell is a run by the public API in a folder of its own, gone once its line stands in ``build/hmmoe/cells.jsonl``. All
lines are written to docs/results in the end, from where the next time goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from graftwork import GraftworkError, Pipeline
from graftwork.core.run.measured import measured
from graftwork.core.run.run import Run
from graftwork.core.studies.tables import markdown_table
from graftwork.plugins.checkpoints.locate import place_of

from ...support.paths import ROOT
from .hmmoe_cells import (
    ADAPTER,
    KEPT,
    METHODS,
    RATE,
    SEARCHES,
    TASKS,
    Cell,
    Line,
    Search,
    cells,
    names_of,
    read_lines,
    search_of,
    write_lines,
)
from .hmmoe_page import sections
from .hmmoe_scores import item_scores
from .real_cells import digest_of

OUT = ROOT / "build" / "hmmoe"
RESULTS = ROOT / "docs" / "results"


def main() -> None:
    """Measure what is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the lines and the tables")
    parser.add_argument("--beside", nargs="+", type=Path, default=[], help="such folders whose lines count, too")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS), metavar="TASK", help="only these")
    methods = list(SEARCHES)
    parser.add_argument("--methods", nargs="+", choices=methods, default=methods, metavar="METHOD")
    parser.add_argument("--tables", action="store_true", help="measure nothing, write the tables of what is there")
    parser.add_argument("--memory", action="store_true", help="one epoch of each method on VQA, a process each")
    given = parser.parse_args()
    if given.memory:
        print(memory_table(list(METHODS)))
        return
    path: Path = given.out / "cells.jsonl"
    given.out.mkdir(parents=True, exist_ok=True)
    lines: dict[Cell, Line] = {}
    for one in (RESULTS / KEPT, *(folder / path.name for folder in given.beside), path):
        lines |= read_lines(one)
    if not given.tables:
        measure(path, [one for one in cells() if one.task in given.tasks and one.method in given.methods], lines)
    tables = given.out / "tables.md"
    tables.write_text("\n".join(sections(lines)) + "\n", "utf-8")
    for written in (tables, *write_lines(lines, RESULTS)):
        print(written)


def measure(path: Path, planned: Sequence[Cell], done: dict[Cell, Line]) -> None:
    """A line for each cell that has none among ``done``, or one that no longer holds."""
    commit = _commit()
    for number, cell in enumerate(planned, start=1):
        search = search_of(cell, done)
        pipeline = cell.pipeline(search)
        if cell in done and holds(done[cell], pipeline):
            continue
        line = done[cell] = measured_line(cell, search, commit)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(line.to_json(), ensure_ascii=False)}\n")
        print(f"{number}/{len(planned)} {cell.said()}: {line.test:.4f}, {line.cpu_seconds:.0f} s", flush=True)


def holds(line: Line, pipeline: Pipeline) -> bool:
    """Whether a line is of this pipeline, its frozen weights, and the ranks that its budget comes to today."""
    if (line.spec, line.weights) != (digest_of(pipeline), weights_of(pipeline)):
        return False
    planned = pipeline.plan().trainable  # of the first values of a search, and unknown of some adapters
    return planned is None or ADAPTER in pipeline.spec.search or planned == line.adapter + line.head


def weights_of(pipeline: Pipeline) -> str:
    """Digest of the frozen weights that a pipeline of pocket models reads."""
    models = sorted(set(re.findall(r'"(pocket:\w+)"', json.dumps(pipeline.spec.to_json()["encoder"]))))
    found = [place for model in models if (place := place_of(model))]
    parts = [hashlib.sha256(file.read_bytes()).digest() for one in found for file in sorted(one.glob("*.safetensors"))]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def measured_line(cell: Cell, search: Search, commit: str) -> Line:
    """Run a cell; ``commit`` is of the code as it was imported."""
    pipeline, start = cell.pipeline(search), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run = pipeline.run(Path(folder) / "run")
        seconds = time.process_time() - start
        return _line(cell, search, commit, run, seconds)


def _line(cell: Cell, search: Search, commit: str, run: Run, seconds: float) -> Line:
    found, result = measured(run.typed), run.typed
    adapter, names, pipeline = result.adapter, names_of(search), cell.pipeline(search)
    assert found.val is not None
    parameters = adapter.parameters if adapter else 0
    chosen = next(name for name, one in zip(names, result.tried, strict=True) if one.values == result.chosen)
    return Line(
        task=cell.task,
        method=cell.method,
        seed=cell.seed,
        spec=digest_of(pipeline),
        weights=weights_of(pipeline),
        commit=commit,
        metric=found.metric,
        test=found.test.mean,
        val=found.val.mean,
        rate=result.chosen[RATE],
        chosen=chosen if len(search) > 1 else "",
        tried={name: one.selection for name, one in zip(names, result.tried, strict=True)},
        kept=result.epochs_kept[0],
        epochs=result.epochs,
        adapter=parameters,
        share=adapter.share_of_frozen if adapter else 0.0,
        head=found.trainable - parameters,
        train_seconds=found.seconds,
        cpu_seconds=seconds,
        scores=item_scores(run),
    )


def _commit() -> str:
    said = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    return said.stdout.strip()


def memory_table(methods: Sequence[str]) -> str:
    """Seconds of an epoch and peak resident memory of a process that does nothing else."""
    rows = []
    for method in methods:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            seconds, memory = process.submit(cost_of, method).result()
        rows.append([method, f"{seconds:.1f}", f"{memory:,.0f}"])
    return markdown_table(["method", "s an epoch", "peak MB"], rows)


def cost_of(method: str) -> tuple[float, float]:
    """Of one epoch of VQA."""
    spec = {**Cell("VQA", method, 0).pipeline().spec.to_json(), "search": {}}
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Pipeline.from_dict(spec, {"trainer.epochs": 1}).run(Path(folder) / "run").typed)
    return found.seconds, found.peak_memory_mb


if __name__ == "__main__":
    try:
        main()
    except GraftworkError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on with the next cell")
