"""Batches on their way to a model: what is copied, and how, shown without a card by tensors that have no numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from graftwork.plugins.encoders.pinned_batches import stacked

CARD = torch.device("cuda", 0)


class Copies(TorchDispatchMode):
    """What makes or fills memory: its name, with what is pinned and what nobody waits for."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, bool]] = []

    def __torch_dispatch__(
        self, func: Any, types: Sequence[Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if (name := func.__name__.partition(".")[0]) in ("empty", "stack", "_to_copy"):
            self.found.append((name, bool(given.get("pin_memory") or given.get("non_blocking"))))
        return func(*args, **given)


@pytest.mark.parametrize("dtype", [None, torch.float32, torch.bfloat16])
def test_on_a_cpu_it_is_a_stack(dtype: torch.dtype | None) -> None:
    rows = [torch.randn(3, 2) for _ in range(4)]
    assert torch.equal(stacked(rows, torch.device("cpu"), dtype), torch.stack(rows).to(dtype or torch.float32))


def test_rows_of_the_host_are_copied_once_into_pinned_memory_and_nobody_waits() -> None:
    """Already of the model's dtype: half the bytes for bfloat16."""
    with FakeTensorMode(), Copies() as copies:
        found = stacked([torch.ones(3, 2) for _ in range(4)], CARD, torch.bfloat16)
    assert (found.device, found.dtype, found.shape) == (CARD, torch.bfloat16, (4, 3, 2))
    assert copies.found == [("empty", True), ("stack", False), ("_to_copy", True)]


@pytest.mark.parametrize(("place", "grad"), [(CARD, False), (torch.device("cpu"), True)])
def test_rows_of_the_card_and_those_with_a_gradient_take_no_other_memory(place: torch.device, grad: bool) -> None:
    with FakeTensorMode(), torch.no_grad():
        rows = [torch.ones(3, device=place, requires_grad=grad) for _ in range(2)]
        with Copies() as copies:
            assert stacked(rows, CARD).device == CARD
    assert ("empty", True) not in copies.found
