"""PyG's own tests of `GCNConv`, its basic models and `Sequential`, with theirs and with ours: `make evidence-pyg`.

PYG=FOLDER is a checkout of PyG (its wheel and its sdist bring no tests); of the test files, those that are there run.
Prints the page that stands in docs/benchmarks/pyg.md. Exit code 1 where ours fails what theirs passes and
docs/interop.md does not name.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import torch
import torch_geometric.nn

FILES = ("nn/conv/test_gcn_conv.py", "nn/models/test_basic_gnn.py", "nn/test_sequential.py")
DOCUMENTED: dict[str, str] = {}
"""Tests that ours fails, and what docs/interop.md explains of each."""
Outcomes = dict[str, tuple[str, str]]
"""Test to how it ended, and the last line of what it said."""


def pytest_configure() -> None:
    """As a plugin of pytest: whoever asks for PyG's layer gets ours."""
    from torch_geometric.nn.models import basic_gnn

    from graftwork.triton_kernels.pyg import GCNConv

    for module in (torch_geometric.nn, torch_geometric.nn.conv, basic_gnn):
        module.GCNConv = GCNConv


def outcomes(file: Path, swapped: bool) -> Outcomes:
    """Of every test of a file, full ones included."""
    plugin = ["-p", "graftwork.tests.triton_kernels.pyg_evidence"] if swapped else []
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", "-p", "no:cacheprovider", *plugin]
        subprocess.run(
            [*command, f"--rootdir={file.parent}", "-c", os.devnull, str(file)],
            env={**os.environ, "FULL_TEST": "1"}, capture_output=True, check=False,
        )  # fmt: skip
        found: Outcomes = {}
        for case in ElementTree.parse(report).iter("testcase"):
            ends = [one for one in case if one.tag in ("failure", "error", "skipped")]
            said = (ends[0].get("message") or "").strip().splitlines() if ends else []
            found[str(case.get("name"))] = (ends[0].tag if ends else "passed", said[0][:160] if said else "")
    return found


def main() -> None:
    """Print the page."""
    folder, good = Path(sys.argv[1]) / "test", True
    versions = f"PyG {torch_geometric.__version__}, torch {torch.__version__}"
    print(
        f"{versions}, {datetime.now(UTC):%Y-%m-%d}.\n\n| file | with | passed | failed | skipped |\n"
        "|---|---|---|---|---|"
    )
    notes: list[str] = []
    neither: list[str] = []
    for name in FILES:
        if not (folder / name).exists():
            print(f"| {name} | – | not there | | |")
            continue
        theirs, ours = (outcomes(folder / name, swapped) for swapped in (False, True))
        for whose, found in (("theirs", theirs), ("ours", ours)):
            ended = Counter(how for how, _ in found.values())
            failed = ended["failure"] + ended["error"]
            print(f"| {name} | {whose} | {ended['passed']} | {failed} | {ended['skipped']} |")
        for test, (how, said) in ours.items():
            if how not in ("failure", "error"):
                continue
            if theirs[test][0] == "passed":
                notes.append(f"- `{test}` ({DOCUMENTED.get(test, '**not documented**')}): {said}")
                good &= test in DOCUMENTED
            else:
                neither.append(f"- `{test}`: {said}")
    print("\nOurs fails what theirs passes:\n\n" + ("\n".join(notes) or "nothing."))
    print("\nBoth fail:\n\n" + ("\n".join(neither) or "nothing."))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
