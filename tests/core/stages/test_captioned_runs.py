"""Whole runs with a captioner: examples and counts in the result, descriptions of new images, what plan misses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from graftwork import Pipeline
from graftwork.core.data.items import DataError, Media
from graftwork.core.events import Note
from graftwork.core.roles import CaptionerError, EncoderError
from graftwork.core.run.run import Run
from graftwork.plugins.datasets import DigitsSpec
from graftwork.plugins.datasets.digits import Digits
from graftwork.plugins.encoders import OpenClipSpec
from graftwork.plugins.encoders.open_clip.encoder import OpenClip, import_open_clip
from graftwork.plugins.encoders.open_clip.weights import sources
from graftwork.plugins.reporters.console import examples

from ...support.local_hub import cache_of
from ...support.paths import ROOT
from ...support.small_pipeline import Brightness, Hearing, pipeline

CAPTIONED = {"captioner": {"type": "brightness"}, "graph__nodes": "fused", "graph__threshold": 0.5}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory, tiny_llava: Path) -> Run:
    """Few digits, described by a real LLaVA and encoded by a real CLIP."""
    folder = tmp_path_factory.mktemp("described")
    captioner = {
        "type": "transformers",
        "model": str(tiny_llava),
        "prompt": "describe the picture.",
        "max_new_tokens": 4,
    }
    dataset = {"type": "few_digits", "train": 2, "val": 1, "test": 1}
    return pipeline(captioner=captioner, dataset=dataset, graph__nodes="text").run(folder / "run", folder / "store")


def test_three_examples_stand_in_the_result(described: Run) -> None:
    """The first three items, as they were described; no reader need open the store."""
    result = json.loads((described.folder / "result.json").read_text())
    assert [set(one) for one in result["examples"]] == [{"id", "source", "description"}] * 3
    assert result["examples"][0]["id"].startswith("digits/")
    assert all(one["description"] for one in result["examples"])
    facts = result["descriptions"]
    assert (facts["items"], facts["truncated"]) == (40, 0)
    assert facts["captioner"]["prompt"] == "describe the picture."


def test_the_console_shows_the_examples(described: Run) -> None:
    """A line each, and nothing for a run without texts."""
    shown = examples(described.typed.examples).splitlines()
    assert shown[0] == "examples of descriptions"
    assert shown[1:] == [f"{one['id']}: {one['description']}" for one in described.result["examples"]]
    assert examples([]) == ""


def test_a_new_image_is_described_before_it_is_predicted(described: Run, tmp_path: Path) -> None:
    """With what the model says of it; texts that are given are taken instead."""
    item = Digits(DigitsSpec()).load().splits["train"][0]
    item.modalities["image"].read().save(tmp_path / "digit.png")
    predictor = described.load()
    prediction = predictor.predict([tmp_path / "digit.png"])[0]
    assert prediction.description
    assert prediction.to_json()["description"] == prediction.description
    assert predictor.predict([tmp_path / "digit.png"], ["a red square"])[0].description is None


def test_predict_prints_the_description(
    described: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the line of its image."""
    from click.testing import CliRunner

    from graftwork.core.cli.runs.predict import command
    from graftwork.core.run import load as loading

    Digits(DigitsSpec()).load().splits["train"][0].modalities["image"].read().save(tmp_path / "digit.png")
    loaded = described.load()
    monkeypatch.setattr(loading, "load", lambda run, **asked: loaded)
    done = CliRunner().invoke(command, [str(described.folder), str(tmp_path / "digit.png")])
    assert done.output.splitlines()[1] == f"  {loaded.predict([tmp_path / 'digit.png'])[0].description}"


def test_empty_descriptions_are_counted_and_said(tmp_path: Path) -> None:
    """They are texts like any other for the encoder."""
    captioner = {"type": "brightness", "wording": ""}
    run = pipeline(**{**CAPTIONED, "captioner": captioner, "reporters": [{"type": "hearing"}]}).run(
        tmp_path / "run", tmp_path / "store"
    )
    assert run.result["descriptions"]["empty"] == 240
    assert (
        Note("240 of 240 descriptions are empty; what the encoder makes of them is that of the empty text")
        in Hearing.heard
    )


