"""Regularizers: on a small classifier."""

from __future__ import annotations

from typing import Any

import torch
from safetensors.torch import save
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from ...roles.regularizer import Regularizer, TrainingView
from ..case import Case
from .adapters import WIDTH, vectors

CLASSES, ITEMS = 3, 9


def make(case: Case) -> Regularizer:
    """Anew for each training."""
    return case.build(Regularizer)


def _training() -> tuple[TrainingView, dict[str, nn.Parameter]]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Linear(WIDTH, CLASSES)
    parameters = dict(model.named_parameters())
    x, targets = vectors(ITEMS), torch.arange(ITEMS) % CLASSES
    losses = lambda logits, against: cross_entropy(logits, against, reduction="none")  # noqa: E731
    return TrainingView(parameters, lambda: model(x), targets, losses, None, Generator().manual_seed(0)), parameters


def _move(parameters: dict[str, nn.Parameter]) -> None:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in parameters.values():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.5)


def exercise(case: Case) -> Any:
    """A whole training's calls."""
    regularizer, (view, parameters) = make(case), _training()
    regularizer.start(view)
    _move(parameters)
    found = regularizer.penalty(parameters).detach()
    return found, regularizer.finish(view)


def penalty(case: Case) -> None:
    """At the start and after parameters have moved."""
    regularizer, (view, parameters) = make(case), _training()
    regularizer.start(view)
    for when in ("at the start", "once parameters have moved"):
        found = regularizer.penalty(parameters)
        found = found.detach() if isinstance(found, Tensor) else found
        assert isinstance(found, Tensor), f"the penalty is a {type(found).__name__}, not a tensor"
        assert found.ndim == 0, f"the penalty is {list(found.shape)}, not a scalar"
        assert bool(found.isfinite()), f"{when} the penalty is {float(found)}"
        assert float(found) >= 0, f"{when} the penalty is {float(found)}, less than 0"
        _move(parameters)


def pulls(case: Case) -> None:
    """On some of them at least."""
    regularizer, (view, parameters) = make(case), _training()
    regularizer.start(view)
    _move(parameters)
    found = regularizer.penalty(parameters)
    assert found.requires_grad, "the penalty does not depend differentiably on the parameters"
    gradients = torch.autograd.grad(found, list(parameters.values()), allow_unused=True)
    there = [one for one in gradients if one is not None]
    assert all(bool(one.isfinite().all()) for one in there), "the penalty's gradient is not finite"
    assert any(bool(one.any()) for one in there), "the penalty's gradient is zero everywhere, far from where it began"


def saved(case: Case) -> None:
    """Files of named tensors."""
    regularizer, (view, _) = make(case), _training()
    regularizer.start(view)
    for stem, tensors in regularizer.finish(view).items():
        assert stem.replace("_", "").isalnum(), f"{stem!r} is the stem of a file: letters, digits and _"
        save({name: value.detach().contiguous() for name, value in tensors.items()})
