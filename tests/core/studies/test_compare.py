"""Comparisons: figures as the runs have them, and exactly the conditions that differ."""

from __future__ import annotations

import csv
import html
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from graftwork import compare as graftwork_compare
from graftwork.core.cli import main
from graftwork.core.data.prediction import Neighbour, Prediction
from graftwork.core.run.measured import notes_of
from graftwork.core.storage.manifest import seal
from graftwork.core.storage.result import Result
from graftwork.core.storage.run_folder import RunFolderError
from graftwork.core.studies.compare import compare, write_comparison
from graftwork.core.studies.compare_report import (
    Comparison,
    comparability,
    comparison_json,
    comparison_markdown,
    comparison_notes,
    comparison_table,
    setting_lines,
)
from graftwork.core.studies.conditions import conditions, differences
from graftwork.core.studies.plots import compare_figure
from graftwork.core.studies.settings import differing_settings
from graftwork.registry.errors import SpecError, UserError

from ...support.small_pipeline import SMALL, catalogue, pipeline

Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch

METHODS: dict[str, dict[str, Any]] = {
    "ga-net": {},
    "probe": {"adapter": {"type": "none"}, "task__head": {"type": "logistic_regression"}},
    "zero-shot": {"adapter": {"type": "none"}, "task__head": {"type": "cosine"}},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three methods under the same conditions, two seeds, and the folders they stand in."""
    folder = tmp_path_factory.mktemp("runs")
    base = {"evaluation__seeds": [0, 1], "dataset__shots": 4, "device": "cpu"}
    return {
        name: pipeline(**base, **fields, name=name).run(folder / name, folder / "store").folder
        for name, fields in METHODS.items()
    }


def compared(*given: str | Path, out: Path, **overrides: Any) -> Comparison:
    return compare(given, overrides, catalogue(), out / "store", out)


def spec_file(path: Path, **fields: Any) -> Path:
    path.write_text(json.dumps(SMALL | fields))
    return path


def test_figures_are_those_of_the_runs(runs: dict[str, Path], tmp_path: Path) -> None:
    """In the order given: scores, parameters, seconds, memory."""
    comparison = compared(*runs.values(), out=tmp_path)
    assert [entry.name for entry in comparison.entries] == list(METHODS)
    for entry in comparison.entries:
        result = json.loads((runs[entry.name] / "result.json").read_text())
        found = entry.measured
        assert found.test.mean == pytest.approx(result["test"]["accuracy"]["mean"])
        assert found.test.std == pytest.approx(result["test"]["accuracy"]["std"])
        assert (found.trainable, found.fitted) == (result["parameters"]["trainable"], result["parameters"]["fitted"])
        assert found.seconds == result["training_seconds_per_seed"]
        assert found.peak_memory_mb == max(stage["peak_memory_mb"] for stage in result["stages"].values())


def test_methods_under_the_same_conditions_are_comparable(runs: dict[str, Path], tmp_path: Path) -> None:
    """Prompts of methods that use none do not count; what is shared is named."""
    comparison = compared(*runs.values(), out=tmp_path)
    assert comparison.differences == []
    (said,) = comparability(comparison)
    for condition in (
        "split",
        "shots",
        "seeds",
        "selected on",
        "inductive policy",
        "nodes",
        "image encoder",
        "prompts",
    ):
        assert condition in said
    assert comparison.shared["shots"] == "4"


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "shots": ({"dataset__shots": 3}, "shots: 4 (ga-net); 3 (other)"),
    "seeds": ({"evaluation__seeds": [0, 2]}, "seeds: 0, 1 (ga-net); 0, 2 (other)"),
    "selected on": ({"evaluation__select_on": "none"}, "selected on: val (ga-net); none (other)"),
    "unlabelled training items": (
        {"graph__pool": "train"},
        "unlabelled training items: unused (ga-net); in the graph (other)",
    ),
    "data": ({"dataset__rotate": {"test": 1}}, "data: "),
    "image encoder": ({"encoder__marker": "x"}, "image encoder: weights "),
}


@pytest.mark.parametrize("condition", CHANGES)
def test_exactly_what_differs_is_said(runs: dict[str, Path], tmp_path: Path, condition: str) -> None:
    """One condition changed: that one is named, with the runs on each side, and no other."""
    fields, said = CHANGES[condition]
    base = {"evaluation__seeds": [0, 1], "dataset__shots": 4, "device": "cpu"}
    other = pipeline(**{**base, **fields}, name="other").run(tmp_path / "other", tmp_path / "store").folder
    (difference,) = compared(runs["ga-net"], other, out=tmp_path).differences
    assert difference.condition == condition
    assert str(difference).startswith(said)
    assert sum(map(len, difference.values.values())) == 2


def setting_lines_of(pipelines: dict[str, dict[str, Any]], **chosen: dict[str, Any]) -> list[str]:
    found = differing_settings(pipelines, {name: chosen.get(name, {}) for name in pipelines})
    return [str(one) for one in found]


def test_settings_that_differ_are_named(runs: dict[str, Path], tmp_path: Path) -> None:
    """By path, with the values and whose they are, wherever a comparison is told; types where types differ."""
    base = {"evaluation__seeds": [0, 1], "dataset__shots": 4, "device": "cpu", "adapter__bottleneck": 4}
    other = pipeline(**base, name="other").run(tmp_path / "other", tmp_path / "store").folder
    comparison = compared(runs["ga-net"], runs["probe"], other, out=tmp_path)
    lines = setting_lines(comparison)
    assert lines == [
        "set adapter: ga_net (ga-net, other); none (probe)",
        "set adapter.bottleneck: 8 (ga-net); 4 (other)",
        "set task.head: linear (ga-net, other); logistic_regression (probe)",
    ]
    assert [f"- {line}" for line in lines] == [x for x in comparison_markdown(comparison).splitlines() if "- set" in x]
    assert comparison_json(comparison)["settings"][1] == {
        "condition": "adapter.bottleneck",
        "values": {"8": ("ga-net",), "4": ("other",)},
    }
    assert setting_lines(comparison, most=1)[1:] == ["and 2 more, in compare.json"]


def test_experts_and_searches_among_the_settings() -> None:
    """Lists of the same types are compared item by item; what the search of each one chose is told elsewhere."""
    one, two, three = {"type": "u", "rank": 4}, {"type": "u", "rank": 8}, {"type": "c", "rank": 4}
    specs = {"a": {"adapter": {"experts": [one]}}, "b": {"adapter": {"experts": [two]}}}
    assert setting_lines_of(specs) == ["adapter.experts.0.rank: 4 (a); 8 (b)"]
    specs["b"] = {"adapter": {"experts": [one, three]}, "graph": {"type": "similarity"}, "name": "b"}
    assert setting_lines_of(specs) == ["adapter.experts: [u] (a); [u, c] (b)", "graph: absent (a); similarity (b)"]
    chosen: dict[str, Any] = {"adapter.experts": []}
    assert setting_lines_of(specs, a=chosen, b=chosen) == ["graph: absent (a); similarity (b)"]
    assert len(setting_lines_of(specs, a=chosen)) == 2


def test_prompts_that_differ_are_told(runs: dict[str, Path], tmp_path: Path) -> None:
    """Between heads that use them."""
    fields = {**METHODS["zero-shot"], "encoder__templates": ["a {}"], "name": "other"}
    base = {"evaluation__seeds": [0, 1], "dataset__shots": 4, "device": "cpu"}
    other = pipeline(**base, **fields).run(tmp_path / "other", tmp_path / "store").folder
    (difference,) = compared(*runs.values(), other, out=tmp_path).differences
    assert str(difference) == "prompts: a photo of a {}. (zero-shot); a {} (other)"


def test_a_result_of_the_past_differs_by_machine_alone(runs: dict[str, Path]) -> None:
    """Seconds and memory of another machine are told apart from the conditions of the scores."""
    result = json.loads((runs["probe"] / "result.json").read_text())
    moved = Result.from_json(result | {"machine": result["machine"] | {"threads": 99}}, "there")
    result = Result.from_json(result, "here")
    (difference,) = differences([("here", result), ("there", moved)])
    assert difference.condition == "machine (of seconds and memory)"
    assert conditions(result).keys() == conditions(moved).keys()


def test_specs_are_run_and_runs_are_read(runs: dict[str, Path], tmp_path: Path) -> None:
    """Side by side, with the overrides on the specs; a second comparison finds what the first ran."""
    spec = spec_file(tmp_path / "fresh.json", name="fresh")
    overrides: dict[str, Any] = {"evaluation.seeds": [0, 1], "dataset.shots": 4, "device": "cpu"}
    heard: list[tuple[str, bool]] = []
    for _ in range(2):
        comparison = compare(
            [runs["ga-net"], spec],
            overrides,
            catalogue(),
            tmp_path / "store",
            tmp_path / "out",
            lambda name, outcome, found: heard.append((name, found)),
        )
        assert comparison.differences == []
        old, new = comparison.entries
        assert (old.name, new.name) == ("ga-net", "fresh")
        assert old.measured.test == new.measured.test
    assert heard == [("fresh", False), ("fresh", True)]


def test_a_pipeline_that_fails_does_not_stop_the_others(runs: dict[str, Path], tmp_path: Path) -> None:
    """It is named with its reason; no row is made up for it."""
    broken = spec_file(tmp_path / "broken.json", name="broken", trainer={"epochs": 5, "optimizer": {"lr": 1e30}})
    comparison = compared(broken, runs["probe"], out=tmp_path / "out")
    assert [entry.name for entry in comparison.entries] == ["probe"]
    assert "no longer finite" in str(comparison.failures["broken"])
    assert "failed: broken: the loss" in comparison_markdown(comparison)


def test_everything_is_read_before_anything_is_run(runs: dict[str, Path], tmp_path: Path) -> None:
    """A folder that holds no run, a result of something else, an invalid spec: no folder is made."""
    fine = spec_file(tmp_path / "fine.json")
    (tmp_path / "empty").mkdir()
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "result.json").write_text('{"name": "x"}')
    out = tmp_path / "out"
    with pytest.raises(RunFolderError, match=r"empty holds no finished run: result\.json is missing"):
        compared(fine, tmp_path / "empty", out=out)
    with pytest.raises(RunFolderError, match=r"strange/result\.json: the result lacks"):
        compared(fine, strange, out=out)
    with pytest.raises(SpecError, match="graph"):
        compared(fine, spec_file(tmp_path / "invalid.json", graph={"type": "similarity"}), out=out)
    assert not out.exists()


def test_runs_of_one_name_are_told_apart(runs: dict[str, Path], tmp_path: Path) -> None:
    """By their folders, and by number where those are named alike too."""
    copy = shutil.copytree(runs["probe"], tmp_path / "again")
    names = [entry.name for entry in compared(runs["probe"], copy, copy, runs["ga-net"], out=tmp_path).entries]
    assert names == ["probe (probe)", "probe (again)", "probe (again) #2", "ga-net"]


def test_json_csv_and_markdown_say_the_same(runs: dict[str, Path], tmp_path: Path) -> None:
    """Written into one folder, with the chart."""
    comparison = compared(*runs.values(), out=tmp_path)
    written = write_comparison(comparison, tmp_path / "out")
    assert [path.name for path in written] == [f"compare.{kind}" for kind in ("json", "csv", "md", "png", "svg")]
    told = json.loads((tmp_path / "out" / "compare.json").read_text())
    with open(tmp_path / "out" / "compare.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    page = (tmp_path / "out" / "compare.md").read_text()
    assert told["comparable"] is True
    for run, row in zip(told["runs"], rows, strict=True):
        assert (run["name"], run["test"]["mean"]) == (row["name"], float(row["test_mean"]))
        assert f"| {run['name']} | {run['test']['mean']:.4f} ± {run['test']['std']:.4f} |" in page


def test_the_chart_has_a_row_a_run(runs: dict[str, Path], tmp_path: Path) -> None:
    """Score with deviation, parameters, seconds, memory; top to bottom in the order given."""
    comparison = compared(*runs.values(), out=tmp_path)
    scores, parameters, *_ = compare_figure(comparison).axes
    assert [tick.get_text() for tick in scores.get_yticklabels()] == list(METHODS)
    assert scores.yaxis_inverted()
    assert [bar.get_width() for bar in parameters.patches] == [one.measured.trainable for one in comparison.entries]
    assert scores.get_xlabel() == "test accuracy, ± s.d."


def test_the_table_names_the_metric_once(runs: dict[str, Path], tmp_path: Path) -> None:
    """Where all runs share it."""
    headers, rows = comparison_table(compared(*runs.values(), out=tmp_path))
    assert headers[:3] == ["run", "test accuracy", "val accuracy"]
    assert len(rows) == 3


def test_the_epochs_that_validation_chose_stand_in_every_form(runs: dict[str, Path], tmp_path: Path) -> None:
    """Seed by seed, of how many; none where nothing is trained."""
    comparison = compared(*runs.values(), out=tmp_path)
    result = json.loads((runs["ga-net"] / "result.json").read_text())
    kept = f"{', '.join(map(str, result['epochs_kept']))} of {result['epochs']}"
    headers, rows = comparison_table(comparison)
    column = headers.index("epochs kept")
    assert [row[column] for row in rows] == [kept, "–", "–"]
    write_comparison(comparison, tmp_path / "out")
    told = json.loads((tmp_path / "out" / "compare.json").read_text())["runs"]
    assert told[0]["epochs_kept"] == {"per_seed": result["epochs_kept"], "of": result["epochs"]}
    assert [run["epochs_kept"] for run in told[1:]] == [None, None]
    with open(tmp_path / "out" / "compare.csv", newline="") as file:
        assert [row["epochs_kept"] for row in csv.DictReader(file)] == [kept, "", ""]
    assert f"| {kept} |" in (tmp_path / "out" / "compare.md").read_text()


def told_otherwise(run: Path, copy: Path, **changes: Any) -> Path:
    """A copy of a run whose result says something else; a change to ``None`` takes the key away."""
    shutil.copytree(run, copy)
    result = json.loads((copy / "result.json").read_text()) | {"name": copy.name} | changes
    kept = {key: value for key, value in result.items() if value is not None or key not in changes}
    (copy / "result.json").write_text(json.dumps(kept))
    seal(copy)
    return copy


def test_scores_that_cannot_be_compared_stand_in_columns_of_their_own(runs: dict[str, Path], tmp_path: Path) -> None:
    """Of another metric, split or data; every form says of which; validation chooses nothing among them."""
    data = json.loads((runs["probe"] / "result.json").read_text())["dataset"]
    others = [
        told_otherwise(runs["probe"], tmp_path / "metric", metric="macro_accuracy"),
        told_otherwise(runs["probe"], tmp_path / "data", dataset=data | {"fingerprint": "f" * 64}),
        told_otherwise(runs["probe"], tmp_path / "split", test_on="val"),
    ]
    comparison = compared(runs["ga-net"], runs["probe"], *others, out=tmp_path)
    headers, rows = comparison_table(comparison)
    scores = [name for name in headers if name.startswith("test")]
    assert scores == ["test accuracy (A)", "test macro_accuracy (B)", "test accuracy (C)", "test accuracy (D)"]
    filled = [[row[headers.index(name)] != "" for name in scores] for row in rows]
    assert filled == [[True, False, False, False]] * 2 + [[column == row for column in range(4)] for row in (1, 2, 3)]
    said = comparability(comparison)
    assert said[0].startswith("not comparable: ")
    assert [line.partition(",")[0] for line in said[1:5]] == [
        "(A) accuracy on test of few_digits",
        "(B) macro_accuracy on test of few_digits",
        "(C) accuracy on test of few_digits",
        "(D) accuracy on val of few_digits",
    ]
    letters = ["A", "A", "B", "C", "D"]
    assert [row["column"] for row in comparison.table] == letters
    assert [run["column"] for run in comparison_json(comparison)["runs"]] == letters
    assert comparison.best is None
    legend = compare_figure(comparison).axes[0].get_legend()
    assert legend is not None
    assert len(legend.get_texts()) == 4


EARLY = {
    (0, 1): ["seed 0 kept epoch 0 of 9: validation was best before anything was trained", "seed 1 kept epoch 1 of 9: "],
    (1, 1): ["seeds 0, 1 kept epoch 1 of 9: validation was best before much was trained"],
    (8, 2): [],
    (9, 2): ["seed 0 kept epoch 9 of 9: the best may lie beyond; raise trainer.epochs"],
    (0, 9): ["seed 0 kept epoch 0 of 9: validation", "seed 1 kept epoch 9 of 9: the best may lie beyond"],
}


@pytest.mark.parametrize("kept", EARLY, ids=str)
def test_an_epoch_before_much_was_trained_is_told_under_the_table(
    runs: dict[str, Path], tmp_path: Path, kept: tuple[int, int]
) -> None:
    """The start, and the first and last of several epochs, with the seeds that kept it."""
    run = told_otherwise(runs["ga-net"], tmp_path / "early", epochs=9, epochs_kept=list(kept))
    comparison = compared(run, runs["probe"], out=tmp_path)
    page = comparison_markdown(comparison)
    assert page.count("kept epoch") == len(EARLY[kept])
    for line, said in zip(comparison_json(comparison)["runs"][0]["notes"], EARLY[kept], strict=True):
        assert line.startswith(said)
        assert f"{line}\n" in page


@pytest.mark.parametrize("keep", ["last", None])
def test_a_last_epoch_that_nobody_chose_is_not_told(runs: dict[str, Path], tmp_path: Path, keep: str | None) -> None:
    """`trainer.keep` asked for it, or an older result does not say who did."""
    run = told_otherwise(runs["ga-net"], tmp_path / "last", epochs=9, epochs_kept=[9, 9], keep=keep)
    assert comparison_json(compared(run, runs["probe"], out=tmp_path))["runs"][0]["notes"] == []


SHARES = {
    "carries little": ([{"bottleneck": 0.03}, {"bottleneck": 0.05}], [40, 40], "(bottleneck 4.0%)"),
    "two messages carry little": ([{"skip": 0.01, "bottleneck": 0.02}] * 2, [40, 40], "(skip 1.0%, bottleneck 2.0%)"),
    "one of two carries enough": ([{"skip": 0.3, "bottleneck": 0.02}] * 2, [40, 40], None),
    "carries enough": ([{"bottleneck": 0.05}] * 2, [40, 40], None),
    "has no edges, which is told elsewhere": ([{"bottleneck": 0.0}] * 2, [0, 0], None),
    "does not say": (None, [40, 40], None),
}


@pytest.mark.parametrize(("shares", "edges", "said"), SHARES.values(), ids=SHARES)
def test_a_graph_that_carries_little_of_a_message_is_told(
    runs: dict[str, Path], tmp_path: Path, shares: Any, edges: list[int], said: str | None
) -> None:
    """Less than 5 % of every message, in the mean over the seeds."""
    result = json.loads((runs["ga-net"] / "result.json").read_text())
    graph = result["graph"] | {"neighbour_shares": shares, "support_edges": edges}
    run = told_otherwise(runs["ga-net"], tmp_path / "little", graph=graph, epochs_kept=[2, 2], epochs=9)
    notes = comparison_json(compared(run, runs["probe"], out=tmp_path))["runs"][0]["notes"]
    assert len(notes) == (said is not None)
    assert all(note.startswith("neighbours have less than 5% of a message") and said in note for note in notes)


def test_the_only_epoch_is_not_called_early(runs: dict[str, Path], tmp_path: Path) -> None:
    """Where a training has one epoch, all that was to be trained was."""
    run = told_otherwise(runs["ga-net"], tmp_path / "one", epochs=1, epochs_kept=[1, 1])
    (entry,) = compared(run, out=tmp_path).entries
    assert (str(entry.measured.epochs_kept), entry.measured.notes) == ("1, 1 of 1", ())


def test_a_result_that_does_not_say_its_epochs_is_still_read(runs: dict[str, Path], tmp_path: Path) -> None:
    """Runs of before have the epochs kept, and not of how many: those are shown, and no claim is made."""
    run = told_otherwise(runs["ga-net"], tmp_path / "before", epochs=None, epochs_kept=[1, 23])
    (entry,) = compared(run, out=tmp_path).entries
    assert (str(entry.measured.epochs_kept), entry.measured.notes) == ("1, 23", ())


def test_the_values_that_a_search_chose_are_told(runs: dict[str, Path], tmp_path: Path) -> None:
    """A line a run that searched, and in compare.json; none for one that did not."""
    values = {"graph.threshold": 0.9, "task.head": {"type": "linear"}}
    run = told_otherwise(runs["ga-net"], tmp_path / "searched", chosen=values)
    comparison = compared(runs["probe"], run, out=tmp_path)
    said = "chosen by searched: graph.threshold 0.9, task.head linear"
    assert [line for line in comparison_notes(comparison) if "chosen" in line] == [said]
    assert f"- {said}\n" in comparison_markdown(comparison)
    assert [one["chosen"] for one in comparison_json(comparison)["runs"]] == [{}, values]


def graftwork(monkeypatch: Patch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["graftwork", *map(str, arguments)])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_compare_on_the_command_line(
    runs: dict[str, Path], tmp_path: Path, capsys: Capture, monkeypatch: Patch
) -> None:
    """A table, Markdown or JSON on standard output; files in the folder named."""
    monkeypatch.chdir(tmp_path)
    folders = list(runs.values())
    assert graftwork(monkeypatch, "compare", *folders, "--out", "here") == 0
    output = capsys.readouterr().out
    assert "comparable: the same data set" in output
    *_, chart, use = output.splitlines()
    best = max(METHODS, key=lambda name: Result.read(runs[name] / "result.json").selection.mean or 0)
    assert chart == str(tmp_path / "here" / "compare.svg")
    assert use.startswith(f"the best on validation, {best}: graftwork predict {runs[best]} ")
    assert graftwork(monkeypatch, "compare", *folders, "--format", "json") == 0
    assert [run["name"] for run in json.loads(capsys.readouterr().out)["runs"]] == list(METHODS)
    assert (tmp_path / "runs" / "compare" / "compare.md").is_file()
    assert graftwork(monkeypatch, "compare", *folders, "--format", "markdown") == 0
    assert capsys.readouterr().out == (tmp_path / "runs" / "compare" / "compare.md").read_text()


def test_tables_of_other_runs_are_replaced_with_a_note(
    runs: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Which runs are no longer in the table; none where all still are."""
    first, second, *_ = runs.values()
    for folders, said in (((first,), 0), ((first, second), 0), ((second,), 1)):
        caplog.clear()
        write_comparison(compared(*folders, out=tmp_path), tmp_path)
        assert len(caplog.messages) == said
    assert f"compare.md: its tables told of {first.name} as well, and no longer do" in caplog.messages[0]


def test_specs_on_the_command_line_share_settings_and_seeds(
    tmp_path: Path, tiny_clip: Path, capsys: Capture, monkeypatch: Patch
) -> None:
    """--set and --seeds hold for every spec; one that fails is the exit code, after the rest was written."""
    monkeypatch.chdir(tmp_path)
    base = {
        "dataset": {"type": "digits", "shots": 16},
        "encoder": {"type": "open_clip", "model": f"local-dir:{tiny_clip}"},
        "adapter": {"type": "none"},
        "trainer": {"epochs": 5, "optimizer": {"type": "adamw", "lr": 1e30}},
    }
    heads = {"good": {"type": "logistic_regression"}, "bad": {"type": "linear"}}
    for name, head in heads.items():
        value = {**base, "name": name, "task": {"type": "classification", "head": head}}
        if name == "bad":
            value["adapter"] = {"type": "bottleneck"}
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    shared = ["--set", "dataset.shots=2", "--seeds", "2", "--format", "json"]
    assert graftwork(monkeypatch, "compare", "good.json", "bad.json", *shared) == 2
    output = capsys.readouterr()
    told = json.loads(output.out)
    assert [run["name"] for run in told["runs"]] == ["good"]
    assert (told["shared"]["shots"], told["shared"]["seeds"]) == ("2", "0, 1")
    assert "bad: failed: the loss is no longer finite" in output.err


def test_the_python_face_takes_pipelines_and_runs(runs: dict[str, Path], tmp_path: Path) -> None:
    """Beside files and folders; what it gives is a table, as numbers, as text and for a notebook."""
    base = {"evaluation__seeds": [0, 1], "dataset__shots": 4, "device": "cpu", "trainer__epochs": 1}
    run = pipeline(**base, name="run").run(tmp_path / "run", tmp_path / "store")
    spec = spec_file(tmp_path / "spec.json", name="file", device="cpu")
    given = [runs["probe"], run, pipeline(**base, name="pipeline"), spec]
    done = graftwork_compare(given, {"dataset.shots": 4}, seeds=[0, 1], out=tmp_path / "out", catalogue=catalogue())
    names = [row["name"] for row in done.table]
    assert names == ["probe", "run", "pipeline", "file"]
    assert [row["test_mean"] for row in done.table] == [one.measured.test.mean for one in done.entries]
    assert done.table[1]["test_mean"] == done.table[2]["test_mean"]
    assert done.entries[2].folder.name.startswith("pipeline-")
    assert repr(done).startswith(f"Comparison(probe: accuracy {done.entries[0].measured.test}; run: ")
    assert str(done) == (tmp_path / "out" / "compare.md").read_text()
    shown = done._repr_html_()
    assert all(f">{name}<" in shown for name in names)
    assert "paired: run is " in shown
    assert done.best is not None
    assert done.best.measured.val is not None
    assert all(one.measured.val is None or one.measured.val.mean <= done.best.measured.val.mean for one in done.entries)


@pytest.mark.parametrize("given", ["runs/a", [], Path("a")])
def test_the_python_face_refuses_what_is_no_list(given: Any, tmp_path: Path) -> None:
    """A path alone is no list of its letters; nothing is written."""
    with pytest.raises(UserError, match="a list of at least one"):
        graftwork_compare(given, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_is_shown_by_what_it_measured(tmp_path: Path) -> None:
    """In a line, and as the table of the command line with its notes; names are escaped."""
    run = pipeline(trainer__epochs=1, device="cpu").run(tmp_path / "<b>run", tmp_path / "store")
    score = run.typed.test["accuracy"]
    assert repr(run) == f"Run({str(run.folder)!r}: accuracy {score} on test)"
    shown = run._repr_html_()
    assert f">{score}<" in shown
    assert ">neighbours&#x27; share, " in shown
    assert "&lt;b&gt;run" in shown
    assert "<b>" not in shown
    assert all(html.escape(note) in shown for note in notes_of(run.typed))


def test_a_prediction_is_shown_by_its_classes() -> None:
    """In a line, and as a table of the likeliest with whom it heard; whatever is in the names."""
    evil = "<script>x</script>\x1b"
    said = Prediction(evil, 0.75, {evil: 0.75, "b": 0.25}, (Neighbour(evil, None, 0.5),), f"a {evil}")
    assert repr(said) == "Prediction('<script>x</script>\\x1b', 0.750)"
    shown = said._repr_html_()
    assert "<script" not in shown
    assert "\x1b" not in shown
    assert shown.count("&lt;script&gt;x&lt;/script&gt;\\x1b") == 3
    assert ">0.750<" in shown
    assert "unlabelled, cosine 0.500" in shown
