"""Values chosen by leave-one-out on the labelled items: what is computed, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from graftwork.core.data.items import DataError
from graftwork.core.features.learner import Labelled
from graftwork.core.features.leave_one_out import leave_one_out
from graftwork.core.features.model import FeatureModel
from graftwork.core.graph.nodes import Nodes
from graftwork.plugins.adapters import NoneSpec
from graftwork.plugins.adapters.identity import Identity
from graftwork.plugins.heads import PrototypeSpec
from graftwork.plugins.heads.prototype import Prototype
from graftwork.plugins.tasks import ClassificationSpec
from graftwork.plugins.tasks.classification import Classification
from graftwork.registry.errors import SpecError

from ..support.small_pipeline import pipeline

WIDTH = 5
PROTOTYPE = {"type": "prototype"}
SMALL: dict[str, Any] = {"adapter": {"type": "none"}, "task__head": PROTOTYPE, "evaluation__select_on": "labelled"}


def model(classes: int) -> FeatureModel:
    return FeatureModel(Identity(NoneSpec(), WIDTH), Prototype(PrototypeSpec(), WIDTH, classes, None))


def labelled(x: Tensor, targets: list[int]) -> Labelled:
    rows = torch.tensor([row for row, target in enumerate(targets) if target >= 0], dtype=torch.int64)
    return Labelled(Nodes(x), rows, torch.tensor(targets)[rows])


def task() -> Classification:
    return Classification(ClassificationSpec())


@given(st.lists(st.integers(-1, 2), min_size=4, max_size=14), st.integers(0, 2**20))
def test_each_item_is_classified_by_the_means_of_the_others(targets: list[int], seed: int) -> None:
    """Fold by fold in float64: the j-th item of every class is left out together; an only one never is."""
    x = torch.randn(len(targets), WIDTH, generator=torch.Generator().manual_seed(seed))
    rows = {c: [row for row, one in enumerate(targets) if one == c] for c in range(3)}
    if max(map(len, rows.values())) < 2:
        with pytest.raises(DataError, match=r"no class has two; raise dataset\.shots"):
            leave_one_out(model(3), task(), labelled(x, targets))
        return
    right = []
    for fold in range(max(map(len, rows.values()))):
        left = [of[fold] for of in rows.values() if len(of) > max(1, fold)]
        means = {c: x[[row for row in of if row not in left]].double().mean(0) for c, of in rows.items() if of}
        for row in left:
            cosines = {c: float(torch.cosine_similarity(x[row].double(), mean, dim=0)) for c, mean in means.items()}
            right.append(max(cosines, key=cosines.__getitem__) == targets[row])
    assert leave_one_out(model(3), task(), labelled(x, targets)) == pytest.approx(sum(right) / len(right))


def test_a_search_is_decided_by_the_labelled_items_alone(tmp_path: Path) -> None:
    """The score of each value is leave-one-out's; a data set without val goes through, and val is not read."""
    head = {"type": "logistic_regression"}
    search = {"task.head.C": [1e-6, 1.0]}
    runs = [
        pipeline(
            **SMALL | {"task__head": head}, dataset={"type": "few_digits", "val": val}, dataset__shots=4, search=search
        ).run(tmp_path / str(val))
        for val in (0, 6)
    ]
    first, second = (run.result for run in runs)
    assert first["select_on"] == "labelled"
    assert first["chosen"] == {"task.head.C": 1.0}
    assert [one["selection"] for one in first["tried"]] == [one["selection"] for one in second["tried"]]
    assert first["test"] == second["test"]
    assert first["selection"]["mean"] == max(one["selection"] for one in first["tried"]) > 0.5


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"task__head": {"type": "linear"}}, "asks a head that is solved from labelled items, and `linear` is not"),
        ({"dataset__shots": 1}, "leaves no item of a class that has one, and `shots` is 1"),
        ({"search": {"trainer.epochs": [1, 2]}}, "asked before training, where `trainer.epochs` has no effect yet"),
        ({"graph": None, "adapter": {"type": "lora"}}, "fits heads on encoded vectors, and here the towers run"),
    ],
)
def test_what_leave_one_out_cannot_judge_is_refused(more: dict[str, Any], said: str) -> None:
    """In the spec, before anything is encoded."""
    with pytest.raises(SpecError) as raised:
        pipeline(**SMALL | more)
    assert said in str(raised.value)
