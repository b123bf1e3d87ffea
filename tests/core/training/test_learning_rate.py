"""The learning rate over the steps: counted by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from graftwork.core.spec.pipeline_spec import TrainerSpec
from graftwork.core.training.steps import scheduler_of


def rates(steps: int, **trainer: object) -> list[float]:
    """Of each step, for a rate of 1; two parameters, one with twice the rate."""
    one, two = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([{"params": [one], "lr": 1.0}, {"params": [two], "lr": 2.0}])
    scheduler = scheduler_of(TrainerSpec.model_validate(trainer), optimizer, steps)
    found = []
    for _ in range(steps):
        first, second = (group["lr"] for group in optimizer.param_groups)
        assert second == pytest.approx(2 * first)
        found.append(first)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return found


def falling(steps: int) -> list[float]:
    return [(1 + math.cos(math.pi * step / steps)) / 2 for step in range(steps)]


@pytest.mark.parametrize(
    ("steps", "trainer", "expected"),
    [
        (6, {"schedule": "constant"}, [1] * 6),
        (6, {}, falling(6)),
        (10, {"warmup": 0.4}, [0.25, 0.5, 0.75, 1, *falling(6)]),
        (6, {"warmup": 0.5, "schedule": "constant"}, [1 / 3, 2 / 3, 1, 1, 1, 1]),
        (10, {"warmup": 0.1}, falling(10)),  # one step of warm-up has the whole rate
        (4, {"warmup": 0.99}, [0.25, 0.5, 0.75, 1]),
        (1, {"warmup": 0.5}, [1]),
    ],
)
def test_rates_of_the_steps(steps: int, trainer: dict[str, object], expected: list[float]) -> None:
    """The warm-up is a rounded share of the steps; the schedule has the others."""
    assert rates(steps, **trainer) == pytest.approx(expected)
