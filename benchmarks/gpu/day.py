"""A day with a GPU, four minutes at a time: `make gpu-day`, or `python -m graftwork.benchmarks.gpu.day OUT` in a copied
folder.

Every section runs in a process with a limit; what is done stands in OUT/results.json after each, and a second run goes
on with the others, and anew with the one that its end cut short. Then OUT has, besides the log, `page.md` for people
and `configurations.json`, which replaces the file of that name in `triton_kernels/`. Standard library and Triton alone
here, as the machine that has the GPU may have little else; `--dry` runs all of it in the interpreter, without a time in
any row. What the properties (hypothesis) and the few-shot trainings (pydantic) need besides is taken from the wheels in
`build/gpu_day_wheels`, where `make gpu-day-pack` put them beforehand: carry that folder along.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import zipfile
from datetime import UTC, datetime
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SECTIONS = {
    "card": 30, "compile": 60, "properties": 70, "messages": 60, "screens": 60, "graphs": 40, "adapters": 40,
    "few_shot": 40, "replays": 60, "towers": 80, "pipelines": 120,
}  # fmt: skip
"""Name to seconds, as in `sections.py`, which imports torch."""
SECONDS = 240
"""Of all sections together."""
PACKAGE = Path(__file__).resolve().parents[2]
WHEELS = PACKAGE / "build" / "gpu_day_wheels"
STOPPED = {"failed": "stopped at its limit"}
CUT_SHORT = {"failed": "the day ended here"}
"""The last row of a section that the next run does anew."""
TOLD = ("what", "kernel", "key", "cut", "ms", "right", "card", "torch", "triton")
"""What of a row stands in other columns of the page, or above it."""
Results = dict[str, list[dict[str, Any]]]


def run(out: Path, dry: bool, seconds: float, only: list[str]) -> Results:
    """The results of all sections, those of an earlier run included."""
    file, until = out / "results.json", time.monotonic() + seconds
    results: Results = json.loads(file.read_text("utf-8")) if file.exists() else {}
    for name, limit in SECTIONS.items():
        left = until - time.monotonic()
        if is_done(results, name) or (only and name not in only):
            continue
        if left <= 0:
            print(f"{name}: no time left", flush=True)
            continue
        rows, done = section(name, out, dry, left if dry else min(limit, left))
        print(f"{name}: {len(rows)} rows{'' if done else ', stopped before its end'}", flush=True)
        results[name] = [*rows[:-1], CUT_SHORT] if STOPPED in rows and time.monotonic() >= until else rows
        _replace(file, json.dumps(results, indent=1))
    return results


def is_done(results: Results, name: str) -> bool:
    """Whether no other run needs to do this section."""
    return name in results and CUT_SHORT not in results[name]


def section(name: str, out: Path, dry: bool, limit: float) -> tuple[list[dict[str, Any]], bool]:
    """Its rows, and whether it came to its end; if not, the last row says so."""
    folders = (*_import_folders(), *unpacked(WHEELS), os.environ.get("PYTHONPATH", ""))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    environment.pop("TRITON_INTERPRET", None)
    if dry:
        environment["TRITON_INTERPRET"] = "1"
    with tempfile.TemporaryDirectory() as folder, (out / "day.log").open("a", encoding="utf-8") as log:
        file = Path(folder) / "rows.json"
        command = [sys.executable, "-W", "ignore", "-m", "graftwork.benchmarks.gpu.sections", name, str(file)]
        try:
            code: int | None = subprocess.run(
                [*command, *(["--dry"] if dry else [])], env=environment, cwd=PACKAGE, timeout=limit, stdout=log,
                stderr=subprocess.STDOUT,
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            code = None
        rows = json.loads(file.read_text("utf-8")) if file.exists() else []
    return rows if code == 0 else [*rows, STOPPED if code is None else {"failed": "see day.log"}], code == 0


def _import_folders() -> list[str]:
    """Where `graftwork` is imported from, whatever the copied folder is called, and its built-ins are found."""
    link = Path(tempfile.gettempdir()) / f"graftwork-import-{os.getpid()}"
    link.mkdir(exist_ok=True)
    if not (link / "graftwork").exists():
        (link / "graftwork").symlink_to(PACKAGE, target_is_directory=True)
    try:
        metadata.distribution("graftwork")
    except metadata.PackageNotFoundError:  # as an installation would name them
        info = link / "graftwork-0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: graftwork\nVersion: 0\n", "utf-8")
        (info / "entry_points.txt").write_text("[graftwork.plugins]\nbuiltin = graftwork.plugins\n", "utf-8")
    return [str(link)]


def unpacked(wheels: Path) -> list[str]:
    """A folder to import from for each wheel of a package that is not installed here, and that fits."""
    found: list[str] = []
    for wheel in sorted(wheels.glob("*.whl")):
        name = wheel.name
        if _fits(name) and find_spec(name.partition("-")[0]) is None:
            folder = Path(tempfile.gettempdir()) / f"graftwork-wheels-{os.getpid()}" / wheel.stem
            if not folder.exists():
                zipfile.ZipFile(wheel).extractall(folder)
            found.append(str(folder))
    return found


def _fits(wheel: str) -> bool:
    """Whether it is of Python alone, or built for this Python and machine."""
    python, abi, place = wheel.removesuffix(".whl").split("-")[-3:]
    if place == "any":
        return True
    own = f"cp{sys.version_info.major}{sys.version_info.minor}"
    later = abi == "abi3" and int(python.removeprefix("cp3")) <= sys.version_info.minor
    return (own == python or later or python.startswith("py")) and place.endswith(f"_{platform.machine()}")


def chosen(results: Results, table: dict[str, Any]) -> dict[str, Any]:
    """The table with the fastest right cut of each kernel and size for this card; what was not timed is left out."""
    card = next((row["key"] for row in results.get("card", []) if "key" in row), None)
    timed = [row for rows in results.values() for row in rows if "kernel" in row and row["right"] and row["ms"]]
    if card is None or not timed:
        return table
    mine = {kernel: dict(keys) for kernel, keys in table.get(card, {}).items()}
    for row in sorted(timed, key=lambda row: -row["ms"]):  # the fastest last
        mine.setdefault(row["kernel"], {})[row["key"]] = row["cut"]
    return {**table, card: mine}


def page(results: Results, dry: bool) -> str:
    """Markdown: card, versions, date, and every row."""
    facts = next(iter(results.get("card", [])), {})
    title = "# A dry run: nothing was timed" if dry else f"# On {facts.get('card')}"
    lines = [title, "", f"{datetime.now(UTC):%Y-%m-%d}, torch {facts.get('torch')}, Triton {facts.get('triton')}.", ""]
    lines += ["| section | what | ms | right | more |", "|---|---|---|---|---|"]
    for name, rows in results.items():
        for row in rows:
            what = row.get("what") or f"{row.get('kernel', '')} {row.get('key', '')} {row.get('cut', '')}"
            more = {key: one for key, one in row.items() if key not in TOLD and one not in (None, [])}
            took = "–" if row.get("ms") is None else f"{row['ms']:.3f}"
            lines.append(f"| {name} | {what} | {took} | {row.get('right', '–')} | {more or '–'} |".replace("\n", " "))
    return "\n".join(lines) + "\n"


def _replace(file: Path, text: str) -> None:
    part = file.with_name(file.name + ".part")
    part.write_text(text, "utf-8")
    part.replace(file)


def main() -> None:
    """Exit code 1 where a section failed or a result was wrong; else 3 where sections are left for another run."""
    parser = argparse.ArgumentParser(description="Check and time the kernels on this machine's GPU.")
    parser.add_argument("out", type=Path, help="folder for results.json, page.md, configurations.json, day.log")
    parser.add_argument("--dry", action="store_true", help="in Triton's interpreter, at toy sizes, without a time")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of all sections together")
    parser.add_argument("--only", action="append", default=[], choices=list(SECTIONS), help="may be given again")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    results = run(given.out, given.dry, given.seconds, given.only)
    table = json.loads((PACKAGE / "triton_kernels" / "configurations.json").read_text("utf-8"))
    _replace(given.out / "configurations.json", json.dumps(chosen(results, table), indent=1, sort_keys=True) + "\n")
    _replace(given.out / "page.md", page(results, given.dry))
    found = [row for rows in results.values() for row in rows if row != CUT_SHORT]
    wrong = [row for row in found if row.get("right") is False or "failed" in row]
    print(f"{len(wrong)} wrong or failed of {len(found)}; {given.out / 'page.md'}")
    if left := [name for name in given.only or SECTIONS if not is_done(results, name)]:
        print(f"left, for the same command again: {', '.join(left)}")
    sys.exit(1 if wrong else 3 if left else 0)


if __name__ == "__main__":
    main()