@pytest.mark.parametrize("times", [1, 2], ids=["first run", "all stored"])
def test_descriptions_that_the_encoder_cuts_are_counted_and_said(tmp_path: Path, tiny_clip: Path, times: int) -> None:
    """Also by a run that finds every vector stored and loads no encoder."""
    fields = {
        "captioner": {"type": "brightness", "wording": "so {} " * 40},
        "encoder": {"type": "open_clip", "model": f"local-dir:{tiny_clip}"},
        "dataset": {"type": "few_digits", "train": 2, "val": 1, "test": 1},
        "graph__nodes": "text",
        "reporters": [{"type": "hearing"}],
    }
    fields["captioner"]["wording"] = "brightness {}" + " and so on" * 20
    for number in range(times):
        run = pipeline(**fields).run(tmp_path / f"run{number}", tmp_path / "store")
    assert run.result["descriptions"]["truncated"] == 40
    assert any(isinstance(event, Note) and event.message.startswith("40 of 40 descr") for event in Hearing.heard)


def test_open_clip_counts_what_does_not_fit_its_window(tiny_clip: Path) -> None:
    """Thirty tokens fit between start and end of this window of 32; thirty-one do not."""
    encoder = OpenClip(OpenClipSpec(model=f"local-dir:{tiny_clip}"), torch.device("cpu"))
    texts = ["", "a cat", " ".join(["cat"] * 30), " ".join(["cat"] * 31), " ".join(["cat"] * 100)]
    assert [encoder.truncated([text]) for text in texts] == [[False], [False], [False], [True], [True]]
    assert encoder.truncated(texts) == [False, False, False, True, True]


def test_plan_counts_descriptions_to_write_and_to_encode(tmp_path: Path) -> None:
    """Before: each picture once more as a text. After: as many texts as were said, all of them stored."""

    def planned() -> dict[str, tuple[int | None, int | None]]:
        stages = pipeline(**CAPTIONED).plan(tmp_path / "store").stages
        return {one.stage: (one.total, one.stored) for one in stages}

    assert planned()["describe"] == planned()["encode text"] == (240, 0)
    pipeline(**CAPTIONED).run(tmp_path / "run", tmp_path / "store")
    assert planned()["describe"] == (240, 240)
    said = {one.digest for one in texts_of(tmp_path)}
    assert planned()["encode text"] == (len(said), len(said))


def texts_of(folder: Path) -> list[Media]:
    """Every description that is stored."""
    shards = list((folder / "store" / "descriptions").rglob("*.jsonl"))
    return [Media.of_text(json.loads(line)["text"]) for path in shards for line in path.read_text().splitlines()]


# What is not on this machine

