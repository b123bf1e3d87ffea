"""The task role: loss and metrics."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from ..data.items import DataError, Item
from .contract import broken, form


class Task(ABC):
    """Built as ``build(spec)``. A subclass names its ``primary`` figure, which selection maximises."""

    #: The key of ``metrics`` that selects epochs and search values. More must be better: for an error add another
    #: figure, such as ``1 - ece``, and name that.
    primary: str
    #: Groups of items by whose values ``figures_by`` tells the primary figure apart.
    by: tuple[str, ...] = ()

    def targets(self, items: Sequence[Item], classes: int) -> Tensor:
        """The targets of items as a tensor, one row an item: int64 [N], -1 where unlabelled. Raises ``DataError``."""
        for item in items:
            if item.target is not None and not isinstance(item.target, int):
                raise DataError(f"item {item.id}: the task needs one class an item, and its target is {item.target!r}")
        return torch.tensor([-1 if item.target is None else item.target for item in items], dtype=torch.int64)

    @abstractmethod
    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss of each item, [N], of logits [N, C] against int64 targets [N] (or as ``targets`` makes them)."""

    @abstractmethod
    def metrics(self, logits: Tensor, targets: Tensor) -> dict[str, float]:
        """Named figures over all items at once."""

    def scores(self, logits: Tensor, targets: Tensor) -> Tensor | None:
        """What each item has in the ``primary`` figure, float [N]: their mean is that figure.

        Runs keep them, so that two methods are compared item by item, and rank epochs by them where their mean is the
        figure to the bit. ``None``: the figure is no mean over items.
        """
        return None


class PairTask(Task):
    """A task over every image with every text (spec: ``PairTaskSpec``).

    Columns of its logits are items, one text each; rows are the images of these items, each once, known by content, in
    the order in which the items first show them. A clip is an image: the mean of its frames, one a pass. ``losses``
    and ``metrics`` take logits float [I, T] and, as targets, ``relevance``; ``losses`` gives one a text, [T].
    """

    def targets(self, items: Sequence[Item], classes: int) -> Tensor:
        """The row of each item's image, int64 [T]. Raises ``DataError`` for an item without image or text."""
        for item in items:
            for kind in ("image", "text"):
                if any(kind not in view for view in item.views()):
                    raise DataError(f"item {item.id} has no {kind}: a pair task needs an image and a text of each item")
        rows: dict[tuple[str, ...], int] = {}
        shown = (tuple(view["image"].digest for view in item.views()) for item in items)
        images = [rows.setdefault(digests, len(rows)) for digests in shown]
        return torch.tensor(images, dtype=torch.int64)

    def relevance(self, items: Sequence[Item]) -> Tensor:
        """Which image belongs to which text, bool [I, T]: those that some item shows together, both by content."""
        rows = self.targets(items, 0)
        texts: dict[str, list[int]] = {}
        for column, item in enumerate(items):
            texts.setdefault(item.modalities["text"].digest, []).append(column)
        relevant = torch.zeros(int(rows.max()) + 1 if len(rows) else 0, len(items), dtype=torch.bool)
        for columns in texts.values():
            relevant[rows[columns][:, None], torch.tensor(columns)] = True
        return relevant


def targets_of(task: Task, items: Sequence[Item], classes: int) -> Tensor:
    """The targets of items. Raises ``ContractError`` where there is not one row an item."""
    given = task.targets(items, classes)
    if not isinstance(given, Tensor) or given.ndim == 0 or len(given) != len(items):
        raise broken("task", task, f"`targets` gave {form(given)} for {len(items)} items; it gives one row an item")
    return given


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


def scores_of(task: Task, logits: Tensor, targets: Tensor, figure: float) -> Tensor | None:
    """What each item has in the primary ``figure``, float64 [N]. Raises ``ContractError`` where the mean is another."""
    given = task.scores(logits, targets)
    if given is None:
        return None
    if not isinstance(given, Tensor) or given.shape != (len(logits),):
        raise broken("task", task, f"`scores` gave {form(given)} for {len(logits)} items; it gives one an item")
    given = given.detach().double().cpu()
    if not math.isclose(float(given.mean()), figure, rel_tol=1e-5, abs_tol=1e-5):
        mean = f"`scores` have the mean {float(given.mean()):.6g}"
        raise broken(
            "task", task, f"{mean}, and `metrics` gave {task.primary} {figure:.6g}; give None if it is no mean"
        )
    return given


def figures_by(task: Task, items: Sequence[Item], scores: Tensor | None) -> dict[str, float]:
    """The mean of the items' ``scores`` over all items of each value of the groups that the task is told apart by:
    ``vqa_score by answer_type: number``. Nothing where there are no such groups."""
    if scores is None:
        return {}
    of: dict[str, list[float]] = {}
    for item, score in zip(items, scores.tolist(), strict=True):
        for name in task.by:
            if name in item.groups:
                of.setdefault(f"{task.primary} by {name}: {item.groups[name]}", []).append(score)
    return {key: sum(of[key]) / len(of[key]) for key in sorted(of)}


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
