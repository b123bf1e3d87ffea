"""``graftwork bench``."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from ..options import Place, force_option, format_option, require_free
from ..say import print_json, print_json_list, print_table, say, say_progress


@click.command("bench", epilog="Example: graftwork bench propagate --quick")
@click.argument("name", required=False)
@click.option(
    "--quick", is_flag=True, help="Small sizes and few rounds: shows that all of it runs, says little of speed."
)
@click.option(
    "--device", type=click.Choice(("cpu", "cuda")), default="cpu", show_default=True, help="Where to measure."
)
@click.option("--only", metavar="TEXT", default="", help="Measure the cases alone whose title holds this.")
@click.option("--out", type=Place(dir_okay=False), help="Write the Markdown there as well, table by table.")
@force_option
@format_option("markdown", "json")
def command(name: str | None, quick: bool, device: str, only: str, out: str | None, force: bool, style: str) -> None:
    """Measure the kernels and the pipeline against their limits and their peers, in Markdown.

    NAME is one benchmark, or `all`; without it they are listed. Candidates are alternated in one process and ratios
    taken a round, so that other load hits all alike. Peers that are not installed are left out and named.
    """
    benchmarks = _benchmarks()
    if name is None:
        if style == "json":
            print_json(benchmarks.BENCHMARKS)
            return
        print_table(("benchmark", "measures"), list(benchmarks.BENCHMARKS.items()), "", left=2)
        say_progress("Run one of them, or `graftwork bench all` (some 20 minutes; with --quick one).")
        return
    names = list(benchmarks.BENCHMARKS) if name == "all" else [_known(name, benchmarks.BENCHMARKS)]
    if out is not None:
        require_free(out, force, streams=True)
    target = None if out is None else _opened(out)
    pages = _written(_pages(names, benchmarks.Setting(quick, device, only)), target)
    count = print_json_list(map(page_json, pages)) if style == "json" else sum(map(_say, pages))
    if count == 1:  # which says what machine this is
        raise click.BadParameter(f"no title holds '{only}'; those above were passed over", param_hint="--only")


def _written(pages: Iterator[str], target: Path | None) -> Iterator[str]:
    """Each of them, appended to the file."""
    for text in pages:
        if target:
            with target.open("a", encoding="utf-8") as file:
                file.write(f"{text}\n")
        yield text


def _say(page: str) -> int:
    say(page)
    return 1


def page_json(page: str) -> dict[str, Any]:
    """A page of Markdown: the rows of its table by header, and its other lines."""
    lines = [line.strip() for line in page.splitlines() if line.strip()]
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    headers, rows = (table[0], table[2:]) if table else ([], [])
    return {
        "lines": [line for line in lines if not line.startswith("|")],
        "rows": [dict(zip(headers, row, strict=True)) for row in rows],
    }


def _benchmarks() -> Any:
    """The package on top of the layers, imported by name: what is measured does not depend on what measures."""
    return import_module("....benchmarks", __package__)


def _known(name: str, known: dict[str, str]) -> str:
    from ....registry.errors import nearest

    if name not in known:
        near = nearest(name, (*known, "all"))
        hint = f"did you mean '{near}'?" if near else f"there are {', '.join(known)} and all"
        raise click.BadParameter(f"no benchmark is called '{name}'; {hint}", param_hint="NAME")
    return name


def _opened(out: str) -> Path:
    """The file, emptied before anything is measured, so that a wrong path costs no time."""
    try:
        Path(out).write_text("", encoding="utf-8")
    except OSError as error:
        raise click.BadParameter(f"{out} cannot be written: {error.strerror}", param_hint="--out") from error
    return Path(out)


def _pages(names: list[str], setting: Any) -> Iterator[str]:
    import os
    import warnings

    # before torch: OpenMP's threads then sleep while they wait, so that CPU time counts work, on a busy machine too
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import torch

    from ...training.devices import DeviceError

    if setting.device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("torch sees no CUDA device here: leave --device out")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse")  # torch's notice that its CSR is a beta
        yield f"{import_module('....benchmarks.measure', __package__).machine(setting)}\n"
        for name in names:
            yield from _benchmarks().tables(name, setting, lambda line: say_progress(f"  {line}"))
