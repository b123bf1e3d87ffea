"""Pipelines whose towers run in training: every task with every kind of adapter, saved, loaded and asked again."""

from pathlib import Path
from typing import Any

import pytest
import torch

from graftwork import Pipeline, load
from graftwork.core.run_folder import read_tensors

from .layered_data import Little, LittleSpec, pipeline, with_little_data
from .tiny_encoders import save_tiny_encoder

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
