"""Heads that are shown the unlabelled pool, against their equations in float64 and through whole runs."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import one_hot

from graftwork.core.roles import Head
from graftwork.plugins.heads import LabelPropagationSpec, LogisticRegressionSpec, PrototypeSpec, SelfTrainingSpec
from graftwork.plugins.heads.label_propagation import LEAST, LabelPropagation
from graftwork.plugins.heads.logistic_regression import LogisticRegression
from graftwork.plugins.heads.prototype import Prototype
from graftwork.plugins.heads.self_training import SelfTraining

from ...support.small_pipeline import pipeline

WIDTH, CLASSES = 6, 3
seeds = st.integers(0, 2**20)
shares = st.just(0.0) | st.floats(0.05, 0.95)


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def half_labelled(seed: int, count: int = 14) -> tuple[Tensor, Tensor]:
    """Vectors near their class's own, every other one without its label."""
    truth = torch.arange(count) % CLASSES
    x = gaussian(CLASSES, WIDTH, seed=seed)[truth] + 0.3 * gaussian(count, WIDTH, seed=seed + 1)
    return x, torch.where(torch.arange(count) < count // 2, truth, -1)


def propagated(x: Tensor, targets: Tensor, spec: LabelPropagationSpec) -> Tensor:
    """The iteration over a dense matrix."""
    units = (x / x.norm(dim=-1, keepdim=True)).double()
    cosines = units @ units.T
    edge = torch.zeros(len(x), len(x), dtype=torch.bool)
    for node in range(len(x)):
        others = [other for other in range(len(x)) if other != node and cosines[node, other] >= 0]
        for other in sorted(others, key=lambda other: -float(cosines[node, other]))[: spec.neighbours]:
            edge[node, other] = edge[other, node] = True
    w = torch.where(edge, ((cosines - 1) / spec.temperature).exp(), 0.0)
    degree = w.sum(1).clamp(min=1e-300)
    s = w / (degree[:, None] * degree).sqrt()
    y = one_hot(targets.clamp(min=0), CLASSES).double() * (targets >= 0)[:, None]
    f = y
    for _ in range(spec.steps):
        f = spec.alpha * s @ f + (1 - spec.alpha) * y
    return f


@given(seeds, st.integers(1, 20), st.floats(0.1, 1.0), shares, st.integers(1, 20))
@settings(max_examples=25)
def test_label_propagation_is_its_iteration(seed: int, near: int, temperature: float, alpha: float, steps: int) -> None:
    """Spread over the pool; a query hears its nearest nodes by a softmax of their cosines."""
    spec = LabelPropagationSpec(neighbours=near, temperature=temperature, alpha=alpha, steps=steps)
    (x, targets), queries = half_labelled(seed), gaussian(4, WIDTH, seed=seed + 2)
    head = LabelPropagation(spec, WIDTH, CLASSES, None)
    head.fit(x, targets)
    f = propagated(x, targets, spec)
    shares = f / f.sum(1, keepdim=True).clamp(min=1e-300)
    units, asked = ((one / one.norm(dim=-1, keepdim=True)).double() for one in (x, queries))
    for row, cosines in enumerate(asked @ units.T):
        nearest = sorted(range(len(x)), key=lambda node: -float(cosines[node]))[:near]
        weights = (cosines[nearest] / temperature).softmax(0)
        expected = (weights[:, None] * shares[nearest]).sum(0).clamp(min=LEAST).log()
        torch.testing.assert_close(head(queries[row : row + 1])[0].double(), expected, atol=1e-2, rtol=1e-3)


def test_a_label_reaches_items_that_have_none() -> None:
    """Over the unlabelled ones: a chain whose ends alone are labelled is divided in its middle."""
    angles = torch.linspace(0, torch.pi / 2, 9)
    chain = torch.stack([angles.cos(), angles.sin()], dim=1)
    targets = torch.tensor([0, *[-1] * 7, 1])
    head = LabelPropagation(LabelPropagationSpec(neighbours=2, alpha=0.99, steps=500), 2, 2, None)
    head.fit(chain, targets)
    assert head(chain).argmax(-1)[[0, 1, 2, 3, 5, 6, 7, 8]].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


def test_a_graph_without_edges_leaves_labels_where_they_are() -> None:
    """Opposite vectors are no neighbours; what hears no label gives every class the same."""
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    head = LabelPropagation(LabelPropagationSpec(neighbours=1), 2, 2, None)
    head.fit(x, torch.tensor([0, -1]))
    first, second = head(x)
    assert int(first.argmax()) == 0
    assert torch.equal(second, torch.full((2,), LEAST).log())


@given(seeds, st.floats(0.34, 1.0), st.integers(0, 4))
@settings(max_examples=15)
def test_self_training_is_regressions_on_what_it_is_sure_of(seed: int, threshold: float, rounds: int) -> None:
    """Solved, asked, solved again; every answer may change but those that are given."""
    x, targets = half_labelled(seed)
    head = SelfTraining(SelfTrainingSpec(threshold=threshold, rounds=rounds, scale=1.0), WIDTH, CLASSES, None)
    head.fit(x, targets)
    expected = LogisticRegression(LogisticRegressionSpec(scale=1.0), WIDTH, CLASSES, None)
    sure = targets
    for _ in range(rounds + 1):
        expected.fit(x[sure >= 0], sure[sure >= 0])
        probability, likeliest = expected(x).softmax(-1).max(-1)
        sure = torch.where(targets >= 0, targets, torch.where(probability >= threshold, likeliest, -1))
    torch.testing.assert_close(head(x), expected(x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", [Prototype, LabelPropagation, SelfTraining])
def test_gradients_reach_the_vectors_of_an_adapter_before_the_head(kind: Any) -> None:
    """Those of differences, in float64."""
    spec = {Prototype: PrototypeSpec(), LabelPropagation: LabelPropagationSpec(), SelfTraining: SelfTrainingSpec()}
    head: Head = kind(spec[kind], WIDTH, CLASSES, None)
    x, targets = half_labelled(1)
    known = targets >= 0
    head.fit(*((x[known], targets[known]) if kind is Prototype else (x, targets)))
    queries = gaussian(3, WIDTH, seed=5).double().requires_grad_()
    assert torch.autograd.gradcheck(head.double(), (queries,))


HEADS: dict[str, dict[str, Any]] = {
    "self_training": {"type": "self_training", "threshold": 0.6},
    "label_propagation": {"type": "label_propagation", "neighbours": 6},
}


@pytest.mark.parametrize("head", HEADS)
def test_a_run_shows_the_pool_and_predicts_what_was_measured(tmp_path: Path, head: str) -> None:
    """With pool `train` its fit sees more than the labelled items; a loaded run needs none of them again."""
    graph = {"type": "similarity", "threshold": 0.8, "pool": "train"}
    made = pipeline(adapter={"type": "none"}, graph=graph, task__head=HEADS[head], dataset__shots=2)
    run = made.run(tmp_path / "run")
    alone = pipeline(
        adapter={"type": "none"}, graph=graph | {"pool": "labelled"}, task__head=HEADS[head], dataset__shots=2
    ).run(tmp_path / "alone")
    test = made.catalogue.find("dataset", "few_digits").load()(made.spec.dataset).load().splits["test"]
    predictions = run.load().predict([item.modalities["image"].read() for item in test])
    right = [int(one.label) == item.target for one, item in zip(predictions, test, strict=True)]
    assert sum(right) / len(right) == pytest.approx(run.result["test"]["accuracy"]["mean"])
    assert run.result["test"]["accuracy"]["mean"] > 0.4
    assert run.result["test"]["loss"] != alone.result["test"]["loss"]
