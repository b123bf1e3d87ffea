"""Elastic weight consolidation: its Fisher information, its penalty, its anchor, and what it does over two tasks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from graftwork.core.features.model import FeatureModel
from graftwork.core.graph.nodes import Nodes
from graftwork.core.roles import TrainingView
from graftwork.core.run.run import Run
from graftwork.core.storage.run_folder import RunFolderError
from graftwork.plugins.adapters import GANetSpec
from graftwork.plugins.adapters.ga_net import GANet
from graftwork.plugins.heads import LinearSpec
from graftwork.plugins.heads.linear import Linear
from graftwork.plugins.regularizers import EWCSpec
from graftwork.plugins.regularizers.ewc import EWC
from graftwork.plugins.regularizers.fisher import CHUNK, fisher_diagonal
from graftwork.registry.errors import SpecError
from graftwork.triton_kernels import SparseGraph, similarity_graph

from ...support.small_pipeline import pipeline

WIDTH, CLASSES = 5, 3


def losses(logits: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(logits, targets, reduction="none")


def view_of(
    logits: Callable[[], Tensor],
    parameters: dict[str, nn.Parameter],
    targets: Tensor,
    seed: int = 0,
    previous: Path | None = None,
) -> TrainingView:
    return TrainingView(parameters, logits, targets, losses, previous, torch.Generator().manual_seed(seed))


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Case:
    """GA-Net with a linear head over a graph (or none), somewhere away from its start."""

    def __init__(self, items: int = 7, graph: bool = True, seed: int = 0) -> None:
        torch.manual_seed(seed)
        x = normalize(gaussian(items, WIDTH, seed=seed), dim=-1)
        self.graph = similarity_graph(x, 0.2) if graph else edgeless(items)
        adapter, head = GANet(GANetSpec(bottleneck=4), WIDTH), Linear(LinearSpec(), WIDTH, CLASSES, None)
        self.model = FeatureModel(adapter, head).double()
        self.nodes = Nodes(x, self.graph)
        self.targets = torch.arange(items) % CLASSES
        with torch.no_grad():
            for number, parameter in enumerate(self.model.parameters()):
                parameter.copy_(gaussian(*parameter.shape, seed=seed + number))

    def view(self, seed: int = 0, previous: Path | None = None) -> TrainingView:
        return view_of(lambda: self.model(self.nodes), self.model.trainable(), self.targets, seed, previous)

    def move(self, amount: float) -> None:
        """Move every parameter by ``amount``."""
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter += amount


def edgeless(nodes: int) -> SparseGraph:
    return SparseGraph.from_edge_index(torch.empty(2, 0, dtype=torch.int64), num_rows=nodes)


def per_sample_loop(case: Case, targets: Tensor) -> dict[str, Tensor]:
    """One forward and one backward pass an item."""
    sums = {name: torch.zeros_like(one) for name, one in case.model.named_parameters()}
    for item in range(len(targets)):
        case.model.zero_grad()
        losses(case.model(case.nodes), targets)[item].backward()
        for name, parameter in case.model.named_parameters():
            assert parameter.grad is not None
            sums[name] += parameter.grad**2
    case.model.zero_grad()
    return {name: total / len(targets) for name, total in sums.items()}


@settings(max_examples=20)
@given(st.integers(1, 12), st.booleans(), st.integers(0, 2**20))
def test_fisher_is_a_per_sample_loop(items: int, graph: bool, seed: int) -> None:
    """Squares of per-sample gradients, with and without neighbours that share the parameters."""
    case = Case(items, graph, seed)
    expected = per_sample_loop(case, case.targets)
    found = fisher_diagonal(case.view())
    assert found.keys() == expected.keys()
    for name, values in found.items():
        torch.testing.assert_close(values, expected[name], atol=1e-10, rtol=1e-8)


def test_more_items_than_one_chunk_make_the_same_fisher() -> None:
    """Items are taken in chunks; two whole ones and a rest sum up to the loop's mean."""
    case = Case(2 * CHUNK + 3)
    expected = per_sample_loop(case, case.targets)
    for name, values in fisher_diagonal(case.view()).items():
        torch.testing.assert_close(values, expected[name], atol=1e-10, rtol=1e-8)


def test_fisher_of_a_linear_softmax_model_is_the_textbooks() -> None:
    """For logits x W' the diagonal is the mean over items of (p_c - y_c)² x_j²."""
    x, weight = gaussian(9, WIDTH), nn.Parameter(gaussian(CLASSES, WIDTH, seed=1))
    targets = torch.arange(9) % CLASSES
    found = fisher_diagonal(view_of(lambda: x @ weight.T, {"weight": weight}, targets))["weight"]
    residual = (x @ weight.T).softmax(-1).detach() - torch.eye(CLASSES, dtype=torch.float64)[targets]
    expected = (residual[:, :, None] ** 2 * x[:, None, :] ** 2).mean(0)
    torch.testing.assert_close(found, expected)


