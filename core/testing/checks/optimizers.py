"""Optimizers: on a bowl."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from ..case import Case

STEPS = 20


def _parameter() -> nn.Parameter:
    return nn.Parameter(torch.linspace(-1, 1, 6))


def make(case: Case) -> tuple[Optimizer, nn.Parameter]:
    """With one parameter to train."""
    parameter = _parameter()
    optimizer: Any = case.build(object, [parameter])
    return optimizer, parameter


def _train(optimizer: Optimizer, parameter: nn.Parameter) -> None:
    for _ in range(STEPS):
        optimizer.zero_grad()
        parameter.square().sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def exercise(case: Case) -> Any:
    """Where it comes to."""
    optimizer, parameter = make(case)
    _train(optimizer, parameter)
    return parameter.detach()


def is_optimizer(case: Case) -> None:
    """The schedule scales that rate."""
    optimizer, _ = make(case)
    assert isinstance(optimizer, Optimizer), f"build gives a {type(optimizer).__name__}, not a torch.optim.Optimizer"
    rates = {group["lr"] for group in optimizer.param_groups}
    assert rates == {case.spec.lr}, f"the spec's lr is {case.spec.lr}, the optimizer's {sorted(rates)}"


def descends(case: Case) -> None:
    """The sum of squares."""
    optimizer, parameter = make(case)
    before = float(parameter.detach().square().sum())
    _train(optimizer, parameter)
    after = float(parameter.detach().square().sum())
    assert after < before, f"after {STEPS} steps the loss is {after:.4g}, from {before:.4g}"


def own_parameters(case: Case) -> None:
    """Another one that has a gradient as well stays as it is."""
    optimizer, parameter = make(case)
    other = _parameter()
    other.grad = torch.ones_like(other)
    _train(optimizer, parameter)
    assert torch.equal(other, _parameter()), "it changes a parameter that it was not given"
    assert not torch.equal(parameter, _parameter()), "it does not change the parameter that it was given"
