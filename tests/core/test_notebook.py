"""The notebook: whole and without outputs, and its cells run in one namespace, their last values shown.

No kernel runs it here: Jupyter is twenty packages, and what a cell does is Python.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from ..support.paths import ROOT

NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"


def cells() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    return found


def test_the_notebook_is_stripped_and_small() -> None:
    """No output, no number of an execution, an id each; of the format that Jupyter writes today."""
    book = json.loads(NOTEBOOK.read_text("utf-8"))
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert NOTEBOOK.stat().st_size < 20_000
    assert len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
    for cell in book["cells"]:
        assert cell["cell_type"] in ("markdown", "code")
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
            assert max(map(len, cell["source"])) <= 90


@pytest.mark.usefixtures("encoded_once")
def test_the_cells_run_and_show_their_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order; a run, a comparison and a prediction are tables."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    shown = [_run("".join(cell["source"]), names) for cell in cells() if cell["cell_type"] == "code"]
    tables = [one for one in shown if hasattr(one, "_repr_html_")]
    assert [type(one).__name__ for one in tables] == ["Run", "Comparison", "Prediction"]
    assert all("<table>" in one._repr_html_() for one in tables)
    best = dict(shown[4])
    assert best["probe"] > 0.5
    assert names["comparison"].failures == {}


def _run(source: str, names: dict[str, Any]) -> Any:
    """The value of the last line, where it is an expression."""
    *body, last = ast.parse(source).body
    if not isinstance(last, ast.Expr):
        exec(compile(source, str(NOTEBOOK), "exec"), names)
        return None
    exec(compile(ast.Module(body, []), str(NOTEBOOK), "exec"), names)
    return eval(compile(ast.Expression(last.value), str(NOTEBOOK), "eval"), names)
