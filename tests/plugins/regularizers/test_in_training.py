"""What the loop tells regularizers: each step's gradients and moves, each batch's logits; and what that changes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from graftwork import Pipeline
from graftwork.core.roles import ContractError, Regularizer, RegularizerSpec, Step, TrainingView
from graftwork.core.run.run import Run
from graftwork.registry.catalogue import Catalogue, Plugin
from graftwork.registry.component import Component

from ...support.small_pipeline import SMALL, catalogue

SI = {"type": "synaptic_intelligence", "strength": 0.0}
FREE: dict[str, Any] = SMALL | {"adapter": {"type": "bottleneck", "bottleneck": 4}}
del FREE["graph"]


class ListenerSpec(RegularizerSpec):
    """Hears all that there is to hear."""

    type: Literal["listener"] = "listener"
    adds: float = 0.0
    """Times the mean square of the logits."""
    shape: tuple[int, ...] = ()
    """Of what it says of logits."""


class Listener(Regularizer):
    """Holds what it heard against what the view says."""

    steps: ClassVar[list[tuple[Step, dict[str, Tensor]]]] = []
    batches: ClassVar[list[tuple[Tensor, Tensor, Tensor]]] = []
    began: ClassVar[dict[str, Tensor]] = {}

    def __init__(self, spec: ListenerSpec) -> None:
        self.spec, self._rows = spec, list[Tensor]()

    def start(self, view: TrainingView) -> None:
        self.view = view
        for heard in (self.steps, self.batches, self.began):
            heard.clear()
        self.began |= {name: one.detach().clone() for name, one in view.parameters.items()}

    def penalty(self, parameters: Mapping[str, nn.Parameter]) -> Tensor:
        return torch.zeros(())

    def penalty_of_logits(self, logits: Tensor, rows: Tensor) -> Tensor:
        self._rows.append(rows)
        with torch.no_grad():
            self.batches.append((logits.detach(), self.view.logits()[rows], rows))
        if self.spec.shape:
            return logits.new_zeros(self.spec.shape)
        return self.spec.adds * logits.square().mean()

    def stepped(self, step: Step) -> None:
        self.steps.append((step, self._by_hand(step)))

    def _by_hand(self, step: Step) -> dict[str, Tensor]:
        """The gradients of what the step's items lost, where the parameters were before it."""
        rows, self._rows = torch.cat(self._rows), []
        with torch.no_grad():
            for name, move in step.moves.items():
                self.view.parameters[name] -= move
        logits = self.view.logits()[rows]
        lost = self.view.losses(logits, self.view.targets[rows]).mean() + self.spec.adds * logits.square().mean()
        gradients = torch.autograd.grad(lost, list(self.view.parameters.values()))
        with torch.no_grad():
            for name, move in step.moves.items():
                self.view.parameters[name] += move
        return dict(zip(step.moves, gradients, strict=True))


def known() -> Catalogue:
    own = Component("regularizer", "listener", ListenerSpec, f"{__name__}:Listener", "hears")
    return Catalogue([Plugin("listener", "graftwork-listener", "1", components=[own]), *catalogue().plugins])


def run(folder: Path, spec: Mapping[str, Any] = FREE, **more: Any) -> Run:
    told = {"evaluation": {"select_on": "none"}, **more}
    told["trainer"] = {**spec["trainer"], **told.get("trainer", {})}
    return Pipeline.from_dict({**spec, **told}, catalogue=known()).run(folder, folder.parent / "store")


def ended(run_: Run) -> dict[str, Tensor]:
    return load_file(run_.folder / "adapter" / "adapter_model.safetensors")


