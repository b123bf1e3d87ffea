"""Searches: every combination of lists, or proposals from ranges; validation alone is heard."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from graftwork import Pipeline
from graftwork.core.events import RunStarted
from graftwork.core.run.measured import notes_of
from graftwork.core.run.run import Run
from graftwork.core.run.search import search_of
from graftwork.core.spec.search_values import trial_count
from graftwork.core.storage.result import Result
from graftwork.core.studies.sweep import grid_of, points_of
from graftwork.core.testing.checks.reporters import RESULT
from graftwork.registry.errors import MissingExtra, SpecError

from ...support.paths import ROOT
from ...support.small_pipeline import Hearing, pipeline

RATE = "trainer.optimizer.lr"
LR = {RATE: {"low": 1e-4, "high": 0.1, "log": True}}
DUAL: dict[str, Any] = {
    "type": "dual",
    "image": {"type": "transformers", "model": "pocket:scene_clip"},
    "text": {"type": "open_clip", "model": "pocket"},
}
QUICK: dict[str, Any] = {"trainer__epochs": 2, "dataset__shots": 3}


def problems(**overrides: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        pipeline(**overrides)
    return [f"{one.json_path}: {one.reason}" + (f" ({one.hint})" if one.hint else "") for one in caught.value.problems]


def test_what_is_wrong_whatever_is_tried_is_said_once() -> None:
    """Of values that have nothing to do with it; a value that is wrong itself is said beside it."""
    wrong: dict[str, Any] = {
        "task__head": {"type": "cosine"},
        "encoder": DUAL,
        "graph": None,
        "adapter": {"type": "bottleneck"},
    }
    (base,) = problems(**wrong)
    assert problems(**wrong, search={"adapter.bottleneck": [4, 8, 16], RATE: [0.1, 0.01]}) == [base]
    both = problems(**wrong, search={"adapter.bottleneck": [4, -1]})
    assert both[0] == base
    assert len(both) == 2
    assert "adapter.bottleneck = -1" in both[1]


def searched(out: Path, **overrides: Any) -> Run:
    return pipeline(**{**QUICK, "search": LR, "trials": 6, **overrides}).run(out)


def test_lists_without_trials_are_every_combination_in_order() -> None:
    """As the spec has them, the last path fastest."""
    spec = pipeline(search={"graph.threshold": [0.7, 0.8], "adapter.bottleneck": [4, 8]}).spec
    found = [tuple(values.values()) for values in search_of(spec)]
    assert found == [(0.7, 4), (0.7, 8), (0.8, 4), (0.8, 8)]
    assert trial_count(spec) == 4
    assert [*search_of(pipeline().spec)] == [{}]


def test_as_many_combinations_as_trials_within_the_range(tmp_path: Path) -> None:
    """All of them told with their validation score; the best of them is the one reported."""
    result = searched(tmp_path / "run", reporters=[{"type": "hearing"}]).result
    assert len(result["tried"]) == 6
    assert all(1e-4 <= one["values"][RATE] <= 0.1 for one in result["tried"])
    best = max(one["selection"] for one in result["tried"])
    assert result["chosen"] == next(one["values"] for one in result["tried"] if one["selection"] == best)
    assert [event.trainings for event in Hearing.heard if isinstance(event, RunStarted)] == [6]
    assert "optuna" in result["versions"]


def test_proposals_are_the_same_under_the_same_seed(tmp_path: Path) -> None:
    """And others under another."""
    first, second, other = (
        [one["values"] for one in searched(tmp_path / name, seed=seed, evaluation__seeds=[0]).result["tried"]]
        for name, seed in (("first", 0), ("second", 0), ("other", 1))
    )
    assert first == second != other


def test_the_test_split_has_no_say(tmp_path: Path) -> None:
    """Its targets turned to nonsense: the same proposals, the same choice."""
    honest = searched(tmp_path / "honest").result
    garbage = searched(tmp_path / "garbage", dataset__rotate={"test": 1}).result
    assert honest["tried"] == garbage["tried"]
    assert honest["chosen"] == garbage["chosen"]
    assert honest["test"] != garbage["test"]


def test_proposals_follow_what_was_told() -> None:
    """After the random start the proposals gather where the score is high."""
    spec = pipeline(search={RATE: {"low": 0.001, "high": 1.0}}, trials=60).spec
    search, seen = search_of(spec), []
    for values in search:
        seen.append(values[RATE])
        search.tell(-abs(values[RATE] - 0.3))
    late = sum(abs(one - 0.3) for one in seen[40:]) / 20
    early = sum(abs(one - 0.3) for one in seen[:10]) / 10
    assert late < early / 2


def test_integers_stay_integers_and_objects_stay_objects(tmp_path: Path) -> None:
    """A range between two integers, and a list of components, in one search."""
    heads = [{"type": "linear"}, {"type": "cosine", "scale": 5.0}]
    search = {"adapter.bottleneck": {"low": 2, "high": 9}, "task.head": heads}
    result = searched(tmp_path / "run", search=search, trials=8).result
    for one in result["tried"]:
        assert type(one["values"]["adapter.bottleneck"]) is int
        assert 2 <= one["values"]["adapter.bottleneck"] <= 9
        assert one["values"]["task.head"] in heads


def test_a_combination_that_diverges_loses_and_the_search_goes_on(tmp_path: Path) -> None:
    """It is told with its reason and no score."""
    search = {RATE: [0.01, 1e30], "adapter.bottleneck": {"low": 2, "high": 9}}
    result = searched(tmp_path / "run", search=search, trials=8, trainer__epochs=5).result
    failed = [one for one in result["tried"] if one["selection"] is None]
    assert failed
    assert len(result["tried"]) == 8
    assert all("no longer finite" in one["failure"] for one in failed)


def test_without_optuna_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The spec is valid, and the run ends before anything is encoded; lists alone need no optuna."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra, match=r'pip install "graftwork\[search\]"'):
        searched(tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert len(searched(tmp_path / "lists", search={RATE: [0.01, 0.1]}, trials=None).result["tried"]) == 2


def test_ranges_that_cannot_be_are_told_at_their_place() -> None:
    """One problem for one mistake."""
    place = f'$.search["{RATE}"]'
    assert problems(search={RATE: {"low": 2, "high": 1}}, trials=3) == [
        f"{place}: low is 2 and must be less than high, 1"
    ]
    assert problems(search={RATE: {"low": 0.0, "high": 1.0, "log": True}}, trials=3) == [
        f"{place}: a logarithmic range starts above 0, not at 0.0"
    ]
    assert problems(search={RATE: {"low": 0.1, "high": 1.0, "lg": True}}, trials=3) == [
        f"{place}.lg: unknown key `lg` (did you mean `log`?)"
    ]
    assert problems(search={RATE: 3}) == [f"{place}: expected a list, not 3"]


def test_both_ends_of_a_range_must_make_a_valid_spec() -> None:
    """Named with the value, as for lists."""
    (said,) = problems(search={"graph.threshold": {"low": 0.5, "high": 1.5}}, trials=3)
    assert said.startswith('$.search["graph.threshold"].high: with graph.threshold = 1.5: $.graph.threshold')


def test_ranges_and_trials_need_each_other() -> None:
    """Both ways, with what to add."""
    assert problems(search=LR) == [
        f'$.search["{RATE}"]: a range needs a number of trials (add "trials": 30, or list the values)'
    ]
    assert problems(trials=3) == [
        "$.trials: there is nothing to search (name values under `search`, or leave `trials` out)"
    ]
    assert problems(search={"trials": [1, 2]})[0].startswith("$.search.trials: a search cannot try values of `trials`")


def test_a_plan_counts_trials() -> None:
    """Trials times seeds."""
    assert pipeline(search=LR, trials=7, evaluation__seeds=[0, 1]).plan().trainings == 14


def test_the_example_of_the_page_is_valid() -> None:
    """The block of ``docs/command_line.md``, in the pipeline of the GA-Net example."""
    root = ROOT
    block = re.search(r"```json\n(.*?)```", (root / "docs" / "command_line.md").read_text("utf-8"), re.DOTALL)
    assert block is not None
    base = json.loads((root / "examples" / "ganet_digits.json").read_text("utf-8"))
    assert trial_count(Pipeline.from_dict(base | json.loads(block.group(1))).spec) == 30


def test_a_sweep_varies_lists_alone() -> None:
    """A range has no points; beside a grid it is searched at each point, and goes when its key is swept."""
    made = pipeline(search=LR, trials=7)
    with pytest.raises(SpecError, match=rf"a sweep cannot vary a range .*--grid {RATE}=\[\.\.\.\]"):
        grid_of(made.spec, None)
    (_, beside), *_ = points_of(made.spec, {"graph.threshold": [0.7]}, None, made.catalogue)
    assert beside.trials == 7
    (_, instead), *_ = points_of(made.spec, {RATE: [0.1]}, None, made.catalogue)
    assert (instead.trials, dict(instead.search)) == (None, {})


def test_a_chosen_number_at_an_end_of_its_list_is_a_note(tmp_path: Path) -> None:
    """Of three or more; where another value did as well, nothing is said, nor of what has a bound there."""
    lists = {RATE: [1e-9, 1e-8, 0.05], "adapter.bottleneck": [4, 8]}
    result = searched(tmp_path / "run", search=lists, trials=None, dataset__shots=None).result
    assert result["listed"] == lists
    (note,) = at_an_end(result)
    assert note == f"{RATE} 0.05 is the greatest value tried: the best may lie beyond"
    still = {RATE: [1e-30, 2e-30, 3e-30]}
    assert at_an_end(searched(tmp_path / "still", search=still, trials=None).result) == []
    assert at_an_end(searched(tmp_path / "ranges").result) == []


@pytest.mark.parametrize(
    ("listed", "chosen", "said"),
    [
        ([0.1, 0.2, 0.3], 0.1, ["x 0.1 is the least value tried: the best may lie below"]),
        ([0.1, 0.2, 0.3], 0.2, []),
        ([0.1, 0.3], 0.1, []),
        ([0, 0.2, 0.3], 0, []),
        ([1, 4, 16], 1, []),
        ([1, 4, 16], 16, ["x 16 is the greatest value tried: the best may lie beyond"]),
        ([False, True, None], False, []),
        (["a", "b", "c"], "a", []),
    ],
)
def test_which_ends_are_told(listed: list[Any], chosen: Any, said: list[str]) -> None:
    tried = [{"values": {"x": value}, "selection": float(value == chosen)} for value in listed]
    result = {"chosen": {"x": chosen}, "listed": {"x": listed}, "tried": tried, "selection": {"mean": 1.0}}
    assert at_an_end(result) == said


def at_an_end(result: dict[str, Any]) -> list[str]:
    rest = {"epochs": 0, "selection": RESULT["selection"] | result["selection"]}
    whole = Result.from_json(RESULT | result | rest, "a result")
    return [note for note in notes_of(whole) if "value tried" in note]
