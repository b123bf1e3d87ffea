"""What the code before the house wrote is still read: its store, its run folders, its locks.

`fixtures/before_house/README.md` says what is there and how it was made. Public names alone are used here, and
what stands behind `graftwork cache`.
"""

from __future__ import annotations

import importlib.metadata
import json
import shutil
from dataclasses import replace
from importlib.metadata import Distribution
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from graftwork import Pipeline, load
from graftwork.core.cli import cli
from graftwork.core.run.load import ReadingWarning, UnsealedWarning
from graftwork.core.storage.store.inventory import folders
from graftwork.core.storage.store.prune import doomed, prune
from graftwork.core.survey.needed import needed
from graftwork.registry.catalogue import Catalogue
from graftwork.registry.discovery import default_catalogue

from ..support.paths import ROOT

OLD = ROOT / "tests" / "fixtures" / "before_house"
PICTURES = OLD / "pictures"
EXPECTED: dict[str, Any] = json.loads((OLD / "expected.json").read_text("utf-8"))
RUNS = ("features", "layers")


def no_model(*given: Any) -> Any:
    """Built in place of encoders and captioners."""
    raise AssertionError("a model is loaded, and all that it would give is stored")


def without_models() -> Catalogue:
    """What is installed, except that no encoder and no captioner can be built."""
    plugins = []
    for plugin in default_catalogue().plugins:
        components = (
            replace(one, build=f"{__name__}:no_model") if one.kind in ("encoder", "captioner") else one
            for one in plugin.components
        )
        plugins.append(replace(plugin, components=tuple(components)))
    return Catalogue(plugins)


def pipeline(name: str, **overrides: Any) -> Pipeline:
    """A spec of the fixture; dots are written as two underscores."""
    paths = {key.replace("__", "."): value for key, value in overrides.items()}
    return Pipeline.from_file(OLD / f"{name}.json", {"dataset.root": str(PICTURES), **paths}, without_models())


