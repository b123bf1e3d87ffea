"""What towers give before the first adapter is computed once an item, and a run is the one that it was without."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graftwork import Pipeline
from graftwork.core.layers import frozen_prefix
from graftwork.core.layers.frozen_prefix import FrozenPrefixes
from graftwork.core.storage.tensors import read_tensors
from graftwork.core.towers.frozen_tower import FrozenTower
from graftwork.core.towers.prefix import Prefix, passed_over, run_prefix
from graftwork.core.towers.tower import Tower

from ...support.models.staged_models import pictures, staged_model
from ...support.models.tiny_encoders import save_tiny_encoder
from ...support.small_layers import pipeline, with_little_data

LATE: dict[str, Any] = {"layer_map": "last_k", "meetings": 1}
ADAPTERS: dict[str, dict[str, Any]] = {
    "hmmoe": {"type": "hmmoe", "rank": 4, **LATE},
    "inside a block": {"type": "hmmoe", "rank": 4, "places": ["attention"], "placement": "parallel", **LATE},
    "unimodal": {"type": "hmmoe", "rank": 4, "experts": [{"type": "unimodal"}], **LATE},
    "blocks that run again": {"type": "hmmoe", "rank": 4, **LATE, "gradient_checkpointing": True},
    "lora": {"type": "lora", "rank": 2, "targets": ["1.mlp.fc1"]},
}
#: AdamW would make steps of the rounding where a gradient is zero (a bias of keys).
SGD = {"type": "sgd", "lr": 0.1}
CASES = [("vqa", "vqa", {}, one) for one in ADAPTERS] + [("retrieval", "pairs", {"joint": True}, "hmmoe")]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {"type": "transformers", "model": str(save_tiny_encoder("clip", tmp_path_factory.mktemp("clip")))}


def trained(spec: dict[str, Any], folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Figures and parameters of a run."""
    done = Pipeline(spec, with_little_data()).run(folder, folder.parent / "store")
    return done.result["test"], read_tensors(done.folder / "adapter/adapter_model.safetensors")


