"""Regularizers where towers run: the same classes as on features, item by item."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from graftwork import Pipeline
from graftwork.core.layers.learner import LayerLearner
from graftwork.core.run.run import Run
from graftwork.plugins.regularizers.fisher import fisher_diagonal
from graftwork.registry.errors import SpecError

from ...support.models.tiny_encoders import save_tiny_encoder
from ...support.small_layers import pipeline, with_little_data

ADAPTERS: dict[str, dict[str, Any]] = {
    "hmmoe": {"type": "hmmoe", "rank": 4},
    "lora": {"type": "lora", "rank": 2},
    "bottleneck": {"type": "bottleneck", "bottleneck": 4},
}
FIRST = [{"type": "ewc", "strength": 0, "anchor": "init"}, {"type": "synaptic_intelligence", "strength": 0}]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {"type": "transformers", "model": str(save_tiny_encoder("clip", tmp_path_factory.mktemp("clip")))}


def run(spec: dict[str, Any], folder: Path) -> Run:
    return Pipeline(spec, with_little_data()).run(folder, folder.parent / "store")


def small(spec: dict[str, Any]) -> dict[str, Any]:
    return spec | {"dataset": spec["dataset"] | {"train": 6, "val": 3, "test": 3}}


@pytest.mark.parametrize(
    ("task", "data", "adapter"),
    [
        ("classification", "same", "hmmoe"),
        ("classification", "same", "lora"),
        ("vqa", "vqa", "hmmoe"),
        ("nlvr2", "both", "bottleneck"),
    ],
)
def test_a_second_task_is_held_to_what_the_first_learnt(
    task: str, data: str, adapter: str, clip: dict[str, Any], tmp_path: Path
) -> None:
    """In the metric of its F it goes less far than a free one; the first run's files are what that needs."""
    spec = small(pipeline(task, data, clip, ADAPTERS[adapter]))
    spec["evaluation"] = {"select_on": "none", "test_on": "test", "seeds": [0]}
    first = run(spec | {"regularizers": FIRST}, tmp_path / "first").folder
    begin = load_file(first / "adapter" / "adapter_model.safetensors")
    fisher = load_file(first / "adapter" / "fisher.safetensors")
    assert all(bool(one.isfinite().all()) and float(one.min()) >= 0 for one in fisher.values())
    assert any(bool(one.any()) for one in fisher.values())
    spec["trainer"] = spec["trainer"] | {"start_from": str(first)}

    def distance(name: str, *regularizers: dict[str, Any]) -> float:
        folder = run(spec | {"regularizers": regularizers}, tmp_path / name).folder
        ended = load_file(folder / "adapter" / "adapter_model.safetensors")
        return sum(float((fisher[name] * (ended[name] - begin[name]).square()).sum()) for name in fisher)

    free = distance("free")
    strength = 1e3 / max(float(one.max()) for one in fisher.values())
    held = distance("held", {"type": "ewc", "strength": strength, "anchor": "every"})
    assert 0 < held < free
    near = distance("near", {"type": "l2_start", "strength": 1e3}, {"type": "synaptic_intelligence", "strength": 1.0})
    assert near < free


def test_distillation_is_heard_inside_towers(clip: dict[str, Any], tmp_path: Path) -> None:
    """What the model says of the labelled items after a second task is nearer to what it said before."""
    spec = small(pipeline("classification", "same", clip, ADAPTERS["lora"]))
    spec["evaluation"] = {"select_on": "none", "test_on": "test", "seeds": [0]}
    first = run(spec, tmp_path / "first").folder
    begin = load_file(first / "adapter" / "adapter_model.safetensors")
    spec["trainer"] = spec["trainer"] | {"start_from": str(first)}

    def moved(name: str, *regularizers: dict[str, Any]) -> float:
        folder = run(spec | {"regularizers": regularizers}, tmp_path / name).folder
        ended = load_file(folder / "adapter" / "adapter_model.safetensors")
        return float((ended["head.weight"] - begin["head.weight"]).norm())

    assert moved("held", {"type": "lwf", "strength": 100.0}) < moved("free")


def test_fisher_through_towers_is_the_mean_of_squared_gradients_of_items_alone(
    clip: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of one batch of them all, item after item; and one item's graph is held at a time."""
    views = []
    original = LayerLearner.view

    def seen(self: LayerLearner, *given: Any) -> Any:
        views.append((self, original(self, *given)))
        return views[-1][1]

    monkeypatch.setattr(LayerLearner, "view", seen)
    run(small(pipeline("classification", "same", clip, ADAPTERS["hmmoe"])) | {"regularizers": FIRST}, tmp_path / "run")
    learner, view = views[0]
    logits, targets = view.batch(torch.arange(6))
    losses = view.losses(logits, targets)
    expected = {name: torch.zeros_like(one) for name, one in view.parameters.items()}
    for item in range(6):
        gradients = torch.autograd.grad(
            losses[item], list(view.parameters.values()), retain_graph=True, allow_unused=True
        )
        for total, gradient in zip(expected.values(), gradients, strict=True):
            total += 0 if gradient is None else gradient.square() / 6
    found = fisher_diagonal(view)
    for name, values in found.items():
        torch.testing.assert_close(values, expected[name], rtol=1e-3, atol=1e-7)
    held = most_held(lambda: fisher_diagonal(view), learner)
    assert held <= 1, "one item's graph at a time"


def most_held(use: Any, learner: LayerLearner) -> int:
    """Items in the largest batch that went through the towers with gradients."""
    sizes: list[int] = []
    source = learner._source
    original = source.of

    def of(rows: Any) -> Any:
        sizes.append(len(rows) if torch.is_grad_enabled() else 0)
        return original(rows)

    source.of = of  # type: ignore[method-assign]
    try:
        use()
    finally:
        source.of = original  # type: ignore[method-assign]
    return max(sizes)


@pytest.mark.parametrize("kind", ["ewc", "lwf"])
def test_pairs_have_no_logits_of_items(kind: str, clip: dict[str, Any]) -> None:
    """Said of the spec, before anything is read."""
    more = {"anchor": "init"} if kind == "ewc" else {}
    spec = pipeline(
        "retrieval", "pairs", clip, ADAPTERS["lora"], regularizers=[{"type": kind, "strength": 1.0, **more}]
    )
    with pytest.raises(
        SpecError, match=rf"`{kind}` looks at each item's own logits, and a task of pairs scores images"
    ):
        Pipeline(spec, with_little_data())


def test_pairs_are_held_by_what_looks_at_parameters_alone(clip: dict[str, Any], tmp_path: Path) -> None:
    """From where the first training ended."""
    spec = small(pipeline("retrieval", "pairs", clip, ADAPTERS["lora"], regularizers=FIRST[1:]))
    first = run(spec, tmp_path / "first").folder
    begin = load_file(first / "adapter" / "adapter_model.safetensors")

    def moved(name: str, *regularizers: dict[str, Any]) -> Tensor:
        again = spec | {"regularizers": regularizers, "trainer": spec["trainer"] | {"start_from": str(first)}}
        again["evaluation"] = {"select_on": "none", "test_on": "test", "seeds": [0]}
        ended = load_file(run(again, tmp_path / name).folder / "adapter" / "adapter_model.safetensors")
        return torch.cat([(ended[key] - begin[key]).flatten() for key in begin]).norm()

    held = moved("held", {"type": "l2_start", "strength": 1e3}, {"type": "synaptic_intelligence", "strength": 1.0})
    assert held < moved("free")
