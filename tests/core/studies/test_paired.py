"""Runs held against each other item by item."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from graftwork.core.cli import cli
from graftwork.core.storage.manifest import seal
from graftwork.core.storage.run_folder import RunFolderError
from graftwork.core.studies.compare import compare
from graftwork.core.studies.compare_report import comparison_json, paired_lines
from graftwork.core.studies.paired import Paired, Unpaired, interval_of, paired
from graftwork.registry.errors import UserError

from ...support.small_pipeline import catalogue, pipeline


def scores(*rows: list[float]) -> dict[int, dict[str, float]]:
    return {seed: {f"item {index}": float(score) for index, score in enumerate(row)} for seed, row in enumerate(rows)}


def test_one_seed_is_the_bootstrap_over_items() -> None:
    """Of a mean: near the normal interval where items are many."""
    generator = numpy.random.default_rng(1)
    one, other = (generator.random((1, 2000)) < share for share in (0.8, 0.7))
    found = paired("a", scores(*one.tolist()), "b", scores(*other.tolist()))
    difference = one[0].astype(float) - other[0]
    half = 1.96 * difference.std() / math.sqrt(2000)
    assert found.difference == pytest.approx(difference.mean())
    assert (found.low, found.high) == pytest.approx(
        (difference.mean() - half, difference.mean() + half), abs=0.05 * half
    )


def test_seeds_count_as_a_sample_too() -> None:
    """Every item of a seed moves together: the interval is that of the seeds, however many the items."""
    moved = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    found = paired("a", scores(*[[one] * 500 for one in moved]), "b", scores(*[[0.0] * 500] * 8))
    assert found.difference == 0.5
    half = 1.96 * 0.5 / math.sqrt(8)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.15)


def test_items_that_are_all_alike_are_few_all_the_same() -> None:
    """Drawn again they would leave no interval: the exact one of twelve of twelve (Clopper and Pearson) is told."""
    right = scores([1.0] * 12)
    assert interval_of(right) == pytest.approx((0.7354, 1.0), abs=1e-4)
    assert interval_of(scores([0.0] * 12)) == pytest.approx((0.0, 0.2646), abs=1e-4)
    level, ahead = paired("a", right, "b", right), paired("a", right, "b", scores([0.0] * 12))
    assert (level.low, level.high) == pytest.approx((-0.2646, 0.2646), abs=1e-4)
    assert (ahead.low, ahead.high) == pytest.approx((1 - 2 * 0.2646, 1.0), abs=1e-4)


def test_mcnemar_is_exact() -> None:
    """By hand: 5 items that only one has right, 1 that only the other: 2 (C(6,0) + C(6,1)) / 2^6."""
    one = [1] * 5 + [0] + [1] * 10
    other = [0] * 5 + [1] + [1] * 10
    assert paired("a", scores(one), "b", scores(other)).p_values == pytest.approx((2 * (1 + 6) / 64,))
    assert paired("a", scores(one), "b", scores(one)).p_values == (1.0,)
    assert paired("a", scores([0.5, 1.0]), "b", scores([1.0, 0.0])).p_values == ()


@given(st.lists(st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=4, max_size=4), min_size=1, max_size=3), st.data())
def test_turned_around_it_is_the_same(rows: list[list[float]], data: st.DataObject) -> None:
    """And of a run with itself nothing, but for what so few items can say; the difference lies where it can."""
    others = [data.draw(st.permutations(row)) for row in rows]
    there = paired("a", scores(*rows), "b", scores(*others))
    back = paired("b", scores(*others), "a", scores(*rows))
    assert back.difference == pytest.approx(-there.difference)
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low))
    assert there.low <= there.high
    same = paired("a", scores(*rows), "b", scores(*rows))
    assert (same.difference, same.low) == (0.0, -same.high)


def test_a_seed_may_have_items_of_its_own() -> None:
    """Where it redraws the splits: the mean is over every item and seed there is."""
    one = {0: {"a": 1.0, "b": 0.0}, 1: {"c": 1.0}}
    other = {0: {"a": 0.0, "b": 0.0}, 1: {"c": 0.0}}
    found = paired("x", one, "y", other)
    assert (found.difference, found.items, found.seeds) == (pytest.approx(2 / 3), 3, 2)


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ({0: {"a": 1.0}}, {1: {"a": 1.0}}, "share no seed"),
        ({0: {"a": 1.0}}, {0: {"b": 1.0}}, "different items"),
        ({0: {"a": 1.0}}, {0: {"a": 1.0, "b": 1.0}}, "different items"),
        ({0: {}}, {0: {}}, "no item"),
    ],
)
def test_what_cannot_be_paired_says_why(one: dict[int, dict[str, float]], other: object, said: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(Unpaired, match=said):
        paired("x", one, "y", other)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("paired")
    fields = {"evaluation__seeds": [0, 1], "dataset__shots": 4, "device": "cpu"}
    probe = {"adapter": {"type": "none"}, "task__head": {"type": "logistic_regression"}}
    others = {"ga-net": {}, "probe": probe, "silent": {**probe, "evaluation__predictions": "none"}}
    return [
        pipeline(**fields, **own, name=name).run(folder / name, folder / "store").folder  # type: ignore[arg-type]
        for name, own in others.items()
    ]


def test_a_comparison_pairs_with_the_first(runs: list[Path], tmp_path: Path) -> None:
    """The difference is that of the means; what keeps no predictions is named."""
    comparison = compare(runs, {}, catalogue(), tmp_path / "store", tmp_path)
    (found,) = comparison.paired
    means = [one.measured.test.mean for one in comparison.entries]
    assert (found.name, found.against) == ("probe", "ga-net")
    assert found.difference == pytest.approx(means[1] - means[0])
    assert found.low <= found.difference <= found.high
    assert (found.items, found.seeds, len(found.p_values)) == (60, 2, 2)
    assert comparison.unpaired == {"silent": "silent keeps no predictions of items"}
    assert paired_lines(comparison)[1] == "not paired item by item: silent: silent keeps no predictions of items"
    assert comparison_json(comparison)["paired"][0]["difference"] == found.difference


def test_a_name_that_fits_two_is_refused_with_both(runs: list[Path], tmp_path: Path) -> None:
    """Two folders called alike, a run called as another one's folder, two of one name in folders of one name."""
    for place, run in (("a/same", runs[0]), ("b/same", runs[1]), ("probe", runs[0]), ("c/ga-net", runs[0])):
        shutil.copytree(run, tmp_path / place)

    def against(name: str, *places: str) -> str:
        given = [tmp_path / place for place in places]
        return compare(given, {}, catalogue(), tmp_path / "store", tmp_path, against=name).paired[0].against

    with pytest.raises(UserError, match="--against same: several runs are called so; say which 'ga-net', 'probe'"):
        against("same", "a/same", "b/same")
    assert against("probe", "a/same", "b/same") == "probe"
    assert against("probe", "b/same", "probe") == "probe"  # its own name, before that of a folder
    assert against("ga-net (same)", "c/ga-net", "a/same", "b/same") == "ga-net (same)"
    with pytest.raises(UserError, match="--against other: no such run; there are 'ga-net', 'probe'"):
        against("other", "a/same", "b/same")