def test_sampled_labels_are_those_that_the_seeded_generator_draws() -> None:
    """``sampled`` is the empirical Fisher with labels from the model, and the view's generator alone decides which."""
    case = Case(40)
    probabilities = case.model(case.nodes).detach().softmax(-1)
    drawn = torch.multinomial(probabilities, 1, generator=torch.Generator().manual_seed(3)).squeeze(1)
    assert not torch.equal(drawn, case.targets)
    expected = per_sample_loop(case, drawn)
    for name, values in fisher_diagonal(case.view(seed=3), "sampled").items():
        torch.testing.assert_close(values, expected[name], atol=1e-10, rtol=1e-8)


def test_a_parameter_that_no_logit_depends_on_has_no_information() -> None:
    """Its Fisher is zero, and nothing fails."""
    x, used, unused = gaussian(4, WIDTH), nn.Parameter(gaussian(CLASSES, WIDTH)), nn.Parameter(gaussian(2))
    view = view_of(lambda: x @ used.T, {"used": used, "unused": unused}, torch.tensor([0, 1, 2, 0]))
    assert torch.equal(fisher_diagonal(view)["unused"], torch.zeros(2, dtype=torch.float64))


def started(case: Case, previous: Path | None = None, **spec: Any) -> EWC:
    ewc = EWC(EWCSpec(**{"strength": 3.0, "anchor": "init", **spec}))
    ewc.start(case.view(previous=previous))
    return ewc


def test_the_penalty_is_zero_at_the_anchor() -> None:
    """Anchor `init` is where the parameters stood when training began."""
    case = Case()
    assert started(case).penalty(case.model.trainable()).item() == 0


@settings(max_examples=20)
@given(st.floats(-3, 3))
def test_the_penalty_is_quadratic_away_from_the_anchor(amount: float) -> None:
    """lambda / 2 * sum F (theta - anchor)², with the gradient lambda F (theta - anchor)."""
    case = Case()
    fisher, ewc = fisher_diagonal(case.view()), started(case)
    case.move(amount)
    parameters = case.model.trainable()
    penalty = ewc.penalty(parameters)
    total = sum(float(values.sum()) for values in fisher.values())
    assert penalty.item() == pytest.approx(3.0 / 2 * amount**2 * total, rel=1e-9, abs=1e-12)
    gradients = torch.autograd.grad(penalty, list(parameters.values()))
    for gradient, values in zip(gradients, fisher.values(), strict=True):
        torch.testing.assert_close(gradient, 3.0 * values * amount, atol=1e-9, rtol=1e-9)


def test_normalize_gives_the_information_a_mean_of_one() -> None:
    """At a distance of 1 in every parameter the penalty is lambda / 2 times the number of parameters."""
    case = Case()
    ewc = started(case, normalize=True)
    case.move(1.0)
    count = sum(one.numel() for one in case.model.parameters())
    assert ewc.penalty(case.model.trainable()).item() == pytest.approx(3.0 / 2 * count)


def test_finish_saves_the_information_at_the_kept_parameters() -> None:
    """Not that of the start: the next task is held to what this one learnt. Saved as it is, not normalised."""
    case = Case()
    ewc = started(case, normalize=True)
    case.move(0.3)
    saved = ewc.finish(case.view())["fisher"]
    for name, values in fisher_diagonal(case.view()).items():
        assert torch.equal(saved[name], values)


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    """An adapter folder with parameters and information of ``Case(seed=5)``."""
    case = Case(seed=5)
    save_file(case.model.state_dict(), tmp_path / "adapter_model.safetensors")
    save_file(fisher_diagonal(case.view()), tmp_path / "fisher.safetensors")
    return tmp_path


def test_anchor_previous_holds_at_the_saved_parameters_with_the_saved_information(previous: Path) -> None:
    """Zero where the previous run ended, lambda / 2 * sum of its saved F at distance 1; this run's own F plays no
    part.
    """
    case = Case()
    ewc = started(case, previous, anchor="previous")
    case.model.load_state_dict(load_file(previous / "adapter_model.safetensors"))
    assert ewc.penalty(case.model.trainable()).item() == 0
    case.move(1.0)
    total = sum(float(values.sum()) for values in load_file(previous / "fisher.safetensors").values())
    assert ewc.penalty(case.model.trainable()).item() == pytest.approx(3.0 / 2 * total)


@pytest.mark.parametrize("decay", [0.0, 0.25, 1.0])
def test_decay_says_how_much_of_the_previous_information_is_carried_on(previous: Path, decay: float) -> None:
    """Online EWC: what is saved is F here plus gamma times F before."""
    case = Case()
    saved = started(case, previous, anchor="previous", decay=decay).finish(case.view(previous=previous))["fisher"]
    before = load_file(previous / "fisher.safetensors")
    for name, now in fisher_diagonal(case.view()).items():
        torch.testing.assert_close(saved[name], now + decay * before[name])


