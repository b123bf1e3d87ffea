"""What an epoch through towers dispatches beside the frozen towers, and how often it waits for a number: counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from graftwork import Pipeline
from graftwork.core.layers.model import LayerModel
from graftwork.core.training import finished, unread
from graftwork.triton_kernels.testing import counted
from graftwork.triton_kernels.testing.counts import Counts

from ...support.models.tiny_encoders import save_tiny_encoder
from ...support.small_layers import pipeline, with_little_data

PASSES = 3
"""Of an epoch: two batches of labelled items, and one of the selection split."""
LORA, MIXED = {"type": "lora", "rank": 2}, {"type": "hmmoe", "rank": 4}
FEATURES = {"type": "bottleneck", "bottleneck": 4}


@pytest.fixture(autouse=True)
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, nothing is read because time is up."""
    monkeypatch.setattr(unread, "SECONDS", 1e9)
    monkeypatch.setattr(finished, "SECONDS", 1e9)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {"type": "transformers", "model": str(save_tiny_encoder("clip", tmp_path_factory.mktemp("clip")))}


def of_epoch(folder: Path, clip: Any, task: tuple[str, str], adapter: Any, **settings: Any) -> Counts:
    """The difference of two lengths is what an epoch costs. Rows of a batch are drawn on the CPU: no read."""
    found = []
    for epochs in (1, 2):
        spec = pipeline(*task, clip, adapter)
        spec["trainer"] |= {"epochs": epochs, "schedule": "constant"}
        spec["task"] |= settings
        with counted() as counts:
            Pipeline(spec, with_little_data()).run(folder / f"{epochs}", folder / "store")
        found.append(counts)
    one, two = found
    assert two.reads.pop("tolist") - one.reads.pop("tolist") >= 2
    return Counts(launching=two.launching - one.launching, reads=two.reads - one.reads)


def of_frozen(folder: Path, clip: Any, task: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> Counts:
    """One pass through the towers with the adapter switched off."""
    found: list[Counts] = []
    run = LayerModel.run

    def switched_off(self: LayerModel, *given: Any) -> Any:
        with torch.no_grad(), self.grafted.disable_adapter(), counted() as counts:
            run(self, *given)
        found.append(counts)
        return run(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(LayerModel, "run", switched_off)
        Pipeline(pipeline(*task, clip, LORA), with_little_data()).run(folder / "frozen", folder / "store")
    return found[-1]


@pytest.mark.parametrize(
    ("task", "adapter"),
    [(("classification", "same"), LORA), (("vqa", "vqa"), MIXED), (("nlvr2", "both"), LORA)],
    ids=["classification", "vqa", "nlvr2"],
)
def test_an_epoch_through_towers_reads_what_the_frozen_towers_read(
    task: tuple[str, str],
    adapter: Any,
    clip: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing of ours waits: not the loss, not the figure that selects, not the experts' shares. (The text tower of
    transformers looks whether its mask is full.) It dispatches at most four times the frozen passes, views left out."""
    frozen, epoch = of_frozen(tmp_path, clip, task, monkeypatch), of_epoch(tmp_path, clip, task, adapter)
    assert epoch.reads.total() <= PASSES * frozen.reads.total(), epoch.reads
    assert epoch.launching.total() <= 4 * PASSES * frozen.launching.total()


def test_an_epoch_on_read_outs_of_frozen_towers_reads_nothing(clip: dict[str, Any], tmp_path: Path) -> None:
    """The towers ran before; an epoch is 126 operators in three batches."""
    epoch = of_epoch(tmp_path, clip, ("vqa", "vqa"), FEATURES)
    assert not epoch.reads
    assert epoch.launching.total() <= PASSES * 50


def test_which_pairs_are_scored_is_looked_at_once_an_epoch(clip: dict[str, Any], tmp_path: Path) -> None:
    """Those of a step are all of its pairs, chosen without a look; how many are scored again must be known. (What else
    is counted here are the looks at ranks and targets, on the CPU.)"""
    for joint in (False, True):
        looks = of_epoch(tmp_path / str(joint), clip, ("retrieval", "pairs"), LORA, joint=joint).reads
        assert looks["nonzero"] == 1 + joint
        assert looks["cpu"] == 2 + joint
        assert looks.keys() <= {"nonzero", "cpu", "_local_scalar_dense", "_unique2"}
