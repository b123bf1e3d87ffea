"""Runs that are found in a folder, whatever else lies there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from graftwork.core.cli import cli
from graftwork.core.studies.found_runs import find_runs
from graftwork.registry.errors import UserError

from ...support.small_pipeline import pipeline


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, a sweep, one that was cut off, one that was altered."""
    folder, store = tmp_path_factory.mktemp("all") / "runs", tmp_path_factory.mktemp("store")
    small = pipeline(trainer__epochs=1, dataset__shots=4, device="cpu", evaluation__seeds=[0, 1])
    small.run(folder / "small", store)
    pipeline(adapter={"type": "none"}, graph=None, name="plain", trainer__epochs=1, device="cpu").run(
        folder / "within" / "other", store
    )
    small.sweep({"graph.threshold": [0.7, 0.9]}, out=folder / "small-sweep", store=store)
    shutil.copytree(folder / "small", folder / "altered")
    with (folder / "altered" / "result.json").open("a") as file:
        file.write(" ")
    (folder / "cut.partial").mkdir()
    (folder / "cut.partial" / "events.jsonl").write_text("")
    (folder / "notes").mkdir()
    return folder


def asked(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["runs", *map(str, arguments)], env={"COLUMNS": "200"})


def test_every_run_is_found(runs: Path) -> None:
    """At any depth, a sweep's points among them; what cannot be read is named, and costs nothing else."""
    found = find_runs(runs)
    assert [one.folder.relative_to(runs).parts[0] for one in found.runs] == ["small"] + ["small-sweep"] * 2 + ["within"]
    assert {one.folder.name: one.method for one in found.runs if one.name == "plain"} == {"other": "linear"}
    assert {one.method for one in found.runs if one.name == "small"} == {"ga_net + linear"}
    assert {path.name for path in found.broken} == {"altered", "cut.partial"}
    assert "was altered" in found.broken[runs / "altered"]
    assert "--resume" in found.broken[runs / "cut.partial"]


def test_the_scores_are_those_of_the_results(runs: Path) -> None:
    """In JSON, best first."""
    done = asked(runs, "--sort", "score", "--format", "json")
    said = json.loads(done.stdout)
    assert done.exit_code == 0
    assert [one["test"]["mean"] for one in said] == sorted((one["test"]["mean"] for one in said), reverse=True)
    for one in said:
        result = json.loads((Path(one["folder"]) / "result.json").read_text())
        assert one["test"] == result["test"]["accuracy"]
        assert one["trainable"] == result["parameters"]["trainable"]
    assert "left out: " in done.stderr


def test_runs_are_chosen_by_name_and_method(runs: Path) -> None:
    """A part of either will do; where none is left, that is said."""
    assert [one["name"] for one in json.loads(asked(runs, "--name", "PLA", "--format", "json").stdout)] == ["plain"]
    assert len(json.loads(asked(runs, "--method", "ga_net", "--format", "json").stdout)) == 3
    assert asked(runs, "--method", "lora").stdout == f"no run of 4 in {runs} is asked for\n"
    assert asked(runs / "notes").stdout == f"no finished run in {runs / 'notes'}\n"


def test_a_table_says_what_to_type(runs: Path) -> None:
    """The folder of each run, and its name where that is another."""
    lines = asked(runs).stdout
    for word in (
        "small-sweep/points/",
        "within/other (plain)",
        "few_digits, 4 shots",
        "4 of 4 runs; a score is accuracy",
    ):
        assert word in lines


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """In words."""
    with pytest.raises(UserError, match="is no folder"):
        find_runs(tmp_path / "no")
