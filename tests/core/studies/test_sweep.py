"""Sweeps: every point reported, the mark by validation alone, finished points found, failures told and survived."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from graftwork.core.cli import main
from graftwork.core.run.run import run_pipeline
from graftwork.core.studies.plots import save_figure, sweep_figure
from graftwork.core.studies.sweep import grid_of, points_of
from graftwork.core.studies.sweep_report import WrittenSweep, sweep_markdown, sweep_notes, sweep_table
from graftwork.registry.errors import SpecError

from ...support.small_pipeline import Pixels, pipeline

GRID = {"graph.threshold": [0.7, 0.9, 0.99]}
QUICK: dict[str, Any] = {"trainer__epochs": 3, "evaluation__seeds": [0, 1]}
Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[WrittenSweep, Path]:
    """Three thresholds, two widths, two seeds."""
    out = tmp_path_factory.mktemp("swept") / "sweep"
    grid = {**GRID, "adapter.bottleneck": [4, 8]}
    return pipeline(**QUICK).sweep(grid, out=out, store=out.parent / "store"), out


def test_a_grid_is_every_combination_in_order(swept: tuple[WrittenSweep, Path]) -> None:
    """The last path runs fastest."""
    found = [tuple(point.values.values()) for point in swept[0].sweep.points]
    assert found == [(0.7, 4), (0.7, 8), (0.9, 4), (0.9, 8), (0.99, 4), (0.99, 8)]


def test_a_point_is_the_run_of_its_spec(swept: tuple[WrittenSweep, Path], tmp_path: Path) -> None:
    """Validation and test, seed by seed, are those of the same values in an ordinary run."""
    for point in swept[0].sweep.points[::5]:
        values = {key.replace(".", "__"): value for key, value in point.values.items()}
        alone = pipeline(**QUICK, **values).run(tmp_path / str(point.values["graph.threshold"])).result
        assert point.measured
        assert point.measured.val
        assert list(point.measured.test.per_seed) == alone["test"]["accuracy"]["per_seed"]
        assert list(point.measured.val.per_seed) == alone["selection"]["per_seed"]
        assert point.measured.edges == sum(alone["graph"]["support_edges"]) / 2


def test_the_mark_is_by_validation(swept: tuple[WrittenSweep, Path]) -> None:
    """The best mean on the selection split, the first among equals; test has no say."""
    sweep = swept[0].sweep
    validation = [point.measured.val.mean for point in sweep.points if point.measured and point.measured.val]
    assert sweep.chosen is sweep.points[validation.index(max(validation))]


def test_higher_test_scores_do_not_move_the_mark(tmp_path: Path) -> None:
    """Targets of the test split turned to nonsense: the same point is marked."""
    plain = pipeline(**QUICK).sweep(GRID, out=tmp_path / "plain").sweep
    turned = pipeline(**QUICK, dataset__rotate={"test": 1}).sweep(GRID, out=tmp_path / "turned").sweep
    assert plain.chosen
    assert turned.chosen
    assert plain.chosen.values == turned.chosen.values
    for one, other in zip(plain.points, turned.points, strict=True):
        assert one.measured
        assert other.measured
        assert one.measured.test != other.measured.test
        assert one.measured.val == other.measured.val


def test_json_csv_and_markdown_say_the_same(swept: tuple[WrittenSweep, Path]) -> None:
    """Every point with both scores; one is marked in each; the conditions stand once."""
    written, out = swept
    told = json.loads((out / "sweep.json").read_text())
    with open(out / "sweep.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    page = (out / "sweep.md").read_text()
    assert len(told["points"]) == len(rows) == 6
    for point, row in zip(told["points"], rows, strict=True):
        assert float(row["test_mean"]) == point["test"]["mean"]
        assert float(row["val_mean"]) == point["val"]["mean"]
        assert float(row["graph.threshold"]) == point["values"]["graph.threshold"]
        assert (row["chosen_on_validation"] == "True") == point["chosen_on_validation"]
        assert f"{point['test']['mean']:.4f} ± {point['test']['std']:.4f}" in page
        assert (out / point["folder"] / "result.json").is_file()
    assert sum(point["chosen_on_validation"] for point in told["points"]) == page.count("✔") == 1
    for said in (
        "- seeds: 0, 1",
        "- selected on: val",
        "- reported on: test",
        "- inductive policy: attach",
        "- split: ",
    ):
        assert said in page
    assert told["conditions"]["seeds"] == "0, 1"
    assert {path.name for path in written.written} == {f"sweep.{kind}" for kind in ("json", "csv", "md", "png", "svg")}


def test_the_chart_shows_both_splits_and_the_edges(swept: tuple[WrittenSweep, Path]) -> None:
    """A line a second value and split, at the means, with the deviations as bars; edges in a panel of their own, and
    so have the shares: edges of one class, neighbours in a message."""
    sweep = swept[0].sweep
    scores, edges, shares = sweep_figure(sweep).axes
    means = {bar.get_label(): list(bar[0].get_ydata()) for bar in scores.containers}
    assert list(means) == [f"bottleneck {r} {split}" for r in (4, 8) for split in ("test", "val (selects)")]
    four = [point.measured for point in sweep.points if point.values["adapter.bottleneck"] == 4]
    assert means["bottleneck 4 test"] == [one.test.mean for one in four if one]
    assert list(edges.lines[0].get_ydata()) == [one.edges for one in four if one]
    assert scores.get_xlabel() == "graph.threshold"
    drawn = {str(one.get_label()): list(one.get_ydata()) for one in shares.lines}
    joined = [one.one_class for one in four if one and one.edges]  # without an edge there is no share to draw
    assert drawn["bottleneck 4 edges of one class"] == joined
    heard = [one.neighbour_shares["bottleneck"] for one in four if one and one.neighbour_shares]
    assert drawn["bottleneck 4 neighbours in bottleneck"] == heard
    table = sweep_markdown(sweep)
    assert four[0] is not None
    assert f"| {four[0].one_class:.1%} | bottleneck {heard[0]:.1%} |" in table


def test_the_chart_is_the_same_bytes_twice(swept: tuple[WrittenSweep, Path], tmp_path: Path) -> None:
    """PNG and SVG, so that a repeated sweep changes no file."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        save_figure(sweep_figure(swept[0].sweep), tmp_path / name / "chart")
    for suffix in ("png", "svg"):
        first, second = ((tmp_path / name / f"chart.{suffix}").read_bytes() for name in ("first", "second"))
        assert first == second


