"""The loop that trains each of the transformer towers: one thread, AdamW, a running average of the weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from ..clip.loop import RunningAverage, adamw, one_thread_each, scheduled

#: Fresh training data, as the arguments of the objective's forward pass.
Draw = Callable[[], tuple[Any, ...]]
#: Called after each step with its number and loss.
LossWatcher = Callable[[int, float], None]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a tower learns."""

    steps: int
    batch: int = 64
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    average: float = 0.998
    """Decay of the running average of the weights, which is what is saved."""

    def shortened(self, share: float) -> Schedule:
        """The schedule with only ``share`` of its steps."""
        return replace(self, steps=max(1, round(share * self.steps)))


def train_tower(objective: nn.Module, draw: Draw, schedule: Schedule, watch: LossWatcher) -> None:
    """Minimise ``objective(*draw())`` in place; it is left with its weights' running average, in evaluation mode.

    One thread, whatever torch is set to: the same seed then gives the same bits on one processor and one torch.
    """
    objective.train()
    optimizer = adamw(objective, schedule.learning_rate, schedule.weight_decay, fused=True)
    average = RunningAverage(objective, schedule.average)
    with one_thread_each():
        for step in range(schedule.steps):
            for group in optimizer.param_groups:
                group["lr"] = scheduled(schedule.learning_rate, schedule.warmup_steps, step, step / schedule.steps)
            loss = objective(*draw())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(objective.parameters(), schedule.clip_norm)
            optimizer.step()
            average.update(objective)
            watch(step + 1, float(loss.detach()))
    objective.load_state_dict(average.weights)
    objective.eval()
