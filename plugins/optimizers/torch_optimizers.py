"""Torch's optimizers from their specs. Built as ``build(spec, parameters)``.

``fused``: one kernel for a step, where torch has one for the device and the numbers are real; else
``foreach``, an operator for all parameters.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from .specs import AdamWSpec, SGDSpec

#: Devices that torch has fused steps for.
FUSED = ("cpu", "cuda")


def adamw(spec: AdamWSpec, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """torch.optim.AdamW."""
    given = list(parameters)
    fused = _fused(given)
    return AdamW(given, lr=spec.lr, weight_decay=spec.weight_decay, fused=fused, foreach=not fused)


def sgd(spec: SGDSpec, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """torch.optim.SGD."""
    given = list(parameters)
    fused = _fused(given)
    decay = spec.weight_decay
    return SGD(given, lr=spec.lr, momentum=spec.momentum, weight_decay=decay, fused=fused, foreach=not fused)


def _fused(parameters: Iterable[nn.Parameter]) -> bool:
    return all(one.device.type in FUSED and one.is_floating_point() for one in parameters)