@pytest.mark.parametrize("missing", ["anchor", "strength"])
def test_anchor_and_strength_are_never_guessed(missing: str) -> None:
    """A single task has no previous one, so the spec must say where parameters are held, and how strongly."""
    ewc = {"type": "ewc", "anchor": "init", "strength": 1.0}
    del ewc[missing]
    with pytest.raises(SpecError) as error:
        pipeline(regularizers=[ewc])
    (problem,) = error.value.problems
    assert problem.path[:2] == ("regularizers", 0)
    assert f"`{missing}`" in str(problem)


def run(out: Path, **overrides: Any) -> Run:
    overrides = {"evaluation__select_on": "none", **overrides}
    return pipeline(**overrides).run(out=out, store=out.parent / "store")


def ewc_spec(anchor: str, strength: float) -> list[dict[str, Any]]:
    return [{"type": "ewc", "anchor": anchor, "strength": strength}]


@pytest.fixture(scope="module")
def first_task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real run that keeps its Fisher information."""
    out = tmp_path_factory.mktemp("ewc") / "first"
    return run(out, regularizers=ewc_spec("init", 0.0), trainer__epochs=30).folder


def second_task(first: Path, out: Path, **overrides: Any) -> Run:
    """The same digits under other labels, from where the first task ended."""
    turned = {"train": 1, "val": 1, "test": 1}
    return run(out, trainer__start_from=str(first), dataset__rotate=turned, trainer__epochs=30, **overrides)


def parameters_of(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "adapter" / "adapter_model.safetensors")


def test_over_two_tasks_ewc_holds_parameters_near_the_first(first_task: Path, tmp_path: Path) -> None:
    """Two runs in sequence, joined by ``trainer.start_from``: in the metric of F, and in what the model still knows."""
    information, old = load_file(first_task / "adapter" / "fisher.safetensors"), parameters_of(first_task)

    def distance(folder: Path) -> float:
        new = parameters_of(folder)
        return sum(float((information[name] * (new[name] - old[name]) ** 2).sum()) for name in old)

    free = second_task(first_task, tmp_path / "free")
    held = second_task(first_task, tmp_path / "held", regularizers=ewc_spec("previous", 1e5))
    assert distance(free.folder) > 0
    assert distance(held.folder) < distance(free.folder) / 10


def test_a_strength_of_zero_changes_nothing(first_task: Path, tmp_path: Path) -> None:
    """The penalty alone is what EWC adds: without it the parameters are those of a run without EWC, to the bit."""
    free = parameters_of(second_task(first_task, tmp_path / "free").folder)
    weak = parameters_of(second_task(first_task, tmp_path / "weak", regularizers=ewc_spec("previous", 0.0)).folder)
    assert all(torch.equal(free[name], weak[name]) for name in free)


def test_start_from_takes_an_adapter_folder_too(first_task: Path, tmp_path: Path) -> None:
    """Wherever a run is named, its adapter folder alone will do; EWC finds the same anchor."""
    ewc = ewc_spec("previous", 10.0)
    whole = second_task(first_task, tmp_path / "whole", regularizers=ewc)
    alone = second_task(first_task / "adapter", tmp_path / "alone", regularizers=ewc)
    found, expected = parameters_of(alone.folder), parameters_of(whole.folder)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_previous_without_a_previous_run_is_refused(tmp_path: Path) -> None:
    """It says what to name, and where."""
    with pytest.raises(RunFolderError, match=r"trainer\.start_from"):
        run(tmp_path / "run", regularizers=ewc_spec("previous", 1.0))


def test_previous_without_information_is_refused(tmp_path: Path) -> None:
    """A previous run without EWC has no Fisher file; the message names it and the remedy."""
    first = run(tmp_path / "first").folder
    with pytest.raises(RunFolderError, match=r"fisher\.safetensors is missing.*strength 0"):
        second_task(first, tmp_path / "second", regularizers=ewc_spec("previous", 1.0))


def test_a_previous_run_of_other_shapes_is_refused(first_task: Path, tmp_path: Path) -> None:
    """The message names the tensor and both shapes."""
    with pytest.raises(
        RunFolderError, match=r"does not fit this pipeline: adapter\..* is \(.*\) there and \(.*\) here"
    ):
        second_task(first_task, tmp_path / "second", adapter__bottleneck=4)


def test_information_of_other_shapes_is_refused(previous: Path) -> None:
    """A Fisher file that does not belong to these parameters is named."""
    save_file({"adapter.down.weight": torch.zeros(1)}, previous / "fisher.safetensors")
    with pytest.raises(RunFolderError, match=r"fisher\.safetensors does not fit this pipeline at adapter"):
        started(Case(), previous, anchor="previous")


def test_start_from_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    """An empty folder holds no finished run."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunFolderError, match="holds no finished run"):
        run(tmp_path / "run", trainer__start_from=str(tmp_path / "empty"))


def test_a_task_that_starts_from_another_begins_where_that_ended(first_task: Path, tmp_path: Path) -> None:
    """With no epoch of its own it ends there too."""
    again = parameters_of(run(tmp_path / "again", trainer__start_from=str(first_task), trainer__epochs=0).folder)
    before = parameters_of(first_task)
    assert again.keys() == before.keys()
    assert all(torch.equal(again[name], before[name]) for name in before)
