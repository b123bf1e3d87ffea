"""The table of docs/results/real.md: its pipelines are valid and equally cared for, its figures those of the lines."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from .real_cells import FIRST, GA_NET, METHODS, SHOTS, Cell, Line, cells, digest_of, methods_of, read_lines
from .real_page import write_tables


@pytest.mark.parametrize("name", SHOTS)
def test_methods_of_a_set_differ_in_nothing_but_the_method(name: str) -> None:
    """Data, encoder, seeds, training and the number of values that are tried; zero-shot has nothing to try."""
    specs = {method: Cell(name, 4, method, 3).pipeline({}).spec for method in methods_of(name)}
    for section in ("dataset", "encoder", "trainer", "evaluation"):
        assert len({getattr(spec, section).model_dump_json() for spec in specs.values()}) == 1
    tried = {method: math.prod(map(len, spec.search.values())) for method, spec in specs.items() if spec.search}
    assert set(tried.values()) == {4}
    assert not [method for method in set(specs) - set(tried) if not method.startswith("zero_shot")]


def test_a_seed_draws_split_and_labelled_items() -> None:
    """Where the data lies is no part of what a line is known by."""
    here, there = (Cell("stamps", 4, GA_NET, 7).pipeline({"root": root}) for root in ("here", "there"))
    assert (here.spec.to_json()["dataset"]["split_seed"], here.spec.seeds) == (7, (7,))
    assert digest_of(here) == digest_of(there) != digest_of(Cell("stamps", 4, GA_NET, 8).pipeline({}))


def test_an_early_stop_leaves_rows_of_equal_length() -> None:
    """Each cell once; the shots that goals and ablations are about come first, and the cells of a seed together."""
    planned = list(cells())
    assert len(set(planned)) == len(planned)
    first = [one for one in planned if one.shots in FIRST]
    assert planned[: len(first)] == first
    for some in (first, planned[len(first) :]):
        assert [one.seed for one in some] == sorted(one.seed for one in some)


def line(cell: Cell, right: int, of: int = 100) -> Line:
    """A cell that found so many of its test items, the first of them."""
    ids = [f"item/{number}" for number in range(of)]
    found: dict[str, object] = {
        "set": cell.set,
        "shots": cell.shots,
        "method": cell.method,
        "seed": cell.seed,
        "spec": "",
        "test": right / of,
        "val": None,
        "chosen": {},
        "tried": 1,
        "trainable": 0,
        "fitted": 0,
        "train_seconds": 0.0,
        "cpu_seconds": 1.0,
        "shares": {},
        "right": ids[:right],
        "wrong": ids[right:],
    }
    return Line.model_validate(found)


def test_a_line_that_was_cut_is_measured_again(tmp_path: Path) -> None:
    """A process that died while it wrote its last line costs that line alone."""
    cell = Cell("emoji", 1, GA_NET, 0)
    whole = json.dumps(line(cell, 50).to_json())
    cut = json.dumps(line(Cell("emoji", 1, GA_NET, 1), 50).to_json())[:-9]
    (tmp_path / "cells.jsonl").write_text(f"{whole}\n{cut}\n", "utf-8")
    assert list(read_lines(tmp_path / "cells.jsonl")) == [cell]
    (tmp_path / "cells.jsonl").write_text(f"{cut}{whole}\n{whole}\n", "utf-8")  # it went on behind the cut line
    assert list(read_lines(tmp_path / "cells.jsonl")) == [cell]


def test_the_tables_say_who_is_ahead(tmp_path: Path) -> None:
    """A method that finds ten more in a hundred is marked and named among the goals; one that finds fewer is not."""
    found = {GA_NET: 50, "diffusion": 50, "logistic_regression": 60, "label_propagation": 40}
    measured = [line(Cell("emoji", 1, method, seed), right) for method, right in found.items() for seed in (0, 1)]
    lines = {one.cell: one for one in measured}
    tables, cells_csv = write_tables(lines, tmp_path)
    text = tables.read_text("utf-8")
    assert f"| {METHODS['logistic_regression']} | .600 ± .000 |" in text
    assert f"| {METHODS['logistic_regression']} | **+10.0 (" in text
    assert f"| {METHODS['label_propagation']} | -10.0 (" in text
    ahead = text.partition("### Goals")[2].splitlines()[2]
    assert METHODS["logistic_regression"] in ahead
    assert METHODS["label_propagation"] not in ahead
    assert "at 1 shot: emoji -10.0: missed" in text
    assert cells_csv.read_text("utf-8").splitlines()[1].startswith("emoji,1,0,")
