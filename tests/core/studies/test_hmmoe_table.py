"""The table of docs/results/hmmoe.md: its pipelines are equally cared for, its figures those of the lines."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from graftwork import Pipeline
from graftwork.core.layers.pairs import Scored
from graftwork.core.run.search import search_of as search_combinations
from graftwork.plugins.tasks.retrieval import Retrieval
from graftwork.plugins.tasks.specs import RetrievalSpec

from ...support.models.tiny_encoders import save_tiny_encoder
from .hmmoe_cells import (
    ABLATED,
    ABLATIONS,
    ADAPTER,
    FIRST,
    HMMOE,
    METHODS,
    RATE,
    SEARCHES,
    SEEDS,
    TASKS,
    WIDE,
    WIDER,
    Cell,
    Line,
    cells,
    names_of,
    read_lines,
    search_of,
    write_lines,
)
from .hmmoe_evidence import holds, weights_of
from .hmmoe_page import sections
from .hmmoe_scores import item_scores, of_texts
from .real_cells import digest_of

LINE = {
    "spec": "",
    "commit": "0000000",
    "metric": "accuracy",
    "val": 0.5,
    "tried": {"0.01": 0.5},
    "kept": 1,
    "epochs": 2,
    "adapter": 10,
    "share": 0.05,
    "head": 5,
    "train_seconds": 1.0,
    "cpu_seconds": 2.0,
}


def line(cell: Cell, right: float, rate: float = 0.01) -> Line:
    """A cell that has such a share of a thousand test items right."""
    named = {"task": cell.task, "method": cell.method, "seed": cell.seed, "rate": rate, "test": right}
    found = round(right * 1000)
    return Line.model_validate({**LINE, **named, "scores": [1.0] * found + [0.0] * (1000 - found)})


@pytest.mark.parametrize("task", TASKS)
def test_methods_of_a_task_differ_in_nothing_but_the_adapter(task: str) -> None:
    """Data, encoder, task, epochs and batches; as many values to choose among; one budget for all that is trained."""
    specs = {method: Cell(task, method, 0).pipeline().spec.to_json() for method in SEARCHES}
    for section in ("dataset", "encoder", "task", "trainer", "evaluation"):
        assert len({json.dumps(spec[section], sort_keys=True) for spec in specs.values()}) == 1
    for methods, values in (([*METHODS, *ABLATIONS], 2), (WIDE, 8)):
        assert {math.prod(map(len, specs[one]["search"].values())) for one in methods} == {values}
    adapters = [one for spec in specs.values() for one in [spec["adapter"], *spec["search"].get(ADAPTER, [])]]
    assert {json.dumps(one.get("budget")) for one in adapters if one["type"] != "none"} == {'{"trainable_share": 0.07}'}


def test_later_seeds_take_what_the_first_one_chose() -> None:
    """And cannot come before it."""
    first, second = (Cell("VQA", HMMOE, seed) for seed in SEEDS[:2])
    assert search_of(first, {}) == SEARCHES[HMMOE]
    assert search_of(second, {first: line(first, 0.5, 0.003)}) == {RATE: {"0.003": 0.003}}
    with pytest.raises(KeyError):
        search_of(second, {})
    first, second = (Cell("VQA", next(iter(WIDE)), seed) for seed in SEEDS[:2])
    done = {first: line(first, 0.5, 0.006).model_copy(update={"chosen": "wide affine at 0.006"})}
    experts = second.pipeline(search_of(second, done)).spec.to_json()["search"][ADAPTER][0]["experts"]
    assert [(one["type"], one.get("rank")) for one in experts] == [
        ("unimodal", 4),
        ("cross_attention", 4),
        ("affine", None),
    ]


def test_a_line_holds_as_long_as_its_spec_its_weights_and_its_ranks() -> None:
    """Each of which may change without the others; what a run does not say is not asked."""
    cell = Cell("AVS-S4", HMMOE, 1)
    pipeline = cell.pipeline({RATE: {"0.006": 0.006}})
    given = {"spec": digest_of(pipeline), "weights": weights_of(pipeline), "adapter": 78_164, "head": 95_184}
    kept = line(cell, 0.5).model_copy(update=given)
    assert holds(kept, pipeline)
    for changed in ({"spec": ""}, {"weights": "0"}, {"adapter": 71_000}):
        assert not holds(kept.model_copy(update=changed), pipeline)
    assert weights_of(pipeline) != weights_of(Cell("VQA", HMMOE, 1).pipeline())


def test_names_are_in_the_order_of_a_search() -> None:
    """The names of what a run tried are told by its order."""
    method = next(iter(WIDE))
    listed = Cell("VQA", method, 0).pipeline()
    tried = list(search_combinations(listed.spec))
    names = names_of(SEARCHES[method])
    assert len(tried) == len(names) == 8
    for name, values in zip(names, tried, strict=True):
        form, rate = name.split(" at ")
        assert values[RATE] == float(rate)
        assert values[ADAPTER].get("share_down", False) == form.startswith("shared")


def test_an_early_stop_leaves_whole_tasks_of_the_first_methods() -> None:
    """Each cell once; a seed never before the first one."""
    planned = [one for one in cells() if one.method in METHODS and one.seed in SEEDS]
    assert len(set(planned)) == len(planned) == len(TASKS) * len(METHODS) * len(SEEDS)
    assert [one.method in FIRST for one in planned] == sorted((one.method in FIRST for one in planned), reverse=True)
    assert all(one.seed == 0 or planned[number - 1].seed == one.seed - 1 for number, one in enumerate(planned))
    later = list(cells())[len(planned) :]
    assert len(set(later)) == len(later)
    assert not set(later) & set(planned)
    assert len([one for one in later if one.method in WIDE]) == len(WIDER) * len(WIDE) * len(SEEDS)
    assert len([one for one in later if one.method in ABLATIONS]) == len(ABLATED) * len(ABLATIONS) * len(SEEDS)


def test_an_ablation_has_the_example_s_experts_but_one() -> None:
    """Or all of them, without a router; at the same budget."""
    whole = Cell("VQA", HMMOE, 0).pipeline().spec.to_json()["adapter"]
    for method in ABLATIONS:
        adapter = Cell("VQA", method, 0).pipeline().spec.to_json()["adapter"]
        kept = [one["type"] for one in adapter["experts"]]
        left = [
            one["type"] for one in whole["experts"] if one["type"] != method.removeprefix("without ").replace("-", "_")
        ]
        assert kept == left
        assert adapter["router"]["uniform"] == (method == "without router")
        assert adapter["share_down"] == (method == "with shared down-projections")
        assert adapter["budget"] == whole["budget"]


def test_tables_have_the_figures_of_the_lines(tmp_path: Path) -> None:
    """Means, spreads, paired differences with what they hold; missing cells are named; a cut line is measured anew."""
    of = {HMMOE: 1, "LoRA": 0, "without affine": 0.5}
    some = [line(Cell("VQA", method, seed), right) for method, right in of.items() for seed in SEEDS]
    for method, right in zip(WIDE, (0.75, 0.5), strict=True):
        names = names_of(SEARCHES[method])
        wide = {"chosen": names[2], "tried": {name: number / 8 for number, name in enumerate(names)}}
        some.append(line(Cell("VQA", method, 0), right).model_copy(update=wide))
    path = tmp_path / "cells.jsonl"
    path.write_text("\n".join(json.dumps(one.to_json()) for one in some) + '\n{"task": "VQ', "utf-8")
    lines = read_lines(path)
    assert list(lines.values()) == some
    said = "\n".join(sections(lines))
    assert "1.0000 ± 0.0000" in said
    assert "**+100.0 (+99.3 to +100.0)**" in said
    assert "| LoRA | 0.000 | 0.000 | 0.000 | 0.000 | 0.000 |" in said  # by kind of question
    assert "affine alone, searched wider | –; – | 0.5000 (1 seed); **+25.0 (" in said
    assert "| shared at 0.006 | – | **0.2500** | – | – |" in said
    assert "AVE: all; " in said
    assert "VQA: cross-attention alone, affine alone, frozen + head, unimodal alone, LAVISH-like, without " in said
    assert "| without affine | 0.5000 ± 0.0000; **+50.0 (" in said
    assert f"{len(list(cells())) - len(some)} of {len(list(cells()))} cells" in said
    table, kept = write_lines(lines, tmp_path)
    assert table.read_text("utf-8").count("\n") == 1 + len(some)
    assert read_lines(kept) == lines
    assert read_lines(tmp_path / "none.jsonl") == {}
    before = table.read_text("utf-8")
    write_lines({one: line for one, line in lines.items() if one.method == HMMOE}, tmp_path)
    assert table.read_text("utf-8") == before  # a row without a line stays


def test_scores_of_texts_have_the_mean_recall_as_their_mean() -> None:
    """Of clips with two texts each, with ties."""
    torch.manual_seed(0)
    relevant = torch.eye(12, dtype=torch.bool).repeat_interleave(2, dim=1)
    scored = Scored(torch.randn(12, 24).round(decimals=1), relevant)
    found = of_texts(scored, torch.arange(12).repeat_interleave(2))
    figure = Retrieval(RetrievalSpec()).metrics(scored.scores, relevant)["mean_recall"]
    assert float(found.mean()) == pytest.approx(figure)


@pytest.mark.parametrize("task", ["MSR-VTT", "AVS-S4", "VQA"])
def test_scores_of_items_are_those_of_the_run(task: str, tmp_path: Path) -> None:
    """Asked of the saved run where no predictions are kept: their mean is the run's figure, or it is refused."""
    kinds = {"MSR-VTT": ("clip",), "VQA": ("clip",), "AVS-S4": ("clip", "ast")}[task]
    saved = [{"type": "transformers", "model": str(save_tiny_encoder(kind, tmp_path / kind))} for kind in kinds]
    encoder = saved[0] if len(saved) == 1 else {"type": "dual", "image": saved[0], "audio": saved[1]}
    few = {
        "adapter": {"type": "hmmoe", "rank": 2},
        "dataset.train": 8,
        "dataset.val": 4,
        "dataset.test": 8,
        "trainer.epochs": 1,
        "encoder": encoder,
    }
    spec = Cell(task, HMMOE, 0).pipeline().spec.to_json()
    run = Pipeline.from_dict(spec, {**few, "adapter": {"type": "hmmoe", "rank": 2}}).run(
        tmp_path / "run", tmp_path / "store"
    )
    assert len(item_scores(run)) == 8
