"""The built-in optimizers step as torch's plain loop does, over parameters of any kind."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from graftwork.plugins.optimizers import AdamWSpec, SGDSpec
from graftwork.plugins.optimizers.torch_optimizers import adamw, sgd


def parameters(dtypes: tuple[torch.dtype, ...]) -> list[nn.Parameter]:
    draw = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(4, 3, dtype=dtype, generator=draw)) for dtype in dtypes]


def stepped(optimizer: Optimizer, given: list[nn.Parameter]) -> list[Tensor]:
    """After three steps; the last parameter has a gradient in two of them."""
    draw = torch.Generator().manual_seed(1)
    for number in range(3):
        for one in given:
            one.grad = torch.randn(4, 3, dtype=one.dtype, generator=draw)
        given[-1].grad = None if number == 1 else given[-1].grad
        nn.utils.clip_grad_norm_(given, 0.5)
        optimizer.step()
    return [one.detach() for one in given]


@pytest.mark.parametrize(
    "dtypes",
    [
        (torch.float32,),
        (torch.float64, torch.float32),
        (torch.complex64,),
        (torch.float32, torch.complex64),
        (torch.complex128, torch.float64),
    ],
)
@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_a_step_is_that_of_the_plain_loop(kind: str, dtypes: tuple[torch.dtype, ...]) -> None:
    """Complex parameters, which torch has no fused step for, were refused by a line of its own."""
    here, there = parameters(dtypes), parameters(dtypes)
    plain: dict[str, Any] = {"lr": 0.1, "weight_decay": 0.2, "foreach": False, "fused": False}
    if kind == "adamw":
        pair = adamw(AdamWSpec(lr=0.1, weight_decay=0.2), here), AdamW(there, **plain)
    else:
        pair = sgd(SGDSpec(lr=0.1, weight_decay=0.2, momentum=0.9), here), SGD(there, momentum=0.9, **plain)
    for found, expected in zip(stepped(pair[0], here), stepped(pair[1], there), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
