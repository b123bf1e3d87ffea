"""`make evidence-sequences`: every cell that is not measured yet; then the tables of the page.

    python -m graftwork.tests.core.run.sequences.sequence_evidence            (goes on where it was interrupted)
    python -m graftwork.tests.core.run.sequences.sequence_evidence --tables   (the tables of what is there)

A cell is a run by the public API in a folder of its own, gone once its line stands in docs/results/sequences_cells.csv.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from graftwork import GraftworkError

from .sequence_cells import SCENARIOS, SETS, STRENGTHS, Cell, Line, add_line, cells, digest_of, read_lines


def main() -> None:
    """Measure what is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", action="store_true", help="measure nothing, write the tables of what is there")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=SCENARIOS)
    every = ("plain", "joint", "separate", *STRENGTHS, "replay")
    parser.add_argument("--methods", nargs="+", choices=every, default=every)
    given = parser.parse_args()
    if not given.tables:
        measure([one for one in cells() if one.set in given.sets and one.scenario in given.scenarios], given.methods)
    from .sequence_page import write_tables

    write_tables(read_lines())


def measure(some: Sequence[Cell], methods: Sequence[str]) -> None:
    """A line for each cell of those methods that has none, or one of another pipeline."""
    done, planned = read_lines(), [one for one in some if one.method in methods]
    for number, cell in enumerate(planned, start=1):
        if cell in done and done[cell].pipeline == digest_of(cell):
            continue
        start = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            line = Line.of(cell, cell.pipeline().run(Path(folder) / "run"), time.process_time() - start)
        add_line(line)
        print(
            f"{number}/{len(planned)} {cell}: {sum(line.average) / len(line.average):.4f}, {line.seconds} s", flush=True
        )


if __name__ == "__main__":
    try:
        main()
    except GraftworkError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on with the next cell")
