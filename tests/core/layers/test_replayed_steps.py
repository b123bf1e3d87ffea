"""Steps inside towers that are replayed are the steps; what would be something else is computed as ever.

A GPU records into a CUDA graph. Here ``make_fx`` records: it keeps the operators, and a replay runs no Python, either.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from graftwork import Pipeline
from graftwork.core.layers.learner import LayerLearner
from graftwork.core.storage.tensors import read_tensors
from graftwork.core.towers.lockstep import _Runner
from graftwork.core.training import recorders, replayed, unread
from graftwork.core.training.recorders import Compute
from graftwork.core.training.steps import Steps
from graftwork.plugins.adapters.hmmoe.hmmoe import HMMoE

from ...support import small_layers
from ...support.models.tiny_encoders import save_tiny_encoder
from ..training.test_replayed import fx_graph

HMMOE = {"type": "hmmoe", "rank": 4, "experts": [{"type": "cross_attention", "heads": 1}]}
LORA = {"type": "lora", "rank": 2}
EPOCHS = 10
"""Of a whole batch of ten and one of four each: as many of the last are few."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {"type": "transformers", "model": str(save_tiny_encoder("clip", tmp_path_factory.mktemp("clip")))}


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Nothing is read because time is up; items of each loss whose Python ran."""
    monkeypatch.setattr(unread, "SECONDS", 1e9)
    sizes, lost = list[int](), LayerLearner._lost

    def noted(self: LayerLearner, gathered: Any) -> Any:
        sizes.append(len(gathered[1]))
        return lost(self, gathered)

    monkeypatch.setattr(LayerLearner, "_lost", noted)
    return sizes


class Done:
    """A training: losses and shares of its epochs, and what it trained."""

    def __init__(self, folder: Path, sizes: list[int], spec: dict[str, Any]) -> None:
        sizes.clear()
        done = Pipeline(spec, small_layers.with_little_data()).run(folder, folder.parent / "store")
        self.sizes = tuple(sizes)
        events = [json.loads(line) for line in (done.folder / "events.jsonl").read_text().splitlines()]
        self.epochs = [(one["loss"], one["usage"]) for one in events if one["event"] == "EpochFinished"]
        self.tensors = read_tensors(done.folder / "adapter/adapter_model.safetensors")


def both(
    folder: Path, sizes: list[int], encoder: Any, adapter: Any, record: Any = fx_graph, **trainer: Any
) -> tuple[Done, Done]:
    """Recorded and as ever; they are the same to the bit."""
    spec = small_layers.pipeline("vqa", "vqa", encoder, adapter, reporters=[{"type": "jsonl"}])
    spec["evaluation"] = {"select_on": "none"}
    spec["trainer"] |= {"epochs": EPOCHS, "batch_size": 10} | trainer
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(recorders.RECORDERS, "cpu", lambda device: record)
        now = Done(folder / "now", sizes, spec)
    ever = Done(folder / "ever", sizes, spec)
    assert now.epochs == ever.epochs
    assert now.tensors.keys() == ever.tensors.keys()
    assert all(torch.equal(one, ever.tensors[name]) for name, one in now.tensors.items())
    return now, ever


@pytest.mark.parametrize(
    ("adapter", "trainer"),
    [
        (HMMOE | {"gradient_checkpointing": True}, {"precision": "bf16"}),
        (LORA | {"dropout": 0.3}, {"accumulate": 2, "batch_size": 6}),
    ],
    ids=["towers that meet, blocks that run again, bf16", "dropout, steps of several batches"],
)
def test_a_replayed_step_is_the_step(adapter: Any, trainer: Any, clip: Any, counted: list[int], tmp_path: Path) -> None:
    """Losses, shares of experts and parameters, and what dropout draws. The Python of a form runs until two replays
    were tried: three times as ever, then twice beside a replay, watched and recorded once."""
    now, ever = both(tmp_path, counted, clip, adapter, **trainer)
    whole = trainer.get("batch_size", 10)
    assert ever.sizes.count(whole) >= 2 * EPOCHS
    assert replayed.WARM_UP + 4 <= now.sizes.count(whole) <= EPOCHS  # of six some are of other lengths, and seldom


def test_a_failure_of_recording_leaves_nothing(
    clip: Any, counted: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was drawn, gradients, hooks of the towers, and their forwards, which wait for each other, are as they
    were."""
    meetings = [0]
    arrive = _Runner.arrive

    def failing(self: Any, meeting: int, state: Any) -> Any:
        meetings[0] += 1
        if on and meetings[0] > 1:
            raise RuntimeError("operation not permitted when stream is capturing")
        return arrive(self, meeting, state)

    on: list[int] = []

    def refuses(compute: Compute) -> Compute:
        on.append(1)
        meetings[0] = 0
        try:
            torch.rand(7)
            compute()
        finally:
            on.clear()
        raise AssertionError("it was not refused")

    monkeypatch.setattr(_Runner, "arrive", failing)
    now, ever = both(tmp_path, counted, clip, HMMOE, record=refuses)
    assert len(now.sizes) == len(ever.sizes) + 2  # watched, and as far as the second meeting


def test_an_adapter_that_reads_a_number_is_computed_as_ever(
    clip: Any, counted: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the texts' tower reads one of its mask unless it is captured: that is none."""
    recorded, forward = list[int](), HMMoE.forward

    def counting(compute: Compute) -> Compute:
        recorded.append(1)
        return fx_graph(compute)

    def reads(self: HMMoE, *args: Any) -> Any:
        float(next(self.parameters()).detach().sum())
        return forward(self, *args)

    monkeypatch.setattr(HMMoE, "forward", reads)
    now, ever = both(tmp_path, counted, clip, HMMOE, record=counting)
    assert not recorded
    assert len(now.sizes) == len(ever.sizes) + 1


def test_a_batch_is_computed_where_it_is(clip: Any, counted: list[int], tmp_path: Path) -> None:
    """No tensor of the host comes into it, which a GPU would wait for: one that names no device is of another here."""
    computed: list[int] = []
    epoch = Steps._train_epoch

    def once(self: Steps, *rest: Any) -> None:
        gathered = self.learner.gathered(torch.arange(3))
        with torch.device("meta"):
            loss, _ = self.learner.loss_of(gathered)
        computed.append(int(loss.isfinite()))
        epoch(self, *rest)

    for number, adapter in enumerate((HMMOE, LORA)):
        spec = small_layers.pipeline("vqa", "vqa", clip, adapter, reporters=[])
        spec["trainer"]["epochs"] = 1
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Steps, "_train_epoch", once)
            Pipeline(spec, small_layers.with_little_data()).run(tmp_path / str(number), tmp_path / "store")
    assert computed == [1, 1]