@pytest.mark.parametrize("adds", [0.0, 0.3])
def test_steps_are_told_with_gradients_of_what_items_lose_and_with_moves(adds: float, tmp_path: Path) -> None:
    """No penalty on parameters is part of the gradients, what is lost on logits is; batches are put together."""
    pulling = [{"type": "ewc", "strength": 50.0, "anchor": "init"}, {"type": "l2_start", "strength": 5.0}]
    trainer = {"epochs": 2, "batch_size": 25, "accumulate": 2}
    done = run(tmp_path / "run", regularizers=[{"type": "listener", "adds": adds}, *pulling], trainer=trainer)
    assert len(Listener.steps) == 2 * 3  # of 120 items in batches of 25, two a step
    moved = {name: one.clone() for name, one in Listener.began.items()}
    for step, by_hand in Listener.steps:
        for name, gradient in step.gradients.items():
            torch.testing.assert_close(gradient, by_hand[name], rtol=1e-3, atol=1e-6)
            moved[name] += step.moves[name]
    for name, one in ended(done).items():
        torch.testing.assert_close(moved[name], one, rtol=1e-5, atol=1e-6)


def test_logits_come_with_the_rows_that_they_are_of(tmp_path: Path) -> None:
    """Every item once an epoch, in batches as they are drawn."""
    run(tmp_path / "run", regularizers=[{"type": "listener"}], trainer={"epochs": 1, "batch_size": 50})
    assert sorted(torch.cat([rows for *_, rows in Listener.batches]).tolist()) == list(range(120))
    for logits, of_rows, _ in Listener.batches:
        torch.testing.assert_close(logits, of_rows, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("spec", [FREE, SMALL], ids=["rows", "graph"])
def test_to_be_told_of_steps_changes_no_training(spec: Any, tmp_path: Path) -> None:
    """Synaptic intelligence in a first task: the parameters of a run without it, to the bit; batches and all."""
    trainer = {"epochs": 2, "batch_size": 50}
    plain = ended(run(tmp_path / "plain", spec, trainer=trainer))
    heard = ended(run(tmp_path / "heard", spec, regularizers=[SI], trainer=trainer))
    assert all(torch.equal(plain[name], heard[name]) for name in plain)


def test_what_is_no_scalar_of_logits_is_said(tmp_path: Path) -> None:
    """With the class and its module."""
    with pytest.raises(ContractError, match=r"Listener of .* gave \[2\]; `penalty_of_logits` gives a scalar tensor"):
        run(tmp_path / "run", regularizers=[{"type": "listener", "shape": [2]}])


@pytest.mark.parametrize("spec", [FREE, SMALL], ids=["rows", "graph"])
def test_distillation_keeps_what_was_said_before(spec: Any, tmp_path: Path) -> None:
    """The same digits under other labels: of the items of the second task, the first model's answers stay nearer."""
    first = run(tmp_path / "first", spec, trainer={"epochs": 30})
    trainer = {"start_from": str(first.folder), "epochs": 10}
    turned = {**spec["dataset"], "rotate": {"train": 1, "val": 1, "test": 1}}
    answers = {}
    for name, strength in (("free", 0.0), ("held", 30.0)):
        done = run(
            tmp_path / name,
            spec,
            trainer=trainer,
            dataset=turned,
            regularizers=[{"type": "lwf", "strength": strength}, {"type": "listener"}],
        )
        said = Listener.batches[0][0].softmax(-1), Listener.batches[-1][0].softmax(-1)
        answers[name] = float((said[0] - said[1]).abs().sum(dim=-1).mean())
        assert done.result["test"]
    assert answers["held"] < answers["free"] / 2


def test_a_second_task_is_held_by_the_path_of_the_first(tmp_path: Path) -> None:
    """Synaptic intelligence over two runs: in the metric of Omega the parameters stay nearer."""
    first = run(tmp_path / "first", trainer={"epochs": 20}, regularizers=[SI])
    omega = load_file(first.folder / "adapter" / "synaptic_intelligence.safetensors")
    begin = ended(first)
    assert omega.keys() == begin.keys()
    turned = {**FREE["dataset"], "rotate": {"train": 1, "val": 1, "test": 1}}

    def distance(name: str, strength: float) -> float:
        trainer = {"start_from": str(first.folder), "epochs": 10}
        own = [{**SI, "strength": strength}]
        now = ended(run(tmp_path / name, trainer=trainer, dataset=turned, regularizers=own))
        return sum(float((omega[key] * (now[key] - begin[key]).square()).sum()) for key in begin)

    assert distance("held", 100.0) < distance("free", 0.0) / 10
