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
    for folder in (ROOT / "examples", ROOT / "examples" / "real")
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


def test_the_ganet_example_adapts_the_pocket_clip(tmp_path: Path) -> None:
    """One seed of the example beats a floor under what zero-shot reaches, on the test split."""
    overrides = {"search": {}, "evaluation.seeds": [0], "reporters": []}
    run = Pipeline.from_file(ROOT / "examples" / "ganet_digits.json", overrides).run(
        tmp_path / "run", tmp_path / "store"
    )
    assert run.result["test"]["accuracy"]["mean"] > 0.94


@pytest.mark.parametrize("task", ["events", "vqa", "nlvr2", "retrieval"])
def test_the_cross_modal_examples_run_and_weigh_what_the_plan_says(task: str, tmp_path: Path) -> None:
    """A few items of each, one epoch: the pocket towers, the pocket world, experts at 5 to 8 % of the frozen model."""
    few = {"dataset.train": 24, "dataset.val": 8, "dataset.test": 16, "trainer.epochs": 1, "evaluation.seeds": [0]}
    pipeline = Pipeline.from_file(ROOT / "examples" / f"pocket_{task}.json", {**few, "reporters": []})
    plan = pipeline.plan(tmp_path / "store")
    result = pipeline.run(tmp_path / "run", tmp_path / "store").result
    assert plan.trainable == result["parameters"]["trainable"]
    assert 0.05 < result["adapter"]["share_of_frozen"] < 0.08


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
