"""What the documents show is true of the code."""

from __future__ import annotations

import math
from pathlib import Path

import click
import pytest

from graftwork import Pipeline
from graftwork.core.cli import COMMANDS, cli
from graftwork.registry.discovery import default_catalogue

from ..support.paths import ROOT

EXAMPLES = [
    path
    for folder in (ROOT / "examples", ROOT / "examples" / "real", ROOT / "examples" / "sequences")
    for path in sorted(folder.glob("*.json"))
    if not path.name.endswith(".schema.json")
]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_valid(path: Path) -> None:
    """A stranger's first command must not fail."""
    assert Pipeline.from_file(path).spec.name


def test_trained_methods_on_digits_get_the_same_care() -> None:
    """Same data, encoder, prompts, seeds and epochs; as many search combinations for each."""
    trained = ["digits_linear_probe", "digits_bottleneck", "digits_ganet_images"]
    specs = [Pipeline.from_file(ROOT / "examples" / f"{name}.json").spec for name in trained]
    for section in ("dataset", "encoder", "evaluation"):
        assert len({getattr(spec, section).model_dump_json() for spec in specs}) == 1
    assert {spec.trainer.epochs for spec in specs} == {200}
    assert {math.prod(map(len, spec.search.values())) for spec in specs} == {18}


def test_the_ganet_example_adapts_the_pocket_clip(tmp_path: Path, encoded_once: Path) -> None:
    """One seed of the example beats a floor under what zero-shot reaches, on the test split."""
    overrides = {"search": {}, "evaluation.seeds": [0], "reporters": []}
    run = Pipeline.from_file(ROOT / "examples" / "ganet_digits.json", overrides).run(tmp_path / "run", encoded_once)
    assert run.result["test"]["accuracy"]["mean"] > 0.94


POCKET = ("pocket_events", "pocket_vqa", "pocket_nlvr2", "pocket_retrieval")


@pytest.mark.parametrize("name", [*POCKET, "hmmoe_pocket_avs_ms3", "hmmoe_pocket_avqa", "hmmoe_pocket_msrvtt"])
def test_the_cross_modal_examples_run_and_weigh_what_the_plan_says(name: str, tmp_path: Path) -> None:
    """A few items of each, one epoch: the pocket towers, the pocket world, experts at 5 to 8 % of the frozen model."""
    few = {"dataset.train": 24, "dataset.val": 8, "dataset.test": 16, "trainer.epochs": 1, "evaluation.seeds": [0]}
    pipeline = Pipeline.from_file(ROOT / "examples" / f"{name}.json", {**few, "reporters": []})
    plan = pipeline.plan(tmp_path / "store")
    result = pipeline.run(tmp_path / "run", tmp_path / "store").result
    assert plan.trainable == result["parameters"]["trainable"]
    assert 0.05 < result["adapter"]["share_of_frozen"] < 0.08


@pytest.mark.parametrize("name", ["ave", "avs_s4", "avs_ms3", "avqa", "msrvtt", "msvd", "vqa", "nlvr2"])
def test_all_eight_tasks_have_a_pocket_version_that_can_be_planned(name: str, tmp_path: Path) -> None:
    """One training each, of HMMoE by a budget of 5 to 8 %, on the pocket world."""
    few = {"dataset.train": 24, "dataset.val": 8, "dataset.test": 16}
    pipeline = Pipeline.from_file(ROOT / "examples" / f"hmmoe_pocket_{name}.json", {**few, "reporters": []})
    spec, plan = pipeline.spec, pipeline.plan(tmp_path / "store")
    assert (spec.dataset.type, spec.adapter and spec.adapter.type, spec.evaluation.seeds) == (
        "pocket_world",
        "hmmoe",
        (0,),
    )
    assert plan.trainable


@pytest.mark.parametrize("name", ["msrvtt", "msvd"])
def test_frozen_towers_leave_something_to_gain_where_clips_are_found(name: str, tmp_path: Path) -> None:
    """Mean recall of the frozen scene CLIP between .4 and .7 on the test split that the example reports on."""
    frozen = {"adapter": {"type": "none"}, "dataset.train": 16, "dataset.val": 16, "trainer.epochs": 1}
    pipeline = Pipeline.from_file(ROOT / "examples" / f"hmmoe_pocket_{name}.json", {**frozen, "reporters": []})
    recall = pipeline.run(tmp_path / "run", tmp_path / "store").result["test"]["mean_recall"]["mean"]
    assert 0.4 < recall < 0.7


def test_the_first_page_lists_every_built_in() -> None:
    """Each built-in type stands in its table."""
    text = (ROOT / "docs" / "index.md").read_text("utf-8")
    builtin = next(plugin for plugin in default_catalogue().plugins if plugin.name == "builtin")
    assert [one.name for one in builtin.components if f"`{one.type}`" not in text] == []


def test_the_command_line_page_lists_every_command() -> None:
    """Each command stands in the table, with those below it."""
    text = (ROOT / "docs" / "command_line.md").read_text("utf-8")
    context = click.Context(cli)
    commands = {name: cli.get_command(context, name) for name in COMMANDS}
    names = [
        f"{name} {below}" if below else name
        for name, command in commands.items()
        for below in (command.list_commands(context) if isinstance(command, click.Group) else [""])
    ]
    assert {"run", "plugins check", "plugin new"} <= set(names)
    assert [name for name in names if f"| `graftwork {name} " not in text and f"| `graftwork {name}`" not in text] == []
