"""Compile every shipped kernel for every target and print the page: `make evidence-compile`.

    python -m graftwork.benchmarks.gpu.compile_evidence [--target 90 ...] [--only TEXT] > docs/benchmarks/compiled.md

Exit code 1 where a kernel of a checked target spills, does not fit, or does not compile.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import click

CHECKED = (80, 90)
"""Targets on which nothing may spill; the others are reported."""
Row = tuple[str, bool]
"""A line of the table, and whether it is as it must be."""


def rows(work: tuple[int, str]) -> list[Row]:
    """Of one call on one target; in a process of its own, as Triton's driver is the process's."""
    from .offline import MATRIX, compiled
    from .shipped import calls

    target, name = work
    try:
        found = compiled(name, calls()[name], target)
    except Exception as error:  # noqa: BLE001  (whatever Triton or ptxas raise belongs into the table)
        return [(f"| {name} | sm_{target} | does not compile: {str(error)[-200:]!r} |||||", target not in CHECKED)]
    made = []
    for one in found:
        matrix = ", ".join(f"{one.instructions[word]} {word}" for word in MATRIX if one.instructions[word]) or "–"
        cells = (one.registers, one.stack, one.shared, one.instructions.total(), matrix)
        good = one.fits and not (one.spills and target in CHECKED)
        made.append((f"| {one.name} | sm_{target} | {' | '.join(map(str, cells))} |", good))
    return made


def ships(name: str, target: int) -> bool:
    """Whether a card of that kind runs it: TMA came with sm_90."""
    return target >= 90 or "TMA" not in name


def page(targets: Sequence[int], only: str) -> Iterator[Row]:
    """The page's lines."""
    import triton

    from .shipped import calls

    work = [(target, name) for name in calls() if only in name for target in targets if ships(name, target)]
    yield f"Triton {triton.__version__}, {datetime.now(UTC):%Y-%m-%d}. No GPU was there.", True
    yield "", True
    yield "| call: kernel | target | registers | stack, B | shared memory, B | instructions | of tensor cores |", True
    yield "|---|---|---|---|---|---|---|", True
    with multiprocessing.get_context("spawn").Pool(max(1, (os.cpu_count() or 2) - 1)) as pool:
        for found in pool.imap(rows, work):
            yield from found


@click.command()
@click.option("--target", "targets", type=int, multiple=True, default=(80, 90, 100), help="May be given again.")
@click.option("--only", default="", help="Calls whose name has this text.")
def main(targets: tuple[int, ...], only: str) -> None:
    """Print the page of what the shipped kernels take of each target."""
    good = True
    for line, fine in page(targets, only):
        click.echo(line if fine else f"{line} **wrong**")
        good &= fine
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
