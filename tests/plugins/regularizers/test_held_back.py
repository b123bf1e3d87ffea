"""`l2_start`, `synaptic_intelligence`, `lwf` and separate EWC against their papers' equations, by hand in float64."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from graftwork.core.data.items import DataError
from graftwork.core.roles import Regularizer, Step, TrainingView
from graftwork.core.storage.run_folder import RunFolderError
from graftwork.plugins.regularizers import EWCSpec, L2StartSpec, LwFSpec, SynapticIntelligenceSpec
from graftwork.plugins.regularizers.ewc import EWC
from graftwork.plugins.regularizers.fisher import fisher_diagonal
from graftwork.plugins.regularizers.l2_start import L2Start
from graftwork.plugins.regularizers.lwf import LwF
from graftwork.plugins.regularizers.synaptic_intelligence import SynapticIntelligence

ITEMS, WIDTH, CLASSES = 6, 4, 3


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Linear:
    """Logits x W' of a task's items."""

    def __init__(self, classes: int = CLASSES, seed: int = 0) -> None:
        self.x, self.targets = numbers(ITEMS, WIDTH, seed=seed), torch.arange(ITEMS) % classes
        self.weight = nn.Parameter(numbers(classes, WIDTH, seed=seed + 100))
        self.parameters = {"head.weight": self.weight}

    def view(self, previous: Path | None = None, rows: Tensor | None = None, **more: Any) -> TrainingView:
        return TrainingView(
            self.parameters,
            lambda: self.x @ self.weight.T,
            self.targets,
            lambda logits, targets: cross_entropy(logits, targets, reduction="none"),
            previous,
            torch.Generator().manual_seed(0),
            rows_before={} if rows is None else {"head.weight": rows},
            classes_before=rows,
            **more,
        )

    def move(self, by: Tensor) -> None:
        with torch.no_grad():
            self.weight += by


def ended(folder: Path, weight: Tensor, **files: Mapping[str, Tensor]) -> Path:
    """The adapter folder of a run that ended there."""
    folder.mkdir(exist_ok=True)
    save_file({"head.weight": weight.detach().clone()}, folder / "adapter_model.safetensors")
    for stem, tensors in files.items():
        save_file({name: one.detach().contiguous() for name, one in tensors.items()}, folder / f"{stem}.safetensors")
    return folder


def pull_of(regularizer: Regularizer, model: Linear) -> Tensor:
    """Its gradient."""
    (gradient,) = torch.autograd.grad(regularizer.penalty(model.parameters), [model.weight])
    return gradient


# l2_start


def test_l2_start_is_alpha_over_two_times_the_squared_distance() -> None:
    model, regularizer = Linear(), L2Start(L2StartSpec(strength=3.0))
    regularizer.start(model.view())
    assert regularizer.penalty(model.parameters).item() == 0
    by = numbers(CLASSES, WIDTH, seed=7)
    model.move(by)
    torch.testing.assert_close(regularizer.penalty(model.parameters), 1.5 * by.square().sum())
    torch.testing.assert_close(pull_of(regularizer, model), 3.0 * by)


def test_l2_start_lets_rows_of_new_classes_go_or_decays_them_to_zero(tmp_path: Path) -> None:
    """L2-SP's two terms; class 1 is new."""
    by = numbers(CLASSES, WIDTH, seed=7)
    for beta in (0.0, 0.5):
        model, regularizer = Linear(), L2Start(L2StartSpec(strength=3.0, new_classes=beta))
        regularizer.start(model.view(tmp_path, torch.tensor([1, -1, 0])))
        model.move(by)
        expected = 1.5 * by[[0, 2]].square().sum() + beta / 2 * model.weight[1].square().sum()
        torch.testing.assert_close(regularizer.penalty(model.parameters), expected.detach())


# synaptic_intelligence


def walk(regularizer: Regularizer, model: Linear, steps: int) -> tuple[Tensor, Tensor]:
    """Plain gradient descent on the task's loss, told of; the path integral by hand, and how far it went."""
    path, begin = torch.zeros_like(model.weight), model.weight.detach().clone()
    for _ in range(steps):
        residual = (model.x @ model.weight.T).softmax(-1).detach()
        residual[torch.arange(ITEMS), model.targets] -= 1
        gradient = residual.T @ model.x / ITEMS
        move = -0.7 * gradient
        path += -gradient * move
        model.move(move)
        regularizer.stepped(Step({"head.weight": gradient}, {"head.weight": move}))
    return path, model.weight.detach() - begin


