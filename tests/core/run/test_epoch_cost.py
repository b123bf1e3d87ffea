"""What an epoch of a few-shot training dispatches, and how often it waits for a number: counts, never seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from graftwork.core.training import finished, unread
from graftwork.core.training.unread import State, numbers_of
from graftwork.triton_kernels.testing import counted
from graftwork.triton_kernels.testing.counts import Counts

from ...support.small_pipeline import pipeline


def of_run(folder: Path, epochs: int, **more: Any) -> Counts:
    """Of a whole run with so many epochs."""
    with counted() as counts:
        pipeline(trainer__epochs=epochs, trainer__schedule="constant", evaluation__seeds=[0], **more).run(folder)
    return counts


def messages(counts: Counts) -> int:
    """How often messages were passed, on the CPU."""
    return sum(count for name, count in counts.operators.items() if "embedding_bag" in name)


@pytest.fixture(autouse=True)
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, nothing is read because time is up."""
    monkeypatch.setattr(unread, "SECONDS", 1e9)
    monkeypatch.setattr(finished, "SECONDS", 1e9)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_an_epoch_costs_few_operators_and_no_read(tmp_path: Path, optimizer: str) -> None:
    """GA-Net over a graph with a linear head, nine parameters, and a split to select on.

    The difference of two lengths is what epochs cost: no message is passed in any, a step is one kernel, and so is a
    copy of all parameters. Views are not counted; they cost a GPU nothing.
    """
    more = {"trainer__optimizer": {"type": optimizer, "lr": 0.01}}
    of_run(tmp_path / "stored", 1, **more)
    short, long = of_run(tmp_path / "short", 10, **more), of_run(tmp_path / "long", 20, **more)
    assert (long.launching - short.launching).total() <= 10 * 60
    assert not long.reads - short.reads
    assert messages(long) == messages(short) > 0


def test_scalars_of_several_dtypes_are_numbers_by_one_read() -> None:
    """float32 keeps every bit; what is a number already stays where it is."""
    given = [torch.tensor(0.1), 0.25, torch.tensor(0.1, dtype=torch.float64)]
    with counted() as counts:
        assert numbers_of(given) == [float(torch.tensor(0.1)), 0.25, 0.1]
    assert counts.reads["tolist"] == 1
    assert counts.operators["stack"] <= 1


def test_a_state_is_a_copy_of_every_kind_of_number_in_its_shape() -> None:
    """Parameters of two dtypes, a scalar, an empty one, a whole number: bit for bit, whatever becomes of the model."""
    model = torch.nn.BatchNorm1d(3)  # with running means and a count of batches
    model.scale = torch.nn.Parameter(torch.tensor(0.1, dtype=torch.float64))
    model.turned = torch.nn.Parameter(torch.randn(2, 3).T)
    model.none = torch.nn.Parameter(torch.empty(0, 4))
    before = {name: one.clone() for name, one in model.state_dict().items()}
    with counted() as counts:
        state = State.of(model)
    assert counts.launching["cat"] == 3
    with torch.no_grad():
        for one in model.state_dict().values():
            one.zero_()
    found = state.tensors()
    assert found.keys() == before.keys()
    for name, one in before.items():
        assert (found[name].dtype, found[name].shape) == (one.dtype, one.shape)
        assert torch.equal(found[name], one)
    model.load_state_dict(found)


@pytest.mark.parametrize("bound", ["EPOCHS", "BYTES", "SECONDS"])
def test_how_many_epochs_wait_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    """One at a time, or all of them: the same parameters and the same events."""
    common: dict[str, Any] = {"trainer__epochs": 12, "reporters": [{"type": "jsonl"}]}
    together = pipeline(**common).run(tmp_path / "together")
    monkeypatch.setattr(unread, bound, 1 if bound != "SECONDS" else 0.0)
    apart = pipeline(**common).run(tmp_path / "apart")
    weights = "adapter/adapter_model.safetensors"
    assert (together.folder / weights).read_bytes() == (apart.folder / weights).read_bytes()
    assert epochs_of(together.folder) == epochs_of(apart.folder)


def epochs_of(folder: Path) -> list[str]:
    """Its events without their times."""
    lines = (folder / "events.jsonl").read_text().splitlines()
    return [line.split('"training"')[1] for line in lines if '"EpochFinished"' in line]
