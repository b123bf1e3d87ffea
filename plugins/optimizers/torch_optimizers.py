"""Torch's optimizers from their specs. Built as ``build(spec, parameters)``.

``foreach``: one operator for all parameters, not one each, with the same results.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from .specs import AdamWSpec, SGDSpec


def adamw(spec: AdamWSpec, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """torch.optim.AdamW."""
    return AdamW(parameters, lr=spec.lr, weight_decay=spec.weight_decay, foreach=True)


def sgd(spec: SGDSpec, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """torch.optim.SGD."""
    return SGD(parameters, lr=spec.lr, momentum=spec.momentum, weight_decay=spec.weight_decay, foreach=True)