def contents(store: Path) -> dict[str, bytes]:
    """Every file of descriptions and encodings."""
    files = [path for stage in ("descriptions", "features") for path in (store / stage).rglob("*") if path.is_file()]
    return {path.relative_to(store).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the old store, where the libraries are those that it was made with: its keys name their versions."""
    then: dict[str, str] = {}
    for about in OLD.glob("store/*/*/about.json"):
        then |= json.loads(about.read_text("utf-8"))["identity"]["libraries"]
    installed = importlib.metadata.distribution

    def distribution(name: str) -> Distribution | SimpleNamespace:
        return SimpleNamespace(version=then[name]) if name in then else installed(name)

    monkeypatch.setattr(importlib.metadata, "distribution", distribution)
    shutil.copytree(OLD / "store", tmp_path / "store")
    return tmp_path / "store"


@pytest.mark.parametrize("name", ["features", "tokens"])
def test_a_plan_finds_everything_stored(name: str, store: Path) -> None:
    """Descriptions, vectors, tokens and prompts: of each as many as the old code found, and nothing is missing."""
    found = {one.stage: (one.total, one.stored) for one in pipeline(name).plan(store).stages if one.total is not None}
    assert found == {stage: (count, count) for stage, count in EXPECTED["stored"][name].items()}


@pytest.mark.parametrize("name", ["features", "tokens"])
def test_a_run_loads_no_model_and_stores_nothing_new(name: str, store: Path, tmp_path: Path) -> None:
    """It trains on what is stored."""
    before = contents(store)
    pipeline(name, trainer__epochs=1).run(tmp_path / "run", store)
    assert contents(store) == before


def test_what_a_spec_needs_is_kept_of_an_old_store(store: Path) -> None:
    """All of it by its own spec, its searched values included; by one of another encoder nothing of it."""
    kept = needed(pipeline("features").spec, without_models(), store)
    prune(store, doomed(store, needed=kept))
    found = {one.stage: (one.total, one.stored) for one in pipeline("features").plan(store).stages if one.total}
    assert found == {stage: (count, count) for stage, count in EXPECTED["stored"]["features"].items()}
    other = pipeline("features", encoder__precision="bf16")
    features = {path for path in folders(store) if path.parent.name == "features"}
    assert not needed(other.spec, without_models(), store) & features
    searched = pipeline("features", search={"encoder.precision": ["bf16", "fp32"]})
    assert needed(searched.spec, without_models(), store) >= needed(other.spec, without_models(), store) | features


def test_a_training_starts_from_an_old_run_and_measures_what_it_measured(store: Path, tmp_path: Path) -> None:
    """Untrained, on the sample of the seed that was saved: the old loss; `compare` finds one set of conditions."""
    old = OLD / "run_features"
    was = json.loads((old / "result.json").read_text("utf-8"))
    seed = was["seeds"].index(was["saved_seed"])
    start = {"trainer__start_from": str(old), "trainer__epochs": 0}
    run = pipeline("features", **start).run(tmp_path / "run", store)
    now = run.result["test"]
    assert now["accuracy"]["per_seed"][seed] == was["test"]["accuracy"]["per_seed"][seed]
    assert now["loss"]["per_seed"][seed] == pytest.approx(was["test"]["loss"]["per_seed"][seed], abs=1e-3)
    differences = [one["condition"].partition(" ")[0] for one in compared(tmp_path, old, run.folder)["differences"]]
    assert set(differences) <= {"machine"}


def compared(folder: Path, *runs: Path) -> Any:
    """What `graftwork compare` says of run folders."""
    words = ["compare", *map(str, runs), "--format", "json", "--out", str(folder / "compare")]
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_compare_reads_old_results(tmp_path: Path) -> None:
    """Their figures, to the last digit."""
    for name, entry in zip(RUNS, compared(tmp_path, *(OLD / f"run_{name}" for name in RUNS))["runs"], strict=True):
        result = json.loads((OLD / f"run_{name}" / "result.json").read_text("utf-8"))
        figures = result["test"]["accuracy"]
        assert entry["name"] == name
        assert entry["test"] == {key: figures[key] for key in ("mean", "std", "per_seed")}
        assert entry["val"]["per_seed"] == result["selection"]["per_seed"]
        assert entry["trainable"] == result["parameters"]["trainable"]
        assert entry["seconds"] == result["training_seconds_per_seed"]


@pytest.mark.parametrize("name", RUNS)
def test_an_old_run_loads_and_predicts_the_same(name: str) -> None:
    """On features and inside towers, of every picture; and warns that pictures are read otherwise since then."""
    expected = EXPECTED["predictions"][name]
    images, texts = [str(PICTURES / one["image"]) for one in expected], [one["text"] for one in expected]
    with (
        pytest.warns(ReadingWarning, match=f"run_{name} was trained before pictures were turned upright"),
        pytest.warns(UnsealedWarning, match="nothing vouches for its result, lock and events: an older Graftwork"),
    ):
        old = load(OLD / f"run_{name}", device="cpu")
    predicted = old.predict(images=images, texts=texts)
    assert [one.label for one in predicted] == [one["label"] for one in expected]
    for one, was in zip(predicted, expected, strict=True):
        assert one.probabilities == pytest.approx(was["probabilities"], abs=1e-3)


@pytest.mark.parametrize("name", RUNS)
def test_an_old_lock_is_read_and_its_pipeline_is_the_saved_one(name: str) -> None:
    """As `graftwork run SPEC --locked LOCK` reads it: of a format that is known, and not altered."""
    lock = OLD / f"run_{name}" / "lock.json"
    saved = Pipeline.from_file(OLD / f"run_{name}" / "adapter" / "pipeline.json")
    assert saved.locked_by(lock).spec == saved.spec
    assert Pipeline.from_dict(json.loads(lock.read_text("utf-8"))["pipeline"]).spec == saved.spec
