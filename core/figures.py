"""What a task says of logits, held against its role."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .contract import broken, form
from .task import PairTask, Task


def losses_of(task: Task, logits: Tensor, targets: Tensor) -> Tensor:
    """The loss of each item. Raises ``ContractError`` where there is not one an item."""
    given = task.losses(logits, targets)
    items = logits.shape[1] if isinstance(task, PairTask) else len(logits)
    if not isinstance(given, Tensor) or given.ndim == 0 or len(given) != items:
        raise broken("task", task, f"`losses` gave {form(given)} for {items} items; it gives one an item (no mean)")
    return given


def figures_of(task: Task, logits: Tensor, targets: Tensor) -> dict[str, float]:
    """Its metrics. Raises ``ContractError`` where its ``primary`` is not among them, or one is no finite number."""
    given = task.metrics(logits, targets)
    primary = getattr(task, "primary", None)
    if not isinstance(given, dict) or primary not in given:
        names = ", ".join(given) if isinstance(given, dict) else form(given)
        raise broken("task", task, f"has the `primary` {primary!r}, and `metrics` gave: {names}")
    found = {name: _number(value) for name, value in given.items()}
    if bad := [f"{name} {given[name]!r}" for name, value in found.items() if not math.isfinite(value)]:
        raise broken("task", task, f"`metrics` gave {', '.join(bad)}; each is a finite number")
    return found


def ranked(task: Task, logits: Tensor, targets: Tensor) -> tuple[float, float]:
    """Primary metric and negative loss; minus infinity where the loss is not finite."""
    with torch.no_grad():
        loss = float(losses_of(task, logits, targets).mean())
    if not math.isfinite(loss):
        return -math.inf, -math.inf
    return figures_of(task, logits, targets)[task.primary], -loss


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):
        return math.nan
