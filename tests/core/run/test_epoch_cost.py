"""What an epoch of a few-shot training dispatches, and how often it waits for a number: counts, never seconds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from graftwork.core.training import unread
from graftwork.core.training.unread import numbers_of

from ...support.small_pipeline import pipeline

READ = "aten._local_scalar_dense.default"


class Counted(TorchDispatchMode):
    """Counts operators."""

    def __init__(self) -> None:
        super().__init__()
        self.operators: Counter[str] = Counter()

    def __torch_dispatch__(self, operator: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        """One more."""
        self.operators[str(operator)] += 1
        return operator(*arguments, **(named or {}))


def of_run(folder: Path, epochs: int, **more: Any) -> Counter[str]:
    """Of a whole run with so many epochs."""
    with Counted() as counted:
        pipeline(trainer__epochs=epochs, trainer__schedule="constant", evaluation__seeds=[0], **more).run(folder)
    return counted.operators


def messages(operators: Counter[str]) -> int:
    """How often messages were passed, on the CPU."""
    return sum(count for name, count in operators.items() if "embedding_bag" in name)


@pytest.fixture(autouse=True)
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, nothing is read because time is up."""
    monkeypatch.setattr(unread, "SECONDS", 1e9)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_an_epoch_costs_few_operators_and_no_read(tmp_path: Path, optimizer: str) -> None:
    """GA-Net over a graph with a linear head, nine parameters, and a split to select on.

    The difference of two lengths is what epochs cost: no message is passed in any, and a step is one kernel.
    """
    more = {"trainer__optimizer": {"type": optimizer, "lr": 0.01}}
    of_run(tmp_path / "stored", 1, **more)
    short, long = of_run(tmp_path / "short", 10, **more), of_run(tmp_path / "long", 20, **more)
    assert sum((long - short).values()) <= 10 * 128
    assert long[READ] == short[READ]
    assert messages(long) == messages(short) > 0


def test_scalars_of_several_dtypes_are_numbers_by_one_read() -> None:
    """float32 keeps every bit; what is a number already stays where it is."""
    given = [torch.tensor(0.1), 0.25, torch.tensor(0.1, dtype=torch.float64)]
    with Counted() as counted:
        assert numbers_of(given) == [float(torch.tensor(0.1)), 0.25, 0.1]
    assert counted.operators["aten.stack.default"] <= 1


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
