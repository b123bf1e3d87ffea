"""What is promised of every component that runs."""

from __future__ import annotations

import random

import numpy as np
import torch

from ..case import Case
from ..same import assert_same
from ..watched import offline, writing_only


def deterministic(case: Case) -> None:
    """Twice, whatever was drawn from the global generator in between."""
    first = case.exercise()
    torch.randn(7)
    assert_same(first, case.exercise(), "built and used twice under one seed")


def no_network(case: Case) -> None:
    """Also not where the failure is swallowed."""
    with offline() as tried:
        _tolerating(case, tried)
    assert not tried, f"it asks for the network: {tried[0]}"


def no_writes(case: Case) -> None:
    """Temporary files count as the work folder's."""
    with writing_only(case.folder) as tried:
        _tolerating(case, tried)
    assert not tried, f"it writes outside the work folder: {tried[0]}"


def _tolerating(case: Case, tried: list[str]) -> None:
    """What fails because of a refusal is told as the refusal."""
    try:
        case.exercise()
    except Exception:
        if not tried:
            raise


def leaves_randomness(case: Case) -> None:
    """Python's, NumPy's and torch's generators; torch's default dtype, threads, gradient and determinism modes."""
    case.exercise()  # imports are over
    before = _state()
    case.exercise()
    for name, value in _state().items():
        assert value == before[name], f"using it changes {name} for everybody else in the process"


def _state() -> dict[str, object]:
    return {
        "Python's random numbers": random.getstate(),
        "NumPy's random numbers": repr(np.random.get_state()),
        "torch's random numbers": torch.get_rng_state().numpy().tobytes(),
        "torch's default dtype": torch.get_default_dtype(),
        "torch's threads": torch.get_num_threads(),
        "torch's gradient mode": torch.is_grad_enabled(),
        "torch's determinism": torch.are_deterministic_algorithms_enabled(),
    }