def test_with_another_by_its_name(runs: list[Path], tmp_path: Path) -> None:
    """In Python and on the command line; a name that is none is an error with those there are."""
    (found,) = compare(runs[:2], {}, catalogue(), tmp_path / "store", tmp_path, against="probe").paired
    assert (found.name, found.against) == ("ga-net", "probe")
    with pytest.raises(UserError, match=r"--against nobody: no such run; there are 'ga-net', 'probe'"):
        compare(runs[:2], {}, catalogue(), tmp_path / "store", tmp_path, against="nobody")
    spec = pipeline(name="later").spec
    with pytest.raises(UserError, match=r"--against nobody: no such run; there are 'ga-net', 'later'"):
        compare([runs[0], spec], {}, catalogue(), tmp_path / "store", tmp_path / "new", against="nobody")
    assert not (tmp_path / "new").exists()
    arguments = ["compare", *map(str, runs[:2]), "--against", "probe", "--format", "json", "--out", str(tmp_path / "x")]
    said = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert json.loads(said.stdout)["paired"][0]["against"] == "probe"


def test_it_is_told_in_a_line() -> None:
    """With the verdict that the interval allows, and the conditions."""
    one = Paired("a", "b", 0.0123, -0.001, 0.02, (0.5, 0.04, 0.2), 540, 3)
    assert str(one) == (
        "a is not told apart from b: +0.0123, 95 % interval -0.0010 to +0.0200 (540 items, 3 seeds; exact McNemar "
        "median p = 0.2)"
    )
    assert str(replace(one, low=0.001)).startswith("a is ahead of b: +0.0123, ")
    assert str(replace(one, difference=-0.01, high=-0.001)).startswith("a is behind b: -0.0100, ")


