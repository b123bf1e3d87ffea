"""`make evidence-real`: every cell of the table that is not measured yet; then the page's tables.

    python -m graftwork.tests.core.studies.real_evidence                  (goes on where it was interrupted)
    python -m graftwork.tests.core.studies.real_evidence --tables         (the tables of what is there)

A cell is a run by the public API in a folder of its own, gone once its line stands in ``build/real/cells.jsonl``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graftwork import GraftworkError

from ...support.paths import ROOT
from .real_cells import Cell, Line, cells, digest_of, read_lines
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
    parser.add_argument("--tables", action="store_true", help="measure nothing, write the tables of what is there")
    given = parser.parse_args()
    path: Path = given.out / "cells.jsonl"
    if not given.tables:
        given.out.mkdir(parents=True, exist_ok=True)
        measure(path, {"stamps": {"root": given.stamps}})
    for written in write_tables(read_lines(path), given.out):
        print(written)


def measure(path: Path, where: Mapping[str, Mapping[str, Any]]) -> None:
    """A line for each cell that has none, or one of another pipeline. ``where``: set to fields of its data set."""
    done, planned = read_lines(path), list(cells())
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


def _is_folder(path: str) -> bool:
    return Path(path).is_dir()


if __name__ == "__main__":
    try:
        main()
    except GraftworkError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on with the next cell")
