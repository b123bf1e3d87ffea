"""Parameters held at an anchor, and what a run saved of them as the next has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ...core.roles import TrainingView
from ...core.storage.run_folder import RunFolderError


def distance(parameters: Mapping[str, nn.Parameter], anchor: Mapping[str, Tensor], by: Mapping[str, Tensor]) -> Tensor:
    """sum_k by_k (theta_k - anchor_k)², a scalar."""
    terms = [(by[name] * (parameter - anchor[name]).square()).sum() for name, parameter in parameters.items()]
    return torch.stack(terms).sum()


def values_of(parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """A copy of what they are now."""
    return {name: parameter.detach().clone() for name, parameter in parameters.items()}


def as_here(saved: Mapping[str, Tensor], view: TrainingView, path: Path, who: str) -> dict[str, Tensor]:
    """What a run saved of each parameter, in this run's rows: zeros for classes that it did not know.

    Raises ``RunFolderError`` where ``path`` does not fit.
    """
    found = {}
    for name, parameter in view.parameters.items():
        before, rows = saved.get(name), view.rows_before.get(name)
        if before is not None and rows is not None and len(before) > int(rows.max()):
            here = before.new_zeros(len(rows), *before.shape[1:])
            here[rows >= 0] = before[rows[rows >= 0]]
            before = here
        if before is None or before.shape != parameter.shape:
            raise RunFolderError(f"{who}: {path} does not fit this pipeline at {name}")
        found[name] = before.to(parameter.device)
    return found