def test_other_contents_under_the_same_names_are_other_items(runs: list[Path], tmp_path: Path) -> None:
    """And so are other targets: nothing is said of them item by item."""
    fields = {"evaluation__seeds": [0, 1], "dataset__shots": 4, "device": "cpu"}
    other = pipeline(**fields, dataset__rotate={"test": 1}, name="other").run(tmp_path / "run", tmp_path / "store")
    comparison = compare([runs[0], other.folder], {}, catalogue(), tmp_path / "store", tmp_path)
    assert comparison.paired == ()
    assert comparison.unpaired == {"other": "the runs were scored on different items"}


def _with_lines(run: Path, folder: Path, alter: Callable[[list[str]], list[str]]) -> Path:
    shutil.copytree(run, folder)
    lines = (folder / "predictions.jsonl").read_text().splitlines(keepends=True)
    (folder / "predictions.jsonl").write_text("".join(alter(lines)))
    (folder / "manifest.json").unlink()
    seal(folder)
    return folder


@pytest.mark.parametrize(
    ("alter", "told"),
    [
        (lambda lines: [line.replace('"score": 1.0', '"score": 1e308') for line in lines], "are not those of accuracy"),
        (lambda lines: [line.replace('"score": 1.0', '"score": 0.0') for line in lines], "are not those of accuracy"),
        (lambda lines: lines[:200], "the scores of seed 1 are not those of accuracy"),
        (lambda lines: ["x" * (1 << 21), *lines], r"line 1: longer than 1,048,576 bytes"),
        (lambda lines: [line.replace('"score": 1.0', '"score": NaN') for line in lines], "line .*`score`"),
    ],
    ids=["huge", "other scores", "fewer lines", "an endless line", "no number"],
)
def test_scores_that_are_not_those_of_the_result_are_refused(
    runs: list[Path], tmp_path: Path, alter: Callable[[list[str]], list[str]], told: str
) -> None:
    """Also where the manifest was written anew."""
    altered = _with_lines(runs[1], tmp_path / "altered", alter)
    with pytest.raises(RunFolderError, match=f"predictions.jsonl.*{told}"):
        compare([runs[0], altered], {}, catalogue(), tmp_path / "store", tmp_path / "out")


def test_a_pipe_in_the_place_of_predictions_is_refused(runs: list[Path], tmp_path: Path) -> None:
    """Nobody waits for it, listed in the manifest or not."""
    shutil.copytree(runs[1], tmp_path / "altered")
    (tmp_path / "altered" / "predictions.jsonl").unlink()
    os.mkfifo(tmp_path / "altered" / "predictions.jsonl")
    with pytest.raises(RunFolderError, match=r"predictions\.jsonl"):
        compare([runs[0], tmp_path / "altered"], {}, catalogue(), tmp_path / "store", tmp_path / "out")
    (tmp_path / "altered" / "manifest.json").unlink()
    seal(tmp_path / "altered")
    with pytest.raises(RunFolderError, match=r"predictions\.jsonl"):
        compare([runs[0], tmp_path / "altered"], {}, catalogue(), tmp_path / "store", tmp_path / "out")
