"""Decay towards the start."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...core.roles import Regularizer, TrainingView
from .held import distance, values_of
from .specs import L2StartSpec


class L2Start(Regularizer):
    """alpha / 2 * ||w_S - w_S⁰||² + beta / 2 * ||w_new||².

    w_S are the parameters that the start gives a value worth keeping, w_S⁰ that value; w_new are rows of the head for
    new classes. Source: Li, Grandvalet & Davoine, "Explicit Inductive Bias for Transfer Learning with Convolutional
    Networks", ICML 2018, equation 3 (L2-SP).
    """

    def __init__(self, spec: L2StartSpec) -> None:
        self.spec = spec
        self._start: dict[str, Tensor] = {}
        #: 1 where a parameter is held at its start, 0 in rows of new classes.
        self._held: dict[str, Tensor] = {}

    def start(self, view: TrainingView) -> None:
        """Take the start."""
        self._start = values_of(view.parameters)
        self._held = {name: torch.ones_like(one) for name, one in self._start.items()}
        for name, rows in view.rows_before.items():
            if name in self._start:
                new = (rows < 0).to(self._start[name].device)
                self._held[name][new] = 0.0

    def penalty(self, parameters: Mapping[str, nn.Parameter]) -> Tensor:
        """The penalty, a scalar."""
        penalty = self.spec.strength / 2 * distance(parameters, self._start, self._held)
        if not self.spec.new_classes:
            return penalty
        new = [((1 - self._held[name]) * one.square()).sum() for name, one in parameters.items()]
        return penalty + self.spec.new_classes / 2 * torch.stack(new).sum()
