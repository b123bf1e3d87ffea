"""The Fisher information of trainable parameters, item by item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import torch
from torch import Tensor
from torch.func import grad, vmap

from ...core.data.items import DataError
from ...core.roles import TrainingView
from .graph_uses import squares_in_graph
from .linear_uses import Uses, squares_of_linear

#: Items whose gradients are held at once, items that go through a model without a graph at once, and numbers that their
#: gradients may be where these are more items.
CHUNK, ROWS, NUMBERS = 64, 1024, 1 << 20

#: Of parameters by name: sums over some items of squared gradients; of others they are zero.
Squares = Mapping[str, Tensor]


def fisher_diagonal(view: TrainingView, labels: str = "empirical") -> dict[str, Tensor]:
    """F_k: the mean over items of the squared gradient of that item's own loss (Kirkpatrick et al. 2017).

    Squares of per-item gradients, not the square of a batch's mean gradient. In a graph an item's loss also depends
    on parameters through its neighbours' messages; the neighbours' input vectors are constants. Shaped as the
    parameters. Few items' gradients are held at once. Raises ``DataError`` where labels are to be sampled and an
    item has not one class.
    """
    drawn = _sampled(view) if labels == "sampled" else None
    if view.stateless is not None and view.batch is not None:
        try:
            return _mean(view, _by_rows(view, view.targets if drawn is None else drawn))
        except Exception:  # noqa: BLE001 - what torch cannot transform; what is wrong of itself is so below, too
            pass
    return _mean(view, _in_graph(view, drawn) if view.batch is None else _one_by_one(view, drawn))


def _mean(view: TrainingView, chunks: Iterator[Squares]) -> dict[str, Tensor]:
    sums = {name: torch.zeros_like(parameter) for name, parameter in view.parameters.items()}
    for chunk in chunks:
        for name, squares in chunk.items():
            sums[name] += squares
    return {name: total / view.items for name, total in sums.items()}


def _by_rows(view: TrainingView, targets: Tensor) -> Iterator[Squares]:
    """Of items that each are a row of their own: what ``linear`` uses at once, what is left by ``torch.func``."""
    for rows in torch.split(torch.arange(view.items, device=targets.device), ROWS):
        squares = squares_of_linear(view.parameters, len(rows), partial(_losses, view, rows, targets))
        yield squares
        left = {name: one.detach() for name, one in view.parameters.items() if name not in squares}
        if left:
            of_items = vmap(grad(partial(_loss_at, view, targets)), in_dims=(None, 0))
            held = max(CHUNK, NUMBERS // sum(one.numel() for one in left.values()))
            for some in torch.split(rows[:, None], held):
                yield {name: one.square().sum(dim=0) for name, one in of_items(left, some).items()}


def _losses(view: TrainingView, rows: Tensor, targets: Tensor) -> Tensor:
    assert view.batch is not None, "it is asked for where there is one"
    return view.losses(view.batch(rows)[0], targets[rows])


def _loss_at(view: TrainingView, targets: Tensor, parameters: Mapping[str, Tensor], row: Tensor) -> Tensor:
    """Of one item, at some parameters and the present others."""
    assert view.stateless is not None, "it is asked for where there is one"
    at = {name: one.detach() for name, one in view.parameters.items()} | dict(parameters)
    return view.losses(view.stateless(at, row), targets[row]).sum()


def _one_by_one(view: TrainingView, drawn: Tensor | None) -> Iterator[Squares]:
    """Of items that do not depend on one another: each by itself, so that one item's graph is held."""
    assert view.batch is not None, "it is asked for where there is one"
    for row in torch.split(torch.arange(view.items), 1):
        logits, targets = view.batch(row)
        own = targets if drawn is None else drawn[row.to(drawn.device)]
        found = _gradients(view.parameters, view.losses(logits, own).sum())
        yield {name: one.square() for name, one in found.items()}


def _in_graph(view: TrainingView, drawn: Tensor | None) -> Iterator[Squares]:
    """Of items that hear one another: all logits at once. Of what ``linear`` does not use, a backward pass for some
    items at a time.
    """
    with Uses(view.parameters) as noted:
        losses = view.losses(view.logits(), view.targets if drawn is None else drawn)
    squares = squares_in_graph(view.parameters, losses, noted.found)
    yield squares
    left = {name: one for name, one in view.parameters.items() if name not in squares}
    for rows in torch.split(torch.arange(len(losses), device=losses.device), CHUNK) if left else ():
        chosen = losses.new_zeros(len(rows), len(losses)).scatter_(1, rows[:, None], 1.0)
        found = _gradients(left, losses, chosen)
        yield {name: one.square().sum(dim=0) for name, one in found.items()}


def _gradients(parameters: Mapping[str, Tensor], of: Tensor, along: Tensor | None = None) -> dict[str, Tensor]:
    """Of those that it depends on; of several losses [n] each row of ``along`` [k, n] has gradients."""
    several = along is not None
    found = torch.autograd.grad(
        of, list(parameters.values()), along, retain_graph=several, is_grads_batched=several, allow_unused=True
    )
    return {name: one for name, one in zip(parameters, found, strict=True) if one is not None}


def _sampled(view: TrainingView) -> Tensor:
    """A class for each item by what the model says of it, int64 [N]."""
    with torch.no_grad():
        logits = view.logits()
    if logits.ndim != 2 or view.targets.ndim != 1 or view.targets.is_floating_point():
        raise DataError(
            f'ewc: labels "sampled" draws one class an item, and here logits are {list(logits.shape)} and targets '
            f'{list(view.targets.shape)}; take "empirical"'
        )
    probabilities = logits.softmax(dim=-1).cpu()
    return torch.multinomial(probabilities, 1, generator=view.generator).squeeze(1).to(logits.device)
