"""Reports of three real runs in headless Chromium: prints docs/benchmarks/report.md, leaves pictures in build/report.

``python -m graftwork.tests.core.report.browser_evidence [CASE=FOLDER...]``: by default the examples are run first, into
build/report/runs. Needs Node and Chromium (Debian's: ``apt-get install chromium nodejs npm``).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from graftwork import Pipeline, report

from ...support.paths import ROOT

HERE, BUILD = Path(__file__).parent, ROOT / "build" / "report"
CASES = {
    "digits-linear-probe": "digits_linear_probe.json",
    "emoji-ganet": "emoji_ganet.json",
    "hmmoe-pocket-vqa": "hmmoe_pocket_vqa.json",
}
PACKAGES = ("puppeteer-core@24", "axe-core@4")
TWO_MB, A_SECOND = 2_000_000, 1000.0


def main(given: list[str]) -> None:
    """Run, report, open, print."""
    folders = dict(one.split("=", 1) for one in given)
    BUILD.mkdir(parents=True, exist_ok=True)
    runs = {name: Path(folders[name]) if name in folders else run_of(name, spec) for name, spec in CASES.items()}
    pages = {name: report(folder, out=BUILD / f"{name}.html") for name, folder in runs.items()}
    pages["all-three"] = report(*runs.values(), out=BUILD / "all-three.html")
    found = opened(list(pages.values()))
    print(page_of(runs, pages, found))


def run_of(name: str, spec: str) -> Path:
    """The run of an example, made once."""
    folder = BUILD / "runs" / name
    if not (folder / "result.json").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        Pipeline.from_file(ROOT / "examples" / spec).run(folder)
    return folder


def opened(pages: list[Path]) -> dict[str, Any]:
    """What the browser found on each page."""
    if not (BUILD / "node_modules").is_dir():
        (BUILD / "package.json").write_text("{}\n")
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", *PACKAGES], cwd=BUILD, check=True, stdout=sys.stderr
        )
    command = ["node", HERE / "browser.mjs", BUILD, *pages]
    done = subprocess.run(command, cwd=BUILD, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def page_of(runs: dict[str, Path], pages: dict[str, Path], found: dict[str, Any]) -> str:
    """The page of the documentation; raises ``AssertionError`` where a report is not as is promised."""
    rows = []
    for name, path in pages.items():
        said = found[name]
        size = path.stat().st_size
        assert said["console"] == [], said["console"]
        assert said["requests"] == [], said["requests"]
        assert said["violations"] == {"light": [], "dark": []}, said["violations"]
        assert said["sorted"] == "ascending"
        assert said["firstTab"] == "Skip to the report"
        assert size < TWO_MB
        figures = equal_figures(runs[name], said["tables"]) if name in runs else "–"
        times = [f"{said[key]:.0f} ms" for key in ("interactive", "loaded", "keyToSorted")]
        rows.append([name, f"{size / 1000:.0f} KB", *times, figures, f"none, {said['passes']} pass", "none", "none"])
    headers = ["report", "size", "interactive", "loaded", "key to sorted table", "figures equal to result.json"]
    headers += ["rules of axe that fail", "console", "requests"]
    table = "\n".join(f"| {' | '.join(row)} |" for row in [headers, ["---"] * len(headers), *rows])
    return (HERE / "browser_page.md").read_text("utf-8").replace("TABLE", table)


def equal_figures(run: Path, tables: list[list[list[str]]]) -> str:
    """How many figures of the result the page shows, all of them as they are there, to four digits."""
    result = json.loads((run / "result.json").read_text())
    rows = {row[0]: row[1:] for row in tables[0]}
    equal = 0
    for name, score in result["test"].items():
        several = len(score["per_seed"]) > 1
        figures = [*([score["mean"], score["std"]] if several else []), *score["per_seed"]]
        assert rows[name] == [f"{one:.4f}" for one in figures], (name, rows[name], figures)
        equal += len(figures)
    return f"{equal} of {equal}"


if __name__ == "__main__":
    main(sys.argv[1:])
