"""`make evidence-real`: every cell of the table that is not measured yet; then the page's tables.

    python -m graftwork.tests.core.studies.real_evidence                  (goes on where it was interrupted)
    python -m graftwork.tests.core.studies.real_evidence --tables         (the tables of what is there)
    python -m graftwork.tests.core.studies.real_evidence --memory         (what one training of each method takes)

A cell is a run by the public API in a folder of its own, gone once its line stands in ``build/real/cells.jsonl``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from graftwork import GraftworkError, Pipeline
from graftwork.core.run.measured import measured
from graftwork.core.studies.tables import markdown_table

from ...support.paths import ROOT
from .real_cells import (
    ABLATED,
    ABLATIONS,
    DESCRIBED,
    FIRST,
    METHODS,
    Cell,
    Line,
    cells,
    digest_of,
    methods_of,
    read_lines,
)
from .real_page import write_tables

OUT = ROOT / "build" / "real"
#: Where Debian's package puts the stamps, and where `dpkg -x` does below ``OUT``.
STAMPS = ("/usr/share/tuxpaint/stamps", str(OUT / "tuxpaint" / "usr" / "share" / "tuxpaint" / "stamps"))


def main() -> None:
    """Measure what is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the lines and the tables")
    there = next(filter(_is_folder, STAMPS), STAMPS[0])
    parser.add_argument("--stamps", default=there, help="the folder of the stamps")
    every = [*METHODS, *ABLATIONS, *DESCRIBED]
    parser.add_argument("--methods", nargs="+", choices=every, default=every, metavar="METHOD", help="only these")
    parser.add_argument("--tables", action="store_true", help="measure nothing, write the tables of what is there")
    parser.add_argument("--memory", action="store_true", help="one training of each method, a process each")
    given = parser.parse_args()
    if given.memory:
        print(memory_table(methods_of(ABLATED)))
        return
    path: Path = given.out / "cells.jsonl"
    if not given.tables:
        given.out.mkdir(parents=True, exist_ok=True)
        planned = [cell for cell in cells() if cell.method in given.methods]
        measure(path, planned, {"stamps": {"root": given.stamps}})
    for written in write_tables(read_lines(path), given.out):
        print(written)


def measure(path: Path, planned: Sequence[Cell], where: Mapping[str, Mapping[str, Any]]) -> None:
    """A line for each cell that has none, or one of another pipeline. ``where``: set to fields of its data set."""
    done = read_lines(path)
    for number, cell in enumerate(planned, start=1):
        pipeline = cell.pipeline(where.get(cell.set, {}))
        digest = digest_of(pipeline)
        if cell in done and done[cell].spec == digest:
            continue
        line = measured_line(cell, where, digest)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(line.to_json(), ensure_ascii=False)}\n")
        print(f"{number}/{len(planned)} {cell.said()}: {line.test:.4f}, {line.cpu_seconds:.1f} s", flush=True)


def measured_line(cell: Cell, where: Mapping[str, Mapping[str, Any]], digest: str) -> Line:
    """Run a cell."""
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run = cell.pipeline(where.get(cell.set, {})).run(Path(folder) / "run")
        return Line.of(cell, digest, run, time.process_time() - start)


def memory_table(methods: Sequence[str]) -> str:
    """Seconds of a training and peak resident memory of a process that does nothing else, on the set of ablations."""
    rows = []
    for method in methods:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            seconds, memory = process.submit(cost_of, method).result()
        rows.append([METHODS[method], f"{seconds:.2f}", f"{memory:,.0f}"])
    return markdown_table(["method", "s a training", "peak MB"], rows)


def cost_of(method: str) -> tuple[float, float]:
    """Of one run with the most shots and no search; vectors are stored before."""
    spec = Cell(ABLATED, max(FIRST), method, 0).pipeline({}).spec.to_json()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Pipeline.from_dict({**spec, "search": {}}).run(Path(folder) / "run").typed)
    return found.seconds, found.peak_memory_mb


def _is_folder(path: str) -> bool:
    return Path(path).is_dir()


if __name__ == "__main__":
    try:
        main()
    except GraftworkError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on with the next cell")
