"""Pipelines whose towers run in training: every task with every kind of adapter, saved, loaded and asked again."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from graftwork import Pipeline, load
from graftwork.core.cli import cli
from graftwork.core.data.items import DataError
from graftwork.core.data.prediction import Segments
from graftwork.core.events import Note
from graftwork.core.graft import GraftedTowers, load_adapter
from graftwork.core.layers.plan import readable
from graftwork.core.run.measured import notes_of
from graftwork.core.stages.composed_encoder import build_encoder
from graftwork.core.storage.run_folder import RunFolderError
from graftwork.core.storage.tensors import read_tensors
from graftwork.plugins.reporters.console import conditions
from graftwork.registry.discovery import default_catalogue
from graftwork.registry.errors import SpecError

from ...support.models.tiny_encoders import save_tiny_encoder
from ...support.small_layers import Little, LittleSpec, pipeline, with_little_data

ADAPTERS: dict[str, dict[str, Any]] = {
    "none": {"type": "none"},
    "bottleneck": {"type": "bottleneck", "bottleneck": 4},
    "hmmoe": {"type": "hmmoe", "rank": 4},
    "lora": {"type": "lora", "rank": 2},
}
TASKS = {"classification": "same", "vqa": "vqa", "nlvr2": "both", "retrieval": "pairs"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {"type": "transformers", "model": str(save_tiny_encoder("clip", tmp_path_factory.mktemp("clip")))}


def run(spec: dict[str, Any], folder: Path) -> Any:
    return Pipeline(spec, with_little_data()).run(folder / "run", folder / "store")


def contents(task: str, split: str = "test") -> dict[str, list[Any]]:
    """The items of a split as a user would hand them over."""
    items = Little(LittleSpec(task=task)).load().splits[split]
    given: dict[str, list[Any]] = {}
    for word, kind in (("images", "image"), ("texts", "text"), ("sounds", "audio")):
        found = []
        for item in items:
            own = tuple(view[kind].read() for view in item.passes if kind in view)
            found += [own] if own else [item.modalities[kind].read()] if kind in item.modalities else []
        if found:
            given[word] = found
    return given


@pytest.mark.parametrize(
    ("task", "adapter"),
    # A classification with an adapter on features is no pipeline of towers.
    [(task, one) for task in TASKS for one in ADAPTERS if task != "classification" or one in ("hmmoe", "lora")],
)
def test_every_task_runs_with_every_kind_of_adapter_and_loads_again(
    task: str, adapter: str, clip: dict[str, Any], tmp_path: Path
) -> None:
    """The loaded pipeline says of the test items what the run's figure says, computed from its own logits."""
    spec = pipeline(task, TASKS[task], clip, ADAPTERS[adapter])
    done = run(spec, tmp_path)
    result = done.result
    assert result["adapter"]["parameters"] == sum(
        tensor.numel()
        for name, tensor in read_tensors(done.folder / "adapter/adapter_model.safetensors").items()
        if name.startswith("adapter.")
    )
    predictor = load(done.folder, catalogue=with_little_data())
    given = contents(TASKS[task])
    if task == "retrieval":
        scores = predictor.similarity(given["images"][::2], given["texts"])
        best = scores.max(dim=0).values
        own = scores[torch.arange(len(given["texts"])) // 2, torch.arange(len(given["texts"]))]
        assert result["test"]["t2i_r1"]["mean"] == pytest.approx(float((own >= best).double().mean()), abs=0.2)
        return
    labels = [one.label for one in predictor.predict(**given)]
    items = Little(LittleSpec(task=TASKS[task])).load()
    targets = [one.target for one in items.splits["test"]]
    chosen = [items.class_names.index(label) for label in labels]
    if task == "vqa":
        score = sum(target.get(index, 0.0) for target, index in zip(targets, chosen, strict=True)) / len(targets)
        assert result["test"]["vqa_score"]["mean"] == pytest.approx(score)
    else:
        right = sum(target == index for target, index in zip(targets, chosen, strict=True)) / len(targets)
        assert result["test"]["accuracy"]["mean"] == pytest.approx(right)


def test_an_item_without_a_modality_that_others_have_is_named(clip: dict[str, Any], tmp_path: Path) -> None:
    spec = pipeline("classification", "same", clip, ADAPTERS["hmmoe"])
    spec["dataset"]["drop"] = "val-3"
    with pytest.raises(DataError, match=r"item val-3 of split val has no text, which other items have"):
        run(spec, tmp_path)


def test_a_task_names_the_item_that_lacks_what_it_needs(clip: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train-0 of split train has no text, which task `vqa` needs"):
        run(pipeline("vqa", "image", clip, ADAPTERS["hmmoe"]), tmp_path)


def test_a_graph_has_no_place_between_towers(clip: dict[str, Any]) -> None:
    graph = {"type": "similarity", "threshold": 0.5}
    with pytest.raises(SpecError, match=r"graph: adapter `hmmoe` sits inside towers"):
        Pipeline(pipeline("classification", "same", clip, ADAPTERS["hmmoe"], graph=graph), with_little_data())


def test_the_plan_counts_what_the_run_trains(clip: dict[str, Any], tmp_path: Path) -> None:
    """Without loading a model; the pipeline has a head, too."""
    spec = pipeline("nlvr2", "both", clip, ADAPTERS["hmmoe"])
    plan = Pipeline(spec, with_little_data()).plan(tmp_path / "store")
    assert plan.trainable == run(spec, tmp_path).result["parameters"]["trainable"]
    assert [stage.stage for stage in plan.stages if stage.total is not None] == []  # nothing is stored
    sites = [stage.detail for stage in plan.stages if stage.stage == "graft"]
    assert [line.split(":")[0] for line in sites[:2]] == [
        "meeting 0, image block 0 block",
        "meeting 0, text block 0 block",
    ]


def test_shares_of_the_experts_are_reported_and_logged(clip: dict[str, Any], tmp_path: Path) -> None:
    """Each expert by name; shares sum to one at every meeting of every stream, in the result and in every epoch."""
    spec = pipeline("classification", "same", clip, ADAPTERS["hmmoe"], reporters=[{"type": "jsonl"}])
    done = run(spec, tmp_path)
    assert done.result["adapter"]["experts"]["image"] == ["unimodal", "cross_attention", "affine"]
    epochs = [json.loads(line) for line in (done.folder / "events.jsonl").read_text().splitlines()]
    logged = [one["usage"] for one in epochs if one["event"] == "EpochFinished"]
    assert len(logged) == 2
    for shares in (*done.result["adapter"]["usage"], *logged):
        assert shares.keys() == {"0.image", "0.text", "1.image", "1.text"}
        assert all(sum(one) == pytest.approx(1.0, abs=1e-5) for one in shares.values())


def test_gradients_of_several_passes_make_the_step_of_one(clip: dict[str, Any], tmp_path: Path) -> None:
    """12 items at once, or 4 by 4: the same parameters to rounding."""
    found = []
    for name, trainer in (("whole", {"batch_size": 12}), ("parts", {"batch_size": 4, "accumulate": 3})):
        spec = pipeline("classification", "same", clip, {"type": "hmmoe", "rank": 4, "router": {"balance": 0}})
        spec["trainer"] |= trainer
        found.append(read_tensors(run(spec, tmp_path / name).folder / "adapter/adapter_model.safetensors"))
    for name, tensor in found[0].items():
        torch.testing.assert_close(tensor, found[1][name], rtol=1e-3, atol=1e-5)


def test_a_run_under_bf16_gives_finite_scores(clip: dict[str, Any], tmp_path: Path) -> None:
    spec = pipeline("vqa", "vqa", clip, ADAPTERS["hmmoe"])
    spec["trainer"]["precision"] = "bf16"
    scores = run(spec, tmp_path).result["test"]
    assert 0 <= scores["vqa_score"]["mean"] <= 1
    assert scores["loss"]["mean"] < 100


def test_pairs_pass_the_towers_together_when_asked(clip: dict[str, Any], tmp_path: Path) -> None:
    """With `joint`, experts that need a partner are heard: their parameters leave the start."""
    spec = pipeline("retrieval", "pairs", clip, {"type": "hmmoe", "rank": 4, "experts": [{"type": "cross_attention"}]})
    spec["task"] |= {"joint": True, "rerank": 4}
    spec["trainer"]["batch_size"] = 6
    done = run(spec, tmp_path)
    tensors = read_tensors(done.folder / "adapter/adapter_model.safetensors")
    assert max(float(tensor.abs().max()) for name, tensor in tensors.items() if name.endswith("up.weight")) > 0


def test_an_adapter_that_never_meets_a_partner_is_said(clip: dict[str, Any], tmp_path: Path) -> None:
    """By `plan`, by the result and by its notes; not with `joint`, nor with an expert that needs none."""
    silent = {"type": "hmmoe", "rank": 4, "experts": [{"type": "cross_attention"}]}
    spec = pipeline("retrieval", "pairs", clip, silent)
    done = run(spec, tmp_path / "run")
    warning = done.result["adapter"]["warning"]
    assert "inductive" not in conditions(done.typed)  # what a run without a graph has no use for
    assert warning.startswith("the adapter is silent: it reads a partner, and images and texts pass the towers apart")
    assert warning in notes_of(done.typed)
    assert warning in _planned(spec)
    assert warning not in _planned({**spec, "task": {**spec["task"], "joint": True}})
    assert warning not in _planned(
        {**spec, "adapter": {**silent, "experts": [*silent["experts"], {"type": "unimodal"}]}}
    )


def _planned(spec: dict[str, Any]) -> list[str]:
    return [stage.detail for stage in Pipeline.from_dict(spec, catalogue=with_little_data()).plan().stages]


def test_a_training_starts_from_a_finished_run(clip: dict[str, Any], tmp_path: Path) -> None:
    first = run(pipeline("classification", "same", clip, ADAPTERS["lora"]), tmp_path / "one")
    spec = pipeline("classification", "same", clip, ADAPTERS["lora"])
    spec["trainer"] |= {"epochs": 0, "start_from": str(first.folder)}
    again = run(spec, tmp_path / "two")
    one, two = (read_tensors(each.folder / "adapter/adapter_model.safetensors") for each in (first, again))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert again.result["test"]["accuracy"] == first.result["test"]["accuracy"]


def test_a_plan_refuses_to_start_from_the_run_of_another_frozen_model(clip: dict[str, Any], tmp_path: Path) -> None:
    """As on features: by the weights that a run through these towers noted in the store."""
    first = run(pipeline("classification", "same", clip, ADAPTERS["lora"]), tmp_path / "one")
    other = {**clip, "model": str(save_tiny_encoder("clip", tmp_path / "model", seed=1))}
    spec = pipeline("classification", "same", other, ADAPTERS["lora"])
    run(spec, tmp_path / "two")
    spec["trainer"] |= {"start_from": str(first.folder)}
    again = Pipeline(spec, with_little_data())
    assert again.plan(tmp_path / "empty").trainings == 1
    with pytest.raises(RunFolderError, match="was trained on vectors of another frozen model"):
        again.plan(tmp_path / "two" / "store")


def test_a_predictor_says_what_it_must_be_given(clip: dict[str, Any], tmp_path: Path) -> None:
    run(pipeline("nlvr2", "both", clip, ADAPTERS["none"]), tmp_path)
    predictor = load(tmp_path / "run", catalogue=with_little_data())
    given = contents("both")
    with pytest.raises(DataError, match=r"hears text and image: give texts|hears image and text: give texts"):
        predictor.predict(given["images"])
    with pytest.raises(DataError, match=r"11 texts"):
        predictor.predict(given["images"], given["texts"][:-1])
    with pytest.raises(DataError, match=r"item 1 has one pass, and this pipeline reads 2 together"):
        predictor.predict([one[0] for one in given["images"]], given["texts"])


def test_the_command_line_reads_pictures_two_by_two_and_goes_on_without_broken_ones(
    clip: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a run on features: a file that cannot be read is named, the other items are predicted."""
    done = run(pipeline("nlvr2", "both", clip, ADAPTERS["none"]), tmp_path)
    predictor = load(done.folder, catalogue=with_little_data())
    monkeypatch.setattr("graftwork.core.run.load.load", lambda run, **asked: predictor)
    paths = [tmp_path / f"{name}.png" for name in "abcd"]
    for path in paths[:3]:
        Image.new("RGB", (16, 16), (220, 20, 20)).save(path)
    texts = ["both are red", "both are blue"]
    words = ["predict", str(done.folder), *map(str, paths), *(word for text in texts for word in ("--text", text))]
    said = CliRunner().invoke(cli, words)
    (expected,) = predictor.predict([paths[:2]], texts[:1])
    assert said.exit_code == 2
    assert said.stdout.startswith(f"{paths[0]} {paths[1]}: {expected.label} {expected.probability:.3f}")
    assert len(said.stdout.splitlines()) == 1
    assert said.stderr.startswith(f"error: {paths[3]}: cannot be read")


@pytest.fixture(scope="module")
def sounding(tmp_path_factory: pytest.TempPathFactory, clip: dict[str, Any]) -> dict[str, Any]:
    ast = {"type": "transformers", "model": str(save_tiny_encoder("ast", tmp_path_factory.mktemp("ast")))}
    return {"type": "dual", "image": clip, "audio": ast}


def test_segments_of_clips_are_predicted_one_by_one(sounding: dict[str, Any], tmp_path: Path) -> None:
    """Clips of two and three segments; the loaded pipeline gives a prediction each, and the run's figure."""
    done = run(pipeline("events", "clip", sounding, ADAPTERS["hmmoe"]), tmp_path)
    given = contents("clip")
    predicted = load(done.folder, catalogue=with_little_data()).predict(given["images"], sounds=given["sounds"])
    items = Little(LittleSpec(task="clip")).load()
    assert all(isinstance(row, Segments) and row.each() == tuple(row) for row in predicted)
    pairs = [
        (items.class_names.index(one.label), target)
        for row, item in zip(predicted, items.splits["test"], strict=True)
        for one, target in zip(row, item.target, strict=True)  # type: ignore[arg-type]
    ]
    right = sum(label == target for label, target in pairs) / len(pairs)
    assert done.result["test"]["accuracy"]["mean"] == pytest.approx(right)


def test_a_single_stream_model_hears_both_and_is_one_tower(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    vilt = {"type": "transformers", "model": str(save_tiny_encoder("vilt", tmp_path_factory.mktemp("vilt")))}
    done = run(pipeline("nlvr2", "both", vilt, ADAPTERS["hmmoe"]), tmp_path / "both")
    assert done.result["nodes"] == "towers: text+image"
    with pytest.raises(DataError, match="reads text and image together, and the items have no text"):
        run(pipeline("classification", "image", vilt, ADAPTERS["hmmoe"]), tmp_path / "image")


def test_an_unread_modality_is_noted(clip: dict[str, Any], tmp_path: Path) -> None:
    """The clips' sounds, where the encoder has towers for pictures and texts: in the plan, and in the run."""
    spec = pipeline("events", "clip", clip, ADAPTERS["lora"], reporters=[{"type": "jsonl"}])
    note, told = "the towers read image; not used: audio (48 items)", list[Any]()
    Pipeline(spec, with_little_data()).plan(tmp_path / "store", told.append)
    assert Note(note) in told
    done = run(spec, tmp_path)
    assert note in (done.folder / "events.jsonl").read_text()


def test_pairs_read_what_they_compare_and_nothing_else(sounding: dict[str, Any], clip: dict[str, Any]) -> None:
    """A tower of sounds would hear them in vain."""
    spec = Pipeline(
        pipeline("retrieval", "pairs", {**sounding, "text": clip}, ADAPTERS["lora"]), with_little_data()
    ).spec
    assert readable(spec.task, ["image", "text", "audio"]) == ["image", "text"]
    assert readable(spec.task, ["audio"]) == ["image", "text"]


def test_a_broken_sound_of_one_segment_is_named_or_left_out(sounding: dict[str, Any], tmp_path: Path) -> None:
    """In `passes`, not only in what all passes share."""
    spec = pipeline("events", "clip", sounding, ADAPTERS["none"])
    spec["dataset"]["broken"] = "train-1"
    with pytest.raises(DataError, match=r"tone of train-1: the sound is empty"):
        run(spec, tmp_path / "fail")
    spec["dataset"] |= {"on_error": "skip", "max_errors": 1}
    assert run(spec, tmp_path / "skip").result["dataset"]["left_out"]["train"] == 1


@pytest.mark.parametrize("adapter", ["hmmoe", "lora"])
def test_the_adapter_of_a_run_goes_into_towers_of_ones_own(adapter: str, clip: dict[str, Any], tmp_path: Path) -> None:
    """Without its head: the towers then give what they give in the run."""
    done = run(pipeline("classification", "same", clip, ADAPTERS[adapter]), tmp_path)
    predictor = load(done.folder, device="cpu", catalogue=with_little_data())
    encoder = build_encoder(default_catalogue(), predictor.spec.encoder, torch.device("cpu"))
    offered = encoder.tower("image").towers()
    own = load_adapter(GraftedTowers([one.tower for one in offered]), done.folder)
    given = contents("same")
    images = [encoder.preprocess("image", one) for one in given["images"]]
    inputs = {one.tower.name: one.collate({"image": images, "text": given["texts"]}) for one in offered}
    with torch.no_grad():
        out = own.eval()(inputs).outputs
        found = {one.tower.name: one.read_out(out[one.tower.name], inputs[one.tower.name]) for one in offered}
        said = predictor.read_outs(given["images"], given["texts"])
    for name, vectors in found.items():
        torch.testing.assert_close(torch.nn.functional.normalize(vectors, dim=-1), said[name])


def test_a_run_without_adapter_inside_is_no_adapter_for_towers(clip: dict[str, Any], tmp_path: Path) -> None:
    done = run(pipeline("vqa", "vqa", clip, ADAPTERS["none"]), tmp_path)
    with pytest.raises(RunFolderError, match="is of no adapter for layers"):
        load_adapter(GraftedTowers([]), done.folder)