@pytest.mark.parametrize(("task", "data", "more", "adapter"), CASES)
def test_a_run_is_the_same_and_no_item_passes_the_first_blocks_twice(
    task: str,
    data: str,
    more: dict[str, Any],
    adapter: str,
    clip: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Training, selection and test, two seeds; texts are padded otherwise in every batch."""
    spec = pipeline(task, data, clip, ADAPTERS[adapter], evaluation={"seeds": [0, 1]})
    spec["task"] |= more
    spec["trainer"] |= {"batch_size": 5, "epochs": 3, "optimizer": SGD}
    computed: list[tuple[str, Any]] = []
    run = frozen_prefix.run_prefix

    def noted(tower: Tower, count: int, inputs: Any) -> Prefix | None:
        computed.extend((tower.name, content) for content in inputs.contents)
        return run(tower, count, inputs)

    monkeypatch.setattr(frozen_prefix, "run_prefix", noted)
    found = trained(spec, tmp_path / "kept")
    assert computed
    assert len(computed) <= 2 * len(set(computed))  # a batch with one that is new is computed whole
    monkeypatch.setattr(FrozenPrefixes, "of", lambda *_: None)
    torch.testing.assert_close(found, trained(spec, tmp_path / "anew"), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("task", "data", "parts", "pairs"),
    [
        ("classification", "same", {"image": "resnet", "text": "bert"}, [[2, 0]]),
        ("classification", "same", {"image": "swin", "text": "bert"}, [[1, 0]]),
        ("events", "clip", {"image": "convnext", "audio": "whisper"}, [[1, 0]]),
    ],
)
def test_a_run_is_the_same_in_towers_of_maps_and_in_one_that_hears_its_padding(
    task: str,
    data: str,
    parts: dict[str, str],
    pairs: list[list[int]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Blocks of early stages are passed over, whose maps are of other shapes; Whisper's silence is kept as it is."""
    saved = {modality: str(save_tiny_encoder(family, tmp_path / family)) for modality, family in parts.items()}
    towers = {modality: {"type": "transformers", "model": model} for modality, model in saved.items()}
    adapter = {"type": "hmmoe", "rank": 4, "layer_map": pairs}
    spec = pipeline(task, data, {"type": "dual", **towers}, adapter, evaluation={"select_on": "none"})
    spec["trainer"] |= {"batch_size": 5, "optimizer": SGD}
    passed: set[str] = set()
    around = frozen_prefix.run_prefix

    def noted(tower: Tower, count: int, inputs: Any) -> Prefix | None:
        passed.add(tower.name)
        return around(tower, count, inputs)

    monkeypatch.setattr(frozen_prefix, "run_prefix", noted)
    found = trained(spec, tmp_path / "kept")
    assert passed == set(parts)
    monkeypatch.setattr(FrozenPrefixes, "of", lambda *_: None)
    torch.testing.assert_close(found, trained(spec, tmp_path / "anew"), rtol=1e-5, atol=1e-5)


def test_what_is_kept_stays_below_its_bound(
    clip: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above it blocks run as ever, and the run is the same."""
    spec = pipeline("vqa", "vqa", clip, ADAPTERS["hmmoe"])
    spec["trainer"] |= {"batch_size": 5, "optimizer": SGD}
    whole = trained(spec, tmp_path / "whole")
    kept: list[FrozenPrefixes] = []
    room = 3000

    def bounded(self: FrozenPrefixes) -> None:
        before(self, room)
        kept.append(self)

    before = FrozenPrefixes.__init__
    monkeypatch.setattr(FrozenPrefixes, "__init__", bounded)
    torch.testing.assert_close(trained(spec, tmp_path / "bounded"), whole, rtol=1e-6, atol=1e-6)
    rows = [row for one in kept for lane in one._kept.values() for row in lane.rows.values()]
    assert 0 < sum(row.nbytes for row in rows) <= room


class Block(nn.Module):
    """Adds a number to what it is given, and perhaps something besides."""

    def __init__(self, besides: object = None, tuples: bool = False) -> None:
        super().__init__()
        self.norm, self.calls = nn.LayerNorm(4), 0
        self.besides, self.tuples = besides, tuples

    def forward(self, state: Tensor) -> Any:
        self.calls += 1
        return (state + 1, self.besides) if self.tuples else state + 1


class Model(nn.Module):
    """Blocks in a row, and what they give besides."""

    def __init__(self, blocks: list[Block]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            given = block(x)
            x = given[0] if isinstance(given, tuple) else given
            if isinstance(given, tuple) and given[1] is not None:
                x = x + given[1]
        return x


def tower(*blocks: Block) -> Tower:
    return Tower.of("one", Model(list(blocks)))


def calls(model: nn.Module) -> list[int]:
    return [block.calls for block in model.blocks]  # type: ignore[union-attr]


@pytest.mark.parametrize("tuples", [False, True])
def test_blocks_are_run_alone_and_passed_over(tuples: bool) -> None:
    """Also where a block gives a tuple around its state; afterwards they are as they were."""
    made, x = tower(*(Block(tuples=tuples) for _ in range(4))), torch.zeros(2, 3, 4)
    prefix = run_prefix(made, 3, {"x": x})
    assert calls(made.model) == [1, 1, 1, 0]
    assert prefix is not None
    assert torch.equal(prefix.state, x + 3)
    with passed_over(made, prefix):
        assert torch.equal(made.model(x - 7), x + 4)
    assert calls(made.model) == [1, 1, 1, 1]
    assert not any("forward" in vars(block) for block in made.blocks)
    assert torch.equal(made.model(x), x + 4)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("name", ["ResNet", "ConvNext", "Swin", "timm EfficientNet"])
def test_stages_whose_maps_shrink_are_passed_over(name: str, count: int) -> None:
    """What is kept of a picture is a map; the second time the first blocks do not run."""
    made, given = Tower.of("one", staged_model(name)), pictures(name, 2)
    frozen = FrozenTower(made, dict, lambda out, _: getattr(out, "last_hidden_state", out).flatten(1), 4)
    with torch.no_grad():
        plain, prefixes = frozen.read_out(made.model(**given), given), FrozenPrefixes()
        for _ in range(2):
            prefix = prefixes.of(frozen, count, given, ["a", "b"])
            assert prefix is not None
            with passed_over(made, prefix):
                torch.testing.assert_close(frozen.read_out(made.model(**given), given), plain)


def test_others_find_the_blocks_as_they_are() -> None:
    """Another thread's call of the same model runs all of them."""
    made, x = tower(Block(), Block(), Block()), torch.zeros(1, 2, 4)
    found: list[Tensor] = []
    prefix = run_prefix(made, 2, {"x": x})
    assert prefix is not None
    with passed_over(made, prefix):
        other = threading.Thread(target=lambda: found.append(made.model(x + 10)))
        other.start()
        other.join()
    assert torch.equal(found[0], x + 13)


def test_blocks_that_give_more_than_their_state_run_every_time() -> None:
    """What they give besides would be lost."""
    made, x = tower(Block(besides=torch.ones(()), tuples=True), Block(), Block()), torch.zeros(1, 2, 4)
    assert run_prefix(made, 2, {"x": x}) is None
    frozen = FrozenTower(made, dict, lambda out, _: out.mean(1), 4)
    prefixes = FrozenPrefixes()
    assert [prefixes.of(frozen, 2, {"x": x}, ["a"]) for _ in range(2)] == [None, None]
    assert made.blocks[2].calls == 0


def test_a_tower_whose_read_out_hears_the_first_blocks_runs_every_time() -> None:
    """It is tried before anything is kept."""
    made, x = tower(Block(), Block(), Block()), torch.randn(2, 2, 4)
    heard: list[Tensor] = []
    made.blocks[0].register_forward_hook(lambda _, args, output: heard.append(output))
    frozen = FrozenTower(made, dict, lambda out, _: heard[-1].mean(1), 4)
    assert FrozenPrefixes().of(frozen, 2, {"x": x}, ["a", "b"]) is None
