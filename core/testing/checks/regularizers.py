"""Regularizers: in the second of two small trainings, as in a sequence of tasks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save, save_file
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from ...data.items import Item
from ...roles.regularizer import Regularizer, Step, TrainingView, remembered_by
from ..case import Case
from ..outcome import NotApplicable
from ..same import difference
from .adapters import WIDTH, vectors

CLASSES, ITEMS, STEPS = 3, 9, 3
ROWS = torch.arange(ITEMS)


def make(case: Case) -> Regularizer:
    """Anew for each training."""
    return case.build(Regularizer)


class _Training:
    """A linear classifier that learns with a regularizer, from where the training in a folder ended."""

    def __init__(self, regularizer: Regularizer, previous: Path | None) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.model = nn.Linear(WIDTH, CLASSES)
        if previous is not None:
            self.model.load_state_dict(load_file(previous / "adapter_model.safetensors"))
        self.parameters = dict(self.model.named_parameters())
        self.regularizer, self._x, self._targets = regularizer, vectors(ITEMS), ROWS % CLASSES
        self.view = TrainingView(
            self.parameters,
            lambda: self.model(self._x),
            self._targets,
            lambda logits, against: cross_entropy(logits, against, reduction="none"),
            previous,
            Generator().manual_seed(0),
            batch=lambda rows: (self.model(self._x[rows]), self._targets[rows]),
        )
        regularizer.start(self.view)

    def penalties(self) -> dict[str, Any]:
        """What it says now, by the method that says it."""
        return {
            "penalty": self.regularizer.penalty(self.parameters),
            "penalty_of_logits": self.regularizer.penalty_of_logits(self.model(self._x), ROWS),
        }

    def steps(self) -> None:
        """Some of plain gradient descent."""
        for _ in range(STEPS):
            lost = cross_entropy(self.model(self._x), self._targets)
            gradients = dict(
                zip(self.parameters, torch.autograd.grad(lost, list(self.parameters.values())), strict=True)
            )
            moves = {name: -0.5 * gradient for name, gradient in gradients.items()}
            self.move(moves)
            self.regularizer.stepped(Step(gradients, moves))

    @torch.no_grad()
    def move(self, moves: dict[str, Tensor]) -> None:
        """Move the parameters."""
        for name, move in moves.items():
            self.parameters[name].add_(move)

    def away(self) -> None:
        """Move them somewhere else."""
        generator = torch.Generator().manual_seed(1)
        self.move({name: 0.5 * torch.randn(one.shape, generator=generator) for name, one in self.parameters.items()})


def _second(case: Case) -> _Training:
    """Begun where a first ended, which the regularizer saw as its spec says of first tasks."""
    folder = case.folder / "adapter"
    if not folder.is_dir():
        first = case.spec.in_first_task()
        folder.mkdir()
        training = _Training(_Nothing(), None)
        if first is not None:
            training = _Training(make(replace(case, example=first.model_dump(mode="json"))), None)
        training.steps()
        save_file(training.model.state_dict(), folder / "adapter_model.safetensors")
        for stem, tensors in training.regularizer.finish(training.view).items():
            save_file(
                {name: one.detach().contiguous() for name, one in tensors.items()}, folder / f"{stem}.safetensors"
            )
    return _Training(make(case), folder)


class _Nothing(Regularizer):
    """None."""

    def start(self, view: TrainingView) -> None:
        """Nothing."""

    def penalty(self, parameters: Any) -> Tensor:
        """Nothing."""
        return torch.zeros(())


def exercise(case: Case) -> Any:
    """A whole training's calls."""
    training = _second(case)
    training.steps()
    said = {name: one.detach() for name, one in training.penalties().items()}
    return said, training.regularizer.state(), training.regularizer.finish(training.view)


def penalty(case: Case) -> None:
    """At the start and after parameters have moved, on parameters and on logits."""
    training = _second(case)
    for when in ("at the start", "once parameters have moved"):
        for name, said in training.penalties().items():
            assert isinstance(said, Tensor), f"`{name}` gives a {type(said).__name__}, not a tensor"
            found = said.detach()
            assert found.ndim == 0, f"`{name}` gives {list(found.shape)}, not a scalar"
            assert bool(found.isfinite()), f"{when} `{name}` gives {float(found)}"
            assert float(found) >= 0, f"{when} `{name}` gives {float(found)}, less than 0"
        training.away()


def pulls(case: Case) -> None:
    """On some of them at least."""
    training = _second(case)
    if _remembers(training.regularizer):
        raise NotApplicable("it remembers items, and may have no penalty")
    training.away()
    found = sum(training.penalties().values(), torch.zeros(()))
    assert found.requires_grad, "the penalty does not depend differentiably on the parameters"
    gradients = torch.autograd.grad(found, list(training.parameters.values()), allow_unused=True)
    there = [one for one in gradients if one is not None]
    assert all(bool(one.isfinite().all()) for one in there), "the penalty's gradient is not finite"
    assert any(bool(one.any()) for one in there), "the penalty's gradient is zero everywhere, far from where it began"


def saved(case: Case) -> None:
    """Files of named tensors."""
    training = _second(case)
    training.steps()
    for stem, tensors in training.regularizer.finish(training.view).items():
        assert stem.replace("_", "").isalnum(), f"{stem!r} is the stem of a file: letters, digits and _"
        save({name: value.detach().contiguous() for name, value in tensors.items()})


def remembers(case: Case) -> None:
    """Of two tasks, one after the other."""
    if not _remembers(make(case)):
        raise NotApplicable("it remembers no items")
    tasks = [[Item(f"{task}/{n}", {}, 2 * task + n % 2) for n in range(20)] for task in range(2)]
    given = []
    for _ in range(2):
        memory: tuple[Item, ...] = ()
        for labelled in tasks:
            memory = remembered_by(make(case), memory, labelled, seed=0)
        given.append([one.id for one in memory])
    assert len(set(given[0])) == len(given[0]), "`remember` gives an item twice"
    assert given[0] == given[1], "`remember` gives other items for the same tasks and seed"


def _remembers(regularizer: Regularizer) -> bool:
    return type(regularizer).remember is not Regularizer.remember


def resumes(case: Case) -> None:
    """Interrupted after some steps, and gone on with by another that started alike."""
    whole, broken = _second(case), _second(case)
    whole.steps()
    broken.steps()
    state = {name: one.clone() for name, one in broken.regularizer.state().items()}
    save({name: one.contiguous() for name, one in state.items()})
    again = _second(case)
    again.model.load_state_dict(broken.model.state_dict())
    again.regularizer.resume(state)
    for training in (whole, again):
        training.steps()
    gave = [
        ({name: one.detach() for name, one in training.penalties().items()}, training.regularizer.finish(training.view))
        for training in (whole, again)
    ]
    if said := difference(gave[0], gave[1], where="what it gives"):
        raise AssertionError(f"{said}: whole, and resumed in the middle by what `state` gave")