def test_values_that_are_no_numbers_stand_at_their_index(tmp_path: Path) -> None:
    """Objects and names get ticks of their own; the table names them in words."""
    grid = {"task.head": [{"type": "linear"}, {"type": "cosine", "scale": 5.0}]}
    done = pipeline(**QUICK).sweep(grid, out=tmp_path / "sweep").sweep
    axes = sweep_figure(done).axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["linear", "cosine scale 5.0"]
    assert "| cosine scale 5.0 |" in sweep_markdown(done)


def test_without_a_graph_there_is_one_panel(tmp_path: Path) -> None:
    """And the table has a dash for its edges."""
    done = pipeline(**QUICK, adapter={"type": "bottleneck", "bottleneck": 4}).sweep(
        {"trainer.optimizer.lr": [0.001, 0.1]}, out=tmp_path / "sweep"
    )
    (axes,) = sweep_figure(done.sweep).axes
    assert axes.get_xscale() == "log"
    assert "| – |" in sweep_markdown(done.sweep)


def test_without_selection_nothing_is_marked(tmp_path: Path) -> None:
    """No validation, no mark, no validation line; the test column stands alone."""
    done = pipeline(**QUICK, evaluation__select_on="none").sweep(GRID, out=tmp_path / "sweep").sweep
    assert done.chosen is None
    assert all(point.measured and point.measured.val is None for point in done.points)
    assert [bar.get_label() for bar in sweep_figure(done).axes[0].containers] == ["test"]


