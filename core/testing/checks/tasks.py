"""Tasks: on items of whatever form they take."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ...data.items import DataError, Item, Masks, Media
from ...roles.task import PairTask, Task, scores_of
from ..case import Case
from ..same import assert_same

CLASSES, ITEMS = 4, 8
CLOSE = 1e-5
#: Of a figure that is no such.
MAXIMISED = "; `primary` is what selection maximises: name a figure of which more is better, such as 1 - ece for an ece"


def make(case: Case) -> Task:
    """Built as the pipeline builds it."""
    return case.build(Task)


def _media(name: str) -> Media:
    return Media(hashlib.sha256(name.encode()).hexdigest(), name, lambda: name)


def _item(number: int, target: Any, passes: int = 0) -> Item:
    text = Media.of_text(f"text {number // 2}" if passes else f"text {number}")
    own = tuple({"image": _media(f"image {number} {index}")} for index in range(passes))
    return Item(
        f"item {number}", {"text": text} if own else {"text": text, "image": _media(f"image {number}")}, target, own
    )


def _one_class() -> tuple[list[Item], Tensor, int]:
    targets = torch.arange(ITEMS) % CLASSES
    return [_item(i, int(t)) for i, t in enumerate(targets)], _one_hot(targets, CLASSES), CLASSES


def _scores() -> tuple[list[Item], Tensor, int]:
    best = torch.arange(ITEMS) % CLASSES
    items = [_item(i, {int(t): 1.0, (int(t) + 1) % CLASSES: 0.3}) for i, t in enumerate(best)]
    logits = _one_hot(best, CLASSES)
    return items, logits, CLASSES


def _segments() -> tuple[list[Item], Tensor, int]:
    targets = torch.arange(ITEMS * 3).reshape(ITEMS, 3) % CLASSES
    return [_item(i, tuple(t.tolist()), 3) for i, t in enumerate(targets)], _one_hot(targets, CLASSES), CLASSES


def _two_pictures() -> tuple[list[Item], Tensor, int]:
    targets = torch.arange(ITEMS) % 2
    return [_item(i, int(t), 2) for i, t in enumerate(targets)], _one_hot(targets, 2), 2


def _masks() -> tuple[list[Item], Tensor, int]:
    """Two frames of 8 x 8 pixels each, of whose four quarters one is within the mask."""
    squares = torch.eye(4, dtype=torch.bool)[torch.arange(2 * ITEMS) % 4].reshape(ITEMS, 2, 2, 2)
    pixels = squares.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    items = []
    for number, frames in enumerate(pixels):
        media = [Media(f"mask {number} {at}", "mask", partial(frame.numpy)) for at, frame in enumerate(frames)]
        items.append(_item(number, Masks(tuple(media)), 2))
    return items, 8.0 * pixels.float() - 4.0, CLASSES


def _one_hot(targets: Tensor, classes: int) -> Tensor:
    """Logits that are right."""
    return 8.0 * torch.nn.functional.one_hot(targets, classes).float() - 4.0


#: `passes_are` of the spec to the forms of items that such a task may take.
_FORMS: dict[str, tuple[Callable[[], tuple[list[Item], Tensor, int]], ...]] = {
    "one": (_one_class, _scores),
    "each": (_segments,),
    "joined": (_two_pictures,),
    "mean": (_one_class, _scores),
    "masks": (_masks,),
    "pairs": (_one_class,),
}


def examples(case: Case, task: Task) -> tuple[list[Item], Tensor, Tensor]:
    """Items, the task's targets of them, and logits that are right. Raises ``AssertionError`` if it takes none."""
    refused: list[str] = []
    for form in _FORMS[case.spec.passes_are]:
        items, right, classes = form()
        try:
            targets = task.targets(items, classes)
        except DataError as error:
            refused.append(str(error))
            continue
        if isinstance(task, PairTask):
            relevant = task.relevance(items)
            return items, relevant, 8.0 * relevant.float() - 4.0
        return items, targets, right
    raise AssertionError(
        f"it takes none of the items that a task whose passes are `{case.spec.passes_are}` gets: {refused}"
    )


def _unsure(right: Tensor) -> Tensor:
    """Logits that are sometimes right."""
    return right / 8 + torch.randn(right.shape, generator=torch.Generator().manual_seed(12))


def exercise(case: Case) -> Any:
    """Losses and figures of logits that are sometimes right."""
    task = make(case)
    _, targets, right = examples(case, task)
    return task.losses(_unsure(right), targets), task.metrics(_unsure(right), targets)


def losses(case: Case) -> None:
    """Of logits that are sometimes right."""
    task = make(case)
    items, targets, right = examples(case, task)
    logits = _unsure(right).requires_grad_()
    found = task.losses(logits, targets)
    assert tuple(found.shape) == (len(items),), f"the losses of {len(items)} items are {list(found.shape)}"
    assert bool(found.isfinite().all()), f"losses are not finite: {found.tolist()}"
    assert found.requires_grad, "the losses do not depend differentiably on the logits"
    (gradient,) = torch.autograd.grad(found.sum(), logits)
    assert bool(gradient.isfinite().all()), "the gradient on the logits is not finite"
    assert bool(gradient.any()), "the losses do not depend on the logits"


def metrics(case: Case) -> None:
    """Also of logits that are right; the mean of its scores, where it gives any, is its primary figure."""
    task = make(case)
    _, targets, right = examples(case, task)
    for logits in (_unsure(right), right):
        found = task.metrics(logits, targets)
        assert task.primary in found, f"`primary` is {task.primary!r}, and there are: {', '.join(found)}"
        wrong = {name: value for name, value in found.items() if not isinstance(value, float | int)}
        assert not wrong, f"figures are plain numbers, not {wrong}"
        wrong = {name: value for name, value in found.items() if not math.isfinite(value)}
        assert not wrong, f"figures are not finite: {wrong}"
        if not isinstance(task, PairTask):
            scores_of(task, logits, targets, found[task.primary])


def item_order(case: Case) -> None:
    """And losses move with their items."""
    task = make(case)
    _, targets, right = examples(case, task)
    logits = _unsure(right)
    order = torch.randperm(ITEMS, generator=torch.Generator().manual_seed(13))
    if isinstance(task, PairTask):  # columns are items; rows, images, follow in the order in which items show them
        moved = logits[order][:, order], targets[order][:, order]
    else:
        moved = logits[order], targets[order]
    assert_same(task.metrics(*moved), task.metrics(logits, targets), "the same items in another order", CLOSE)
    found, expected = task.losses(*moved), task.losses(logits, targets)[order]
    assert_same(found, expected, "the same items in another order have other losses", CLOSE)


def best_logits(case: Case) -> None:
    """Against logits that are sometimes right, and against those that are always wrong."""
    task = make(case)
    _, targets, right = examples(case, task)
    best, loss = _judged(task, right, targets)
    for name, logits in (("sometimes right", _unsure(right)), ("always wrong", -right)):
        score, other = _judged(task, logits, targets)
        assert best >= score, (
            f"{task.primary} is {best} for right logits and {score} for logits that are {name}{MAXIMISED}"
        )
        assert loss < other, f"the loss is {loss} for right logits and {other} for logits that are {name}"
    assert best > score, f"{task.primary} is {best} for right and for wrong logits alike{MAXIMISED}"


def _judged(task: Task, logits: Tensor, targets: Tensor) -> tuple[float, float]:
    return task.metrics(logits, targets)[task.primary], float(task.losses(logits, targets).mean())