def test_synaptic_intelligence_is_the_path_integral_over_the_squared_distance(tmp_path: Path) -> None:
    """Equations 3 to 5 over three tasks, the second with a class that is new and one that is gone."""
    xi, c = 0.01, 2.0
    spec = SynapticIntelligenceSpec(strength=c, damping=xi)
    first, regularizer = Linear(), SynapticIntelligence(spec)
    regularizer.start(first.view())
    path, far = walk(regularizer, first, 5)
    assert regularizer.penalty(first.parameters).item() == 0
    saved = regularizer.finish(first.view())
    omega = path / (far.square() + xi)
    torch.testing.assert_close(saved["synaptic_intelligence"]["head.weight"], omega)

    rows = torch.tensor([2, -1, 0])
    second, regularizer = Linear(seed=1), SynapticIntelligence(spec)
    view = second.view(ended(tmp_path / "first", first.weight, **saved), rows)
    regularizer.start(view)
    begin = second.weight.detach().clone()
    omega = torch.stack([omega[2], torch.zeros(WIDTH, dtype=torch.float64), omega[0]])
    path, far = walk(regularizer, second, 4)
    expected = c * (omega * (second.weight - begin).square()).sum()
    torch.testing.assert_close(regularizer.penalty(second.parameters), expected.detach())
    torch.testing.assert_close(pull_of(regularizer, second), 2 * c * omega * far)
    again = regularizer.finish(view)["synaptic_intelligence"]["head.weight"]
    torch.testing.assert_close(again, omega + path / (far.square() + xi))


def test_a_share_below_zero_holds_nothing() -> None:
    """Steps that went uphill."""
    model, regularizer = Linear(), SynapticIntelligence(SynapticIntelligenceSpec(strength=1.0))
    regularizer.start(model.view())
    uphill = torch.ones_like(model.weight)
    regularizer.stepped(Step({"head.weight": uphill}, {"head.weight": uphill}))
    assert not regularizer.finish(model.view())["synaptic_intelligence"]["head.weight"].any()


def test_a_run_before_without_the_path_is_named(tmp_path: Path) -> None:
    spec = SynapticIntelligenceSpec(strength=1.0)
    with pytest.raises(RunFolderError, match=r"synaptic_intelligence\.safetensors is missing.*strength 0 will do"):
        spec.require_previous(tmp_path)
    spec.require_previous(None)


# lwf


def test_lwf_is_the_papers_cross_entropy_at_a_temperature(tmp_path: Path) -> None:
    """Equation 3: y'_i = y_i^(1/T) / sum_j y_j^(1/T), over the classes before; class 1 is new."""
    lambda_o, temperature, rows = 0.8, 3.0, torch.tensor([4, 0])
    model, regularizer = Linear(), LwF(LwFSpec(strength=lambda_o, temperature=temperature))
    regularizer.start(model.view(tmp_path, torch.tensor([1, -1, 0])))
    before = (model.x @ model.weight.T).detach()
    model.move(numbers(CLASSES, WIDTH, seed=5))
    now = model.x @ model.weight.T

    def primed(logits: Tensor) -> Tensor:
        powers = logits[:, [0, 2]].softmax(-1) ** (1 / temperature)
        return powers / powers.sum(dim=-1, keepdim=True)

    each = [-(primed(before)[row] * primed(now)[row].log()).sum() for row in rows.tolist()]
    expected = lambda_o * torch.stack(each).mean()
    torch.testing.assert_close(regularizer.penalty_of_logits(now[rows], rows), expected)
    assert regularizer.penalty(model.parameters).item() == 0


def test_lwf_has_no_pull_where_training_begins(tmp_path: Path) -> None:
    """The model says there what it said."""
    model, regularizer = Linear(), LwF(LwFSpec(strength=1.0))
    regularizer.start(model.view(tmp_path))
    lost = regularizer.penalty_of_logits(model.x @ model.weight.T, torch.arange(ITEMS))
    (gradient,) = torch.autograd.grad(lost, [model.weight])
    torch.testing.assert_close(gradient, torch.zeros_like(gradient))


