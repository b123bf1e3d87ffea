"""How long `validate` and `schema` take with hundreds of installed component types.

    python -m graftwork.benchmarks.many_types [TYPES] [FIELDS]

Writes TYPES (500) adapters of FIELDS (8) documented fields each, in ten distributions with real metadata, into a
temporary folder on the path, and times the commands as a user would call them: a fresh process each, wall and CPU time,
the best and the median of five. Prints Markdown. Numbers are in docs/benchmarks/specs.md.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

DISTRIBUTIONS = 10
REPEATS = 5
_RUN = "from graftwork.core.cli import main; main()"
_SPEC = {
    "dataset": {"type": "digits"},
    "encoder": {"type": "open_clip"},
    "adapter": {"type": "many_0_0"},
}


def source(distribution: int, types: int, fields: int) -> str:
    """The module of a plugin that declares so many adapters."""
    lines = [
        "from typing import Annotated, Literal",
        "from pydantic import Field",
        "from graftwork.core.roles import AdapterSpec",
        "from graftwork.registry.component import Component",
        "from graftwork.registry.hookspecs import hookimpl",
        "GRAFTWORK_API = 1",
        "ALL = []",
    ]
    for number in range(types):
        name = f"many_{distribution}_{number}"
        lines += [f"class Spec{number}(AdapterSpec):", f'    type: Literal["{name}"] = "{name}"']
        for field in range(fields):
            lines += [
                f"    field_{field}: Annotated[int, Field(ge=1)] = {field + 1}",
                f'    """What field {field} says."""',
            ]
        lines.append(f'ALL.append(Component("adapter", "{name}", Spec{number}, "json:loads", "number {number}"))')
    return "\n".join([*lines, "@hookimpl", "def graftwork_components():", "    return ALL", ""])


def install(folder: Path, types: int, fields: int) -> None:
    """Write the plugins and their metadata, as pip would leave them."""
    for number in range(DISTRIBUTIONS):
        here = types // DISTRIBUTIONS + (number < types % DISTRIBUTIONS)
        (folder / f"many_types_{number}.py").write_text(source(number, here, fields))
        about = folder / f"many_types_{number}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: many-types-{number}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[graftwork.plugins]\nmany_{number} = many_types_{number}\n")


def seconds(folder: Path, arguments: Sequence[str]) -> list[tuple[float, float]]:
    """Wall and CPU time of each of the repeats; the modules are compiled by a run before."""
    path = os.pathsep.join([str(folder), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    environment = {**os.environ, "PYTHONPATH": path}
    found = []
    for _ in range(REPEATS + 1):
        start, before = time.perf_counter(), os.times()
        subprocess.run([sys.executable, "-c", _RUN, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment)
        wall, after = time.perf_counter() - start, os.times()
        found.append(
            (wall, after.children_user + after.children_system - before.children_user - before.children_system)
        )
    return found[1:]


def main(types: int = 500, fields: int = 8) -> None:
    """Time both commands with nothing but the built-ins, and with the types."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        spec = Path(name) / "spec.json"
        for count in (0, types):
            folder = Path(name) / f"site-{count}"
            folder.mkdir()
            install(folder, count, fields)
            adapter = "none" if count == 0 else "many_0_0"
            spec.write_text(json.dumps({**_SPEC, "adapter": {"type": adapter}}))
            for command in (["--version"], ["validate", str(spec)], ["schema"]):
                times = seconds(folder, command)
                wall, processor = zip(*times, strict=True)
                numbers = [min(wall), statistics.median(wall), min(processor), statistics.median(processor)]
                rows.append(" | ".join([f"| {count} | `{command[0]}`", *(f"{one:.2f}" for one in numbers)]) + " |")
    head = "| further types | command | wall, best, s | wall, median, s | CPU, best, s | CPU, median, s |"
    print("\n".join([head, "|---|---|---|---|---|---|", *rows]))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
