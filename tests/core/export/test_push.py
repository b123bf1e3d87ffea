"""A run goes to a hub on this machine by the real client over HTTP, and is loaded from it by its id."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from click.testing import CliRunner
from PIL import Image

from graftwork import load
from graftwork.core.cli import cli
from graftwork.core.export import push as push_module
from graftwork.core.export.push import push
from graftwork.core.graft import HubError
from graftwork.core.storage.run_folder import RunFolderError

from ...support import small_pipeline
from ...support.local_hub import cache_of, served

CATALOGUE = small_pipeline.catalogue()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pushed")
    return small_pipeline.pipeline(evaluation__seeds=[0, 1]).run(out=folder / "run", store=folder / "store").folder


@pytest.fixture
def picture(tmp_path: Path) -> str:
    Image.effect_noise((8, 8), 60).save(tmp_path / "Mine.PNG")
    return str(tmp_path / "Mine.PNG")


def front(card: str) -> dict[str, Any]:
    return yaml.safe_load(card.split("---\n")[1])


def test_it_is_pushed_and_loaded_by_its_id(
    run: Path, picture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file by the real client; what is loaded says the same; a card that is edited there breaks nothing."""
    there = tmp_path / "there"
    there.mkdir()
    with served({"owner/digits": there}) as (address, given):
        cache_of(tmp_path / "cache", monkeypatch, address)
        done = push(run, "owner/digits", token="hf_none", example=picture, catalogue=CATALOGUE)
        assert done.address is not None
        assert done.address.startswith(f"{address}/owner/digits/commit/")
        assert {one.name: one.stat().st_size for one in there.iterdir()} == dict(done.files)
        names = {"adapter_config.json", "adapter_model.safetensors", "pipeline.json", "support.safetensors"}
        assert done.files.keys() == names | {"manifest.json", "README.md", "example.png"}
        (there / "README.md").write_text("edited on the hub")
        found = load("owner/digits", catalogue=CATALOGUE)
        assert set(given) == names | {"manifest.json"}
    here = load(run, catalogue=CATALOGUE)
    assert torch.equal(found.logits(images=picture), here.logits(images=picture))


def test_the_card_has_what_was_measured(run: Path, picture: str) -> None:
    """Numbers of result.json with their conditions, how to load it, a licence to choose, and the example answered."""
    done = push(run, "owner/digits", example=picture, dry_run=True, catalogue=CATALOGUE)
    result, about = json.loads((run / "result.json").read_text()), front(done.card)
    score = result["test"]["accuracy"]
    assert f"| accuracy | {score['mean']:.4f} ± {score['std']:.4f} |" in done.card
    assert 'load("owner/digits").predict(["image.png"])' in done.card
    assert (about["license"], about["license_name"]) == ("other", "not-chosen-yet")
    assert about["tags"] == ["graftwork", "adapter", "ga_net", "classification"]
    assert about["pipeline_tag"] == "image-classification"
    (measured,) = about["model-index"][0]["results"]
    assert {one["type"]: one["value"] for one in measured["metrics"]}["accuracy"] == score["mean"]
    (widget,) = about["widget"]
    assert widget["src"] == "https://huggingface.co/owner/digits/resolve/main/example.png"
    said = load(run, catalogue=CATALOGUE).predict(picture)[0]
    assert widget["output"][0] == {"label": said.label, "score": round(said.probability, 4)}
    assert len(widget["output"]) == 5
    assert "vectors and ids of 120 support items go along" in done.note


def test_a_dry_run_uploads_nothing_and_needs_no_token(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command prints files and card; without an example there is no widget."""
    cache_of(tmp_path / "cache", monkeypatch)
    monkeypatch.setattr(push_module, "load_spec", lambda path, catalogue: load(run, catalogue=CATALOGUE).spec)
    answered = CliRunner().invoke(cli, ["push", str(run), "owner/digits", "--dry-run"])
    assert answered.exit_code == 0, answered.exception
    assert "support.safetensors" in answered.stdout
    assert "widget" not in answered.stdout
    assert "would be pushed: vectors and ids" in answered.stderr
    failed = CliRunner().invoke(cli, ["push", str(run), "owner/digits"])
    assert isinstance(failed.exception, HubError)
    assert "no token for the hub to write `owner/digits`" in str(failed.exception)


def test_what_cannot_be_pushed_is_said(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache_of(tmp_path / "cache", monkeypatch)
    with pytest.raises(HubError, match="`digits` is no hub id; write OWNER/NAME"):
        push(run, "digits", catalogue=CATALOGUE)
    with pytest.raises(RunFolderError, match="is an adapter alone; push its run folder"):
        push(run / "adapter", "owner/digits", catalogue=CATALOGUE)
    with pytest.raises(RunFolderError, match="is no folder"):
        push(tmp_path / "nothing", "owner/digits", catalogue=CATALOGUE)


def test_a_path_is_not_taken_for_a_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is a folder `runs`, `runs/typo` was meant to be in it; elsewhere an id is looked for."""
    cache_of(tmp_path / "cache", monkeypatch)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    with pytest.raises(RunFolderError, match="runs/typo is no folder"):
        load("runs/typo")
    with pytest.raises(HubError, match=r"hf download owner/name --include '\*\.json' --include '\*\.safetensors'"):
        load("owner/name")
    with pytest.raises(HubError, match="runs is a folder and has no revision"):
        load("runs", revision="v1")
