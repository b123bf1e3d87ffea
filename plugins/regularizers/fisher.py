"""The Fisher information of trainable parameters, item by item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor
from torch.func import grad, vmap

from ...core.data.items import DataError
from ...core.roles import TrainingView

#: Items whose gradients are held at once.
CHUNK = 64

#: Of each parameter: the gradients of some items [n, ...], or ``None`` where their losses do not depend on it.
Gradients = Sequence[Tensor | None]


def fisher_diagonal(view: TrainingView, labels: str = "empirical") -> dict[str, Tensor]:
    """F_k: the mean over items of the squared gradient of that item's own loss (Kirkpatrick et al. 2017).

    Squares of per-item gradients, not the square of a batch's mean gradient. In a graph an item's loss also depends
    on parameters through its neighbours' messages; the neighbours' input vectors are constants. Shaped as the
    parameters. At most ``CHUNK`` items' gradients are held. Raises ``DataError`` where labels are to be sampled and an
    item has not one class.
    """
    drawn = _sampled(view) if labels == "sampled" else None
    if view.stateless is not None:
        try:
            return _mean(view, _transformed(view, drawn))
        except Exception:  # noqa: BLE001 - what a component does that cannot be transformed; what is wrong is so below, too
            pass
    return _mean(view, _in_graph(view, drawn) if view.batch is None else _one_by_one(view, drawn))


def _mean(view: TrainingView, gradients: Iterator[Gradients]) -> dict[str, Tensor]:
    sums = {name: torch.zeros_like(parameter) for name, parameter in view.parameters.items()}
    for chunk in gradients:
        for total, gradient in zip(sums.values(), chunk, strict=True):
            if gradient is not None:
                total += gradient.square().sum(dim=0)
    return {name: total / view.items for name, total in sums.items()}


def _transformed(view: TrainingView, drawn: Tensor | None) -> Iterator[Gradients]:
    """Of items that each are a row of their own: ``torch.func``, in chunks."""
    targets = view.targets if drawn is None else drawn
    parameters = {name: one.detach() for name, one in view.parameters.items()}

    def loss(at: Mapping[str, Tensor], row: Tensor) -> Tensor:
        assert view.stateless is not None, "it is asked for where there is one"
        return view.losses(view.stateless(at, row), targets[row]).sum()

    of_items = vmap(grad(loss), in_dims=(None, 0))
    for rows in torch.split(torch.arange(view.items, device=targets.device)[:, None], CHUNK):
        yield list(of_items(parameters, rows).values())


def _one_by_one(view: TrainingView, drawn: Tensor | None) -> Iterator[Gradients]:
    """Of items that do not depend on one another: each by itself, so that one item's graph is held."""
    assert view.batch is not None, "it is asked for where there is one"
    for row in torch.split(torch.arange(view.items), 1):
        logits, targets = view.batch(row)
        own = targets if drawn is None else drawn[row.to(drawn.device)]
        loss = view.losses(logits, own).sum()
        found = torch.autograd.grad(loss, list(view.parameters.values()), allow_unused=True)
        yield [None if one is None else one[None] for one in found]


def _in_graph(view: TrainingView, drawn: Tensor | None) -> Iterator[Gradients]:
    """Of items that hear one another: all logits at once, and a backward pass for some items at a time."""
    losses = view.losses(view.logits(), view.targets if drawn is None else drawn)
    for rows in torch.split(torch.arange(len(losses), device=losses.device), CHUNK):
        chosen = losses.new_zeros(len(rows), len(losses)).scatter_(1, rows[:, None], 1.0)
        yield torch.autograd.grad(
            losses,
            list(view.parameters.values()),
            chosen,
            retain_graph=True,
            is_grads_batched=True,
            allow_unused=True,
        )


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
