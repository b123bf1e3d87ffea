"""`make demo`: its specs give every method the same care, and it says what was measured."""

from __future__ import annotations

import importlib.util
import io
import json
import math
import sys
from pathlib import Path
from types import ModuleType

import pytest
from rich.console import Console

from graftwork import Pipeline
from graftwork.core.studies.paired import Paired

from ..support.miniature_registries import emoji
from ..support.paths import ROOT

#: A few pictures by a small encoder, one training, nothing searched.
SMALL = {
    "encoder.image": {"type": "open_clip", "model": "pocket"},
    "search": {},
    "trainer.epochs": 1,
    "evaluation.seeds": [0],
}


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    """The script as a module."""
    found = importlib.util.spec_from_file_location("demo", ROOT / "examples" / "demo.py")
    assert found is not None
    assert found.loader is not None
    sys.modules["demo"] = module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_methods_get_the_same_care(demo: ModuleType) -> None:
    """Same data, prompts, seeds, epochs; where something is chosen, of six combinations, and never by test."""
    specs = {row: Pipeline.from_file(ROOT / "examples" / f"{name}.json").spec for row, name in demo.METHODS.items()}
    for section in ("dataset", "trainer", "evaluation"):
        assert len({getattr(spec, section).model_dump_json() for spec in specs.values()}) == 1
    assert len({spec.encoder.templates for spec in specs.values()}) == 1
    tried = {row: math.prod(map(len, spec.search.values())) for row, spec in specs.items()}
    assert set(tried.values()) == {1, 6}
    assert {row for row, count in tried.items() if count == 1} == {row for row in tried if row.startswith("zero-shot")}
    assert {spec.evaluation.select_on for spec in specs.values()} == {"val"}


def test_the_demo_reports_its_runs_and_does_none_twice(
    demo: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two methods at two shots on a miniature: table, difference and conditions are those of the run folders."""
    monkeypatch.setenv("GRAFTWORK_CACHE", str(tmp_path / "store"))
    methods = {row: demo.METHODS[row] for row in ("logistic regression", "GA-Net")}
    overrides = {**SMALL, "dataset.root": str(emoji(tmp_path / "emoji"))}
    said = io.StringIO()
    console = Console(file=said, width=120)
    first = demo.measure(methods, 2, overrides, tmp_path / "out", console)
    folders = {row: entry.folder.stat().st_mtime_ns for row, entry in first.items()}
    again = demo.measure(methods, 2, overrides, tmp_path / "out", console)
    assert {row: entry.folder.stat().st_mtime_ns for row, entry in again.items()} == folders
    assert [line.endswith("(found)") for line in said.getvalue().splitlines()] == [False, False, True, True]

    tests = [
        json.loads((entry.folder / "result.json").read_text())["test"]["accuracy"]["mean"] for entry in first.values()
    ]
    console.print(demo.accuracy_table({2: first}))
    assert all(f"{mean:.4f}" in said.getvalue() for mean in tests)
    one = demo.difference(first, "GA-Net", "logistic regression")
    assert one.difference == pytest.approx(tests[1] - tests[0])
    assert any("name the class" in line for line in demo.conditions({2: first}))


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.01, 0.02, "ahead"), (-0.01, 0.02, "level within the interval"), (-0.02, -0.01, "behind")],
)
def test_an_interval_says_who_is_ahead(demo: ModuleType, low: float, high: float, said: str) -> None:
    """Ahead or behind only where 0 is outside."""
    assert demo.verdict(Paired("a", "b", (low + high) / 2, low, high, (), 10, 3)) == said


def test_the_page_and_the_demo_show_the_same_cross_modal_results(demo: ModuleType) -> None:
    """Each row of the committed file stands on the page."""
    page = (ROOT / "docs" / "results.md").read_text("utf-8")
    rows = json.loads(demo.EVENTS.read_text("utf-8"))["rows"]
    for row in rows:
        test = f"{row['test']['mean']:.4f} ± {row['test']['std']:.4f}".replace("0.", ".")
        adapter = f"{row['adapter']:,} ({row['share']:.1%})"
        assert f"| events | {row['method']} | {test} | {row['val']:.4f} | {adapter} |".replace("| 0.", "| .") in page
    assert len(rows) == page.count("\n| events | ")