def runs(monkeypatch: Patch) -> list[float]:
    """Thresholds in the order in which they are really run."""
    seen: list[float] = []

    def counted(spec: Any, *rest: Any, **more: Any) -> Any:
        seen.append(spec.graph.threshold)
        return run_pipeline(spec, *rest, **more)

    monkeypatch.setattr("graftwork.core.studies.run_cache.run_pipeline", counted)
    return seen


def test_finished_points_are_not_run_again(tmp_path: Path, monkeypatch: Patch) -> None:
    """A second, longer sweep into the same folder runs what is new alone, under whatever name."""
    seen, out = runs(monkeypatch), tmp_path / "sweep"
    first = pipeline(**QUICK).sweep({"graph.threshold": [0.7, 0.9]}, out=out).sweep
    second = pipeline(**QUICK, name="other").sweep(GRID, out=out).sweep
    assert seen == [0.7, 0.9, 0.99]
    assert [point.done.found for point in second.points if point.done] == [True, True, False]
    assert [point.measured for point in second.points[:2]] == [point.measured for point in first.points]


@pytest.mark.parametrize(
    "change",
    [
        {"trainer__epochs": 4},
        {"evaluation__seeds": [0, 2]},
        {"dataset__train": 11},
        {"dataset__rotate": {"val": 1}},
        {"encoder__templates": ["a {}"]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_numbers_depend_on_makes_another_point(tmp_path: Path, monkeypatch: Patch, change: Any) -> None:
    """A wrong hit is worse than a miss."""
    seen, out = runs(monkeypatch), tmp_path / "sweep"
    for more in ({}, change):
        pipeline(**{**QUICK, **more}).sweep({"graph.threshold": [0.9]}, out=out)
    assert seen == [0.9, 0.9]


def test_other_weights_behind_the_same_spec_make_another_point(tmp_path: Path, monkeypatch: Patch) -> None:
    """The encoder is known by the content of its weights."""
    from graftwork.core.roles import EncoderFacts

    seen, out = runs(monkeypatch), tmp_path / "sweep"
    for store, weights in (("first", "a" * 64), ("second", "b" * 64)):
        monkeypatch.setattr(Pixels, "facts", lambda self, weights=weights: EncoderFacts(weights, 1000, 20.0))
        pipeline(**QUICK).sweep({"graph.threshold": [0.9]}, out=out, store=tmp_path / store)
    assert seen == [0.9, 0.9]


def test_a_point_that_fails_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    """A learning rate that diverges: its row says so, no number is made up, and next time it is tried again."""
    values = [0.01, 1e30, 0.02]
    for _ in range(2):
        done = pipeline(**QUICK).sweep({"trainer.optimizer.lr": values}, out=tmp_path / "sweep").sweep
        assert [point.failure is None for point in done.points] == [True, False, True]
        (failed,) = done.failures
        assert "no longer finite" in str(failed.failure)
        assert "failed at trainer.optimizer.lr 1e+30" in sweep_markdown(done)
    told = json.loads((tmp_path / "sweep" / "sweep.json").read_text())
    assert "test" not in told["points"][1]
    assert "no longer finite" in told["points"][1]["failure"]


def test_memory_that_runs_out_at_one_point_does_not_cost_the_others(tmp_path: Path, monkeypatch: Patch) -> None:
    """torch says RuntimeError where a graph is too dense for the machine."""

    def run(spec: Any, *rest: Any, **more: Any) -> Any:
        if spec.graph.threshold == 0.7:
            raise RuntimeError("not enough memory: you tried to allocate 9 TB")
        return run_pipeline(spec, *rest, **more)

    monkeypatch.setattr("graftwork.core.studies.run_cache.run_pipeline", run)
    done = pipeline(**QUICK).sweep(GRID, out=tmp_path / "sweep").sweep
    assert [str(point.failure) for point in done.failures] == [
        "RuntimeError: not enough memory: you tried to allocate 9 TB"
    ]
    assert sum(point.measured is not None for point in done.points) == 2


def test_a_sweep_where_all_fails_still_writes_its_table(tmp_path: Path) -> None:
    """No chart of nothing."""
    done = pipeline(**QUICK).sweep({"trainer.optimizer.lr": [1e30]}, out=tmp_path / "sweep")
    assert {path.suffix for path in done.written} == {".json", ".csv", ".md"}


def test_an_invalid_value_is_found_before_anything_runs(tmp_path: Path) -> None:
    """All of them at once, and no folder is made."""
    with pytest.raises(SpecError) as caught:
        pipeline().sweep({"graph.threshold": [0.5, 7, "high"]}, out=tmp_path / "sweep")
    assert [problem.json_path for problem in caught.value.problems] == ["$.graph.threshold"] * 2
    assert not (tmp_path / "sweep").exists()


def problems(grid: Any, **overrides: Any) -> str:
    with pytest.raises(SpecError) as caught:
        grid_of(pipeline(**overrides).spec, grid)
    return str(caught.value)


@pytest.mark.parametrize("key", ["evaluation.seeds", "seed", "search", "name", "reporters.0", "evaluation.select_on"])
def test_what_a_sweep_is_measured_by_cannot_be_swept(key: str) -> None:
    """Seeds have an option of their own."""
    assert f"a sweep cannot vary `{key}`" in problems({key: [1, 2]})


def test_a_sweep_of_nothing_says_what_to_name() -> None:
    """Neither grid nor search values."""
    assert "--grid graph.threshold=[0.5,0.6]" in problems(None)
    assert "`graph.threshold` has no values" in problems({"graph.threshold": []})


def test_a_search_that_would_undo_the_sweep_is_an_error() -> None:
    """Searching a head inside which a value is swept."""
    search = {"task.head": [{"type": "linear"}]}
    assert "would undo the swept `task.head.scale`" in problems({"task.head.scale": [1.0]}, search=search)


def test_search_values_are_swept_where_no_grid_is_given() -> None:
    """The spec's own lists."""
    search = {"graph.threshold": [0.7, 0.8]}
    assert grid_of(pipeline(search=search).spec, None) == search


def test_other_search_values_are_searched_at_each_point(tmp_path: Path) -> None:
    """The swept key leaves the search; the rest is chosen on validation, point by point, and told."""
    search = {"graph.threshold": [0.1], "adapter.bottleneck": [4, 8]}
    made = pipeline(**QUICK, search=search)
    (_, spec), *_ = points_of(made.spec, GRID, None, made.catalogue)
    assert {key: list(values) for key, values in spec.search.items()} == {"adapter.bottleneck": [4, 8]}
    made.sweep(GRID, out=tmp_path / "sweep")
    for point in json.loads((tmp_path / "sweep" / "sweep.json").read_text())["points"]:
        assert point["searched"]["adapter.bottleneck"] in (4, 8)
        assert point["tried"] == 2


def test_the_epochs_that_validation_chose_are_told_at_each_point(tmp_path: Path) -> None:
    """A column, and a line under the table for a point that kept an epoch before anything was trained."""
    rates = [1e-30, 0.01]
    done = (
        pipeline(**QUICK, task__head={"type": "cosine"})
        .sweep({"trainer.optimizer.lr": rates}, out=tmp_path / "sweep")
        .sweep
    )
    headers, rows = sweep_table(done)
    kept = [row[headers.index("epochs kept")] for row in rows]
    assert kept[0] == "0, 0 of 3"
    line = sweep_notes(done)[0]
    assert line.startswith("trainer.optimizer.lr 1e-30: seeds 0, 1 kept epoch 0 of 3")
    assert f"{line}\n" in sweep_markdown(done)
    points = json.loads((tmp_path / "sweep" / "sweep.json").read_text())["points"]
    assert points[0]["epochs_kept"] == {"per_seed": [0, 0], "of": 3}
    with open(tmp_path / "sweep" / "sweep.csv", newline="") as file:
        assert [row["epochs_kept"] for row in csv.DictReader(file)] == kept


def graftwork(monkeypatch: Patch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["graftwork", *map(str, arguments)])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def spec(tmp_path: Path, tiny_clip: Path) -> Path:
    """A linear probe on digits with the tiny CLIP."""
    path = tmp_path / "spec.json"
    value = {
        "name": "tiny",
        "device": "cpu",
        "dataset": {"type": "digits", "shots": 2},
        "encoder": {"type": "open_clip", "model": f"local-dir:{tiny_clip}"},
        "adapter": {"type": "none"},
        "task": {"type": "classification", "head": {"type": "logistic_regression"}},
    }
    path.write_text(json.dumps(value))
    return path


def test_sweep_on_the_command_line(spec: Path, tmp_path: Path, capsys: Capture, monkeypatch: Patch) -> None:
    """Table and files on standard output, a line a point on standard error; the default folder is runs/NAME-sweep."""
    monkeypatch.chdir(tmp_path)
    assert graftwork(monkeypatch, "sweep", spec, "--grid", "task.head.C=[0.1,1]", "--seeds", "2") == 0
    output = capsys.readouterr()
    assert [line.split(":")[0] for line in output.err.splitlines()] == ["[1/2] task.head.C 0.1", "[2/2] task.head.C 1"]
    assert "test accuracy" in output.out
    assert "quote the marked point's" in output.out
    folder = tmp_path / "runs" / "tiny-sweep"
    told = json.loads((folder / "sweep.json").read_text())
    (chosen,) = (point for point in told["points"] if point["chosen_on_validation"])
    use = f"graftwork predict runs/tiny-sweep/{chosen['folder']} PICTURES"
    assert output.out.splitlines()[-2:] == [str(folder / "sweep.svg"), f"the best on validation: {use}"]
    assert re.fullmatch(rf"points/C-{chosen['values']['task.head.C']}-[0-9a-f]{{12}}", chosen["folder"])
    assert told["conditions"]["seeds"] == "0, 1"
    assert graftwork(monkeypatch, "sweep", spec, "--grid", "task.head.C=[0.1,1]", "--seeds", "[0,1]") == 0
    assert capsys.readouterr().err.count("(found)") == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--grid", "task.head.C=0.1"], "task.head.C needs a JSON list"),
        (["--grid", "task.head.C=[1]", "--seeds", "few"], "neither a number of seeds"),
        (["--grid", "task.head.D=[1]"], "--grid task.head.D: $.task.head.D"),
        (["--grid", "task.head.C"], "'task.head.C' is not KEY=LIST"),
        (["--grid", "task.head.C+=1"], "'task.head.C+=1' is not KEY=LIST"),
        (["--grid", "task.head.C=[1]", "--grid", "task.head.C=[2]"], "task.head.C is there twice"),
        (["--grid", "task.head.C=[1]", "--seeds", "0,0"], "'0,0' has a seed twice"),
        ([], "there is nothing to sweep"),
    ],
)
def test_bad_sweeps_are_exit_code_2(
    spec: Path, capsys: Capture, monkeypatch: Patch, arguments: list[str], said: str
) -> None:
    """Before anything runs, in words."""
    assert graftwork(monkeypatch, "sweep", spec, *arguments) == 2
    assert said in capsys.readouterr().err


def test_a_failed_point_is_the_exit_code(spec: Path, tmp_path: Path, capsys: Capture, monkeypatch: Patch) -> None:
    """2 for an input at fault, after everything else was written."""
    settings = [
        "--set",
        'task.head={"type":"linear"}',
        "--set",
        'adapter={"type":"bottleneck"}',
        "--set",
        "trainer.epochs=5",
        "--out",
        tmp_path / "out",
    ]
    assert graftwork(monkeypatch, "sweep", spec, *settings, "--grid", "trainer.optimizer.lr=[1e-3,1e30]") == 2
    assert (tmp_path / "out" / "sweep.md").is_file()
    assert "failed: the loss is no longer finite" in capsys.readouterr().err


def test_the_python_face_is_the_same(tmp_path: Path) -> None:
    """``Pipeline.sweep`` takes seeds too."""
    done = pipeline(trainer__epochs=1).sweep({"graph.threshold": [0.9]}, seeds=[3, 4], out=tmp_path / "sweep")
    assert isinstance(done, WrittenSweep)
    (point,) = done.sweep.points
    assert point.done
    assert point.done.result["seeds"] == [3, 4]