@pytest.mark.parametrize(
    ("rows", "said"),
    [([-1, -1, -1], "knew none of the classes here"), ([-1, 0, -1], "knew one of the classes here")],
)
def test_lwf_without_classes_before_says_so(rows: list[int], said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        LwF(LwFSpec(strength=1.0)).start(Linear().view(tmp_path, torch.tensor(rows)))


def test_lwf_without_a_run_before_says_what_to_name() -> None:
    with pytest.raises(RunFolderError, match=r"lwf: needs a run before this one: name it in trainer\.start_from"):
        LwFSpec(strength=1.0).require_previous(None)


# ewc of every task


def task(seed: int, rows: Tensor, previous: Path, folder: Path) -> tuple[Linear, Tensor, EWC]:
    """A task that begins where the one in ``previous`` ended and goes somewhere else; its model, its F."""
    model, ewc = Linear(seed=seed), EWC(EWCSpec(strength=3.0, anchor="every"))
    view = model.view(previous, rows)
    ewc.start(view)
    model.move(numbers(CLASSES, WIDTH, seed=seed + 50))
    fisher = fisher_diagonal(view)["head.weight"]
    ended(folder, model.weight, **ewc.finish(view))
    return model, fisher, ewc


def test_ewc_of_every_task_sums_a_penalty_for_each(tmp_path: Path) -> None:
    """Over three tasks, in the second of which a class is new and one gone; each with its own anchor and F."""
    first = Linear()
    fisher = fisher_diagonal(first.view())["head.weight"]
    ended(tmp_path / "1", first.weight, fisher={"head.weight": fisher})
    rows, same = torch.tensor([2, -1, 0]), torch.arange(CLASSES)
    second, own, _ = task(1, rows, tmp_path / "1", tmp_path / "2")
    third, _, ewc = task(2, same, tmp_path / "2", tmp_path / "3")
    zeros = torch.zeros(WIDTH, dtype=torch.float64)
    anchors = [torch.stack([first.weight.detach()[2], zeros, first.weight.detach()[0]]), second.weight.detach()]
    fishers = [torch.stack([fisher[2], zeros, fisher[0]]), own]
    at = third.weight.detach()
    expected = sum(1.5 * (f * (at - anchor).square()).sum() for f, anchor in zip(fishers, anchors, strict=True))
    torch.testing.assert_close(ewc.penalty(third.parameters).detach(), expected)
    kept = load_file(tmp_path / "3" / "fisher_earlier.safetensors")
    assert sorted(kept) == [f"{n}.{part}.head.weight" for n in (0, 1) for part in ("anchor", "fisher")]


def test_online_ewc_does_not_forget_tasks_that_were_kept_apart(tmp_path: Path) -> None:
    first = Linear()
    ended(tmp_path / "1", first.weight, fisher=fisher_diagonal(first.view()))
    task(1, torch.arange(CLASSES), tmp_path / "1", tmp_path / "2")
    with pytest.raises(RunFolderError, match=r'keeps each task before apart.*take anchor "every"'):
        EWCSpec(strength=1.0, anchor="previous").require_previous(tmp_path / "2")


def test_a_decay_has_no_place_where_each_task_has_its_own() -> None:
    with pytest.raises(ValidationError, match="each task keeps its own Fisher information"):
        EWCSpec(strength=1.0, anchor="every", decay=0.5)


def test_one_task_kept_apart_is_the_same_as_one_that_runs_along(tmp_path: Path) -> None:
    """In the second task the two forms are one."""
    first = Linear()
    ended(tmp_path / "1", first.weight, fisher=fisher_diagonal(first.view()))
    penalties = []
    for anchor in ("previous", "every"):
        model, ewc = Linear(seed=1), EWC(EWCSpec.model_validate({"strength": 2.0, "anchor": anchor}))
        ewc.start(model.view(tmp_path / "1"))
        penalties.append(ewc.penalty(model.parameters))
    assert torch.equal(*penalties)


@pytest.mark.parametrize("spec", [EWCSpec(strength=2.0, anchor="every"), SynapticIntelligenceSpec(strength=0.5)])
def test_in_a_first_task_nothing_is_held_and_the_next_finds_what_it_needs(spec: Any, tmp_path: Path) -> None:
    first = spec.in_first_task()
    first.require_previous(None)
    model, regularizer = Linear(), {EWCSpec: EWC, SynapticIntelligenceSpec: SynapticIntelligence}[type(spec)](first)
    regularizer.start(model.view())
    walk(regularizer, model, 2)
    assert regularizer.penalty(model.parameters).item() == 0
    spec.require_previous(ended(tmp_path / "1", model.weight, **regularizer.finish(model.view())))


@pytest.mark.parametrize("spec", [LwFSpec(strength=1.0), L2StartSpec(strength=1.0)])
def test_what_only_looks_back_is_not_in_a_first_task(spec: Any) -> None:
    assert spec.in_first_task() is None


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        (L2StartSpec, {"strength": -1.0}),
        (LwFSpec, {"strength": -1.0}),
        (LwFSpec, {"strength": 1.0, "temperature": 0.0}),
        (SynapticIntelligenceSpec, {"strength": -1.0}),
        (SynapticIntelligenceSpec, {"strength": 1.0, "damping": 0.0}),
        (EWCSpec, {"strength": -1.0, "anchor": "every"}),
    ],
)
def test_strengths_are_not_negative(spec: Any, fields: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="greater than"):
        spec(**fields)


def test_what_was_saved_of_other_shapes_is_named(tmp_path: Path) -> None:
    folder = ended(tmp_path / "1", numbers(2, WIDTH), synaptic_intelligence={"head.weight": numbers(2, WIDTH)})
    with pytest.raises(RunFolderError, match=r"synaptic_intelligence: .* does not fit this pipeline at head\.weight"):
        SynapticIntelligence(SynapticIntelligenceSpec(strength=1.0)).start(Linear().view(folder))