PETS = {"type": "open_clip", "model": "ViT-B-16", "pretrained": "openai"}
HOW = "`hf download timm/vit_base_patch16_clip_224.openai open_clip_model.safetensors` gets it"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty hub cache, and no network even where there is one."""
    return cache_of(tmp_path / "hub", monkeypatch)


def test_a_plan_says_what_is_missing_and_how_to_get_it(offline: Path, tmp_path: Path) -> None:
    """Captioner and encoder, each with its command; nothing is built and nothing is written."""
    captioner = {"type": "transformers", "model": "llava-hf/llava-1.5-7b-hf", "revision": "v1"}
    planned = pipeline(captioner=captioner, encoder=PETS, graph__nodes="fused").plan(tmp_path / "store")
    assert len(planned.missing) == 2
    assert "`hf download llava-hf/llava-1.5-7b-hf --revision v1` gets it" in planned.missing[0]
    assert HOW in planned.missing[1]
    assert planned.to_json()["missing"] == planned.missing
    assert not (tmp_path / "store").exists()


def test_a_captioner_that_no_node_needs_is_not_missed(offline: Path, tmp_path: Path) -> None:
    """Image nodes never ask it."""
    captioner = {"type": "transformers", "model": "nobody/nothing"}
    assert pipeline(captioner=captioner).plan(tmp_path / "store").missing == ()


def test_plan_prints_what_is_missing_and_starts_nothing(tmp_path: Path) -> None:
    """A spec with ViT-B-16 on a machine without the weights: one line more, no torch, exit code 0."""
    spec = {
        "version": 1,
        "dataset": {"type": "digits"},
        "encoder": PETS,
        "adapter": {"type": "bottleneck"},
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    script = """
import sys
from graftwork.core.cli import cli
cli.main(sys.argv[1:], standalone_mode=False)
assert not {"torch", "transformers", "open_clip"} & set(sys.modules)
"""
    arguments = [sys.executable, "-c", script, "plan", str(tmp_path / "spec.json"), "--cache", str(tmp_path / "store")]
    environment = {"PATH": "", "HOME": str(tmp_path), "HF_HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("missing: "))
    assert HOW in line


def test_weights_in_the_hubs_cache_are_not_missing(offline: Path) -> None:
    """Under the name that open_clip itself would look for."""
    spec = OpenClipSpec(**PETS)
    snapshot = offline / "models--timm--vit_base_patch16_clip_224.openai"
    (snapshot / "refs").mkdir(parents=True)
    (snapshot / "refs" / "main").write_text("c" * 40)
    (snapshot / "snapshots" / ("c" * 40)).mkdir(parents=True)
    assert HOW in str(spec.missing_files())
    (snapshot / "snapshots" / ("c" * 40) / "open_clip_model.safetensors").write_bytes(b"")
    assert spec.missing_files() is None


def test_what_is_told_of_a_tag_is_open_clips_own_table() -> None:
    """Read from its source text; the same as importing it gives."""
    library = import_open_clip()
    for model, tag in library.list_pretrained():
        known, told = library.get_pretrained_cfg(model, tag), sources()[model.removesuffix("-quickgelu")][tag]
        assert {key: known.get(key) or None for key in ("url", "hf_hub")} == {
            key: told.get(key) or None for key in ("url", "hf_hub")
        }


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"checkpoint": "/nowhere/w.pt", "model": "ViT-B-16"}, r"encoder\.checkpoint: /nowhere/w\.pt does not exist"),
        ({"model": "hf-hub:acme/clip"}, "`hf download acme/clip open_clip_model.safetensors`"),
        ({"model": "local-dir:/nowhere"}, "/nowhere holds no weights"),
    ],
    ids=["checkpoint", "hub", "folder"],
)
def test_every_source_of_weights_is_looked_at(offline: Path, fields: dict[str, Any], says: str) -> None:
    """Checkpoint, hub repository, folder."""
    import re

    assert re.search(says, str(OpenClipSpec(**fields).missing_files()))


def test_the_pocket_clip_is_not_missing() -> None:
    """It ships with Graftwork."""
    assert OpenClipSpec().missing_files() is None


def test_a_run_without_its_captioner_describes_nothing(offline: Path, tmp_path: Path) -> None:
    """The error says how to get the model; no run folder is left."""
    captioner = {"type": "transformers", "model": "nobody/nothing"}
    with pytest.raises(CaptionerError, match="`hf download nobody/nothing` gets it"):
        pipeline(captioner=captioner, graph__nodes="text").run(tmp_path / "run", tmp_path / "store")
    assert not (tmp_path / "run.partial").exists()


def test_a_run_without_its_encoder_stops_before_describing(offline: Path, tmp_path: Path) -> None:
    """Hours of describing would be for nothing."""
    Brightness.seen.clear()
    with pytest.raises(EncoderError, match="hf download timm/vit_base_patch16_clip_224"):
        pipeline(**CAPTIONED, encoder=PETS).run(tmp_path / "run", tmp_path / "store")
    assert Brightness.seen == []


def test_the_pets_example_is_told_everything_that_is_missing_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data, language model and CLIP weights, each with the command that fetches it; nothing starts."""
    monkeypatch.chdir(tmp_path)
    example = Pipeline.from_file(ROOT / "examples" / "ganet_pets.json")
    with pytest.raises(DataError) as caught:
        example.plan(tmp_path / "store")
    for command in ("curl -LO", "hf download llava-hf/llava-1.5-7b-hf", "missing, too: weights `openai` of ViT-B-16"):
        assert command in str(caught.value)
    assert not (tmp_path / "data").exists()
