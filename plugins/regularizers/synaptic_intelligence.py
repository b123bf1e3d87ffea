"""Synaptic intelligence."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...core.roles import Regularizer, Step, TrainingView
from ...core.storage.tensors import read_tensors
from .held import as_here, distance, values_of
from .specs import IMPORTANCE, SynapticIntelligenceSpec

FILE = IMPORTANCE.removesuffix(".safetensors")
_PATH, _MOVED = "path.", "moved."


class SynapticIntelligence(Regularizer):
    """c * sum_k Omega_k (theta_k - start_k)², with Omega_k = sum over the tasks so far of max(0, w_k / (D_k² + xi)).

    w_k = sum over the steps of -g_k * dtheta_k: g the gradient of what items lose, without penalties; dtheta what the
    step moved; D_k how far the parameter went in that task, to its last step. Where ``trainer.keep`` is `best`, the
    path is still that of all steps, and the next task is held at the parameters that were kept. Negative shares hold
    nothing, as in the authors' code. Source: Zenke, Poole & Ganguli, "Continual Learning Through Synaptic
    Intelligence", ICML 2017, equations 3 to 5.
    """

    def __init__(self, spec: SynapticIntelligenceSpec) -> None:
        self.spec = spec
        self._start: dict[str, Tensor] = {}
        self._importance: dict[str, Tensor] = {}
        self._path: dict[str, Tensor] = {}
        self._moved: dict[str, Tensor] = {}

    def start(self, view: TrainingView) -> None:
        """Take the start, and what the run before found important."""
        self.spec.require_previous(view.previous)
        self._start = values_of(view.parameters)
        self._path, self._moved, self._importance = (_zeros(self._start) for _ in range(3))
        if view.previous is not None:
            path = view.previous / IMPORTANCE
            self._importance = as_here(read_tensors(path), view, path, self.spec.type)

    def penalty(self, parameters: Mapping[str, nn.Parameter]) -> Tensor:
        """The penalty, a scalar; zero at the start and in a first task."""
        return self.spec.strength * distance(parameters, self._start, self._importance)

    def stepped(self, step: Step) -> None:
        """One step more of the path."""
        for name, move in step.moves.items():
            self._path[name] -= step.gradients[name] * move
            self._moved[name] += move

    def finish(self, view: TrainingView) -> dict[str, dict[str, Tensor]]:
        """``synaptic_intelligence.safetensors``: Omega, this task's share included."""
        return {
            FILE: {
                name: before + (self._path[name] / (self._moved[name].square() + self.spec.damping)).clamp(min=0)
                for name, before in self._importance.items()
            }
        }

    def state(self) -> dict[str, Tensor]:
        """The path so far, and how far it led."""
        return {_PATH + name: one.clone() for name, one in self._path.items()} | {
            _MOVED + name: one.clone() for name, one in self._moved.items()
        }

    def resume(self, state: Mapping[str, Tensor]) -> None:
        """Go on from there."""
        for name in self._path:
            self._path[name].copy_(state[_PATH + name])
            self._moved[name].copy_(state[_MOVED + name])


def _zeros(like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.zeros_like(one) for name, one in like.items()}
