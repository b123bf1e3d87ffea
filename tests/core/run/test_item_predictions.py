"""What a run keeps of single items: the same as its figures say and as its predictor answers."""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path
from typing import Any

import pytest
import torch

from graftwork import Pipeline, load
from graftwork.core.roles.contract import ContractError
from graftwork.core.roles.task import scores_of
from graftwork.core.run.run import Run
from graftwork.core.storage.item_predictions import ItemPrediction, read_predictions
from graftwork.core.storage.run_folder import RunFolderError
from graftwork.core.studies.paired import pairs_of
from graftwork.plugins.tasks import ClassificationSpec, EventsSpec, VqaSpec
from graftwork.plugins.tasks.classification import Classification
from graftwork.plugins.tasks.events import Events
from graftwork.plugins.tasks.vqa import Vqa

from ...support.models.tiny_encoders import save_tiny_encoder
from ...support.small_layers import pipeline as layered
from ...support.small_layers import with_little_data
from ...support.small_pipeline import catalogue, pipeline


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("items")
    return pipeline(evaluation__seeds=[0, 1], dataset__shots=4, device="cpu").run(folder / "run", folder / "store")


def of(run: Run, **where: Any) -> list[ItemPrediction]:
    every = read_predictions(run.folder)
    return [one for one in every if all(getattr(one, key) == value for key, value in where.items())]


def test_the_scores_are_those_of_the_figures(run: Run) -> None:
    """Of both splits and each seed: their mean is the primary metric, and an item is right where its label is."""
    said = run.typed
    assert said.predictions is not None
    assert said.predictions.items == {"val": 60, "test": 60}
    figures = {"val": said.selection.per_seed, "test": said.test["accuracy"].per_seed}
    for split, per_seed in figures.items():
        for seed, figure in zip(said.seeds, per_seed, strict=True):
            lines = of(run, split=split, seed=seed)
            assert len({one.id for one in lines}) == len(lines) == 60
            assert statistics.fmean(one.score or 0.0 for one in lines) == pytest.approx(figure)
            assert all(one.score == (one.label == one.prediction) for one in lines)


def test_they_are_what_the_saved_adapter_answers(run: Run) -> None:
    """For the very items: class, probabilities, and whom each heard."""
    content = catalogue_content()
    lines = {one.id: one for one in of(run, split="test", seed=run.typed.saved_seed)}
    items = [item for item in content if item.id in lines]
    answers = load(run.folder, catalogue=catalogue()).predict([item.modalities["image"].read() for item in items])
    for item, answer in zip(items, answers, strict=True):
        line = lines[item.id]
        assert line.prediction == answer.label
        assert dict(line.probabilities) == pytest.approx(dict(list(answer.probabilities.items())[:5]), abs=1e-5)
        assert [one.id for one in line.neighbours or ()] == [one.id for one in answer.neighbours[:5]]
    assert not any(one.neighbours for one in of(run) if one.seed != run.typed.saved_seed)


def catalogue_content() -> tuple[Any, ...]:
    from graftwork.core.roles import Dataset
    from graftwork.registry.build import build

    return build(Dataset, catalogue(), pipeline(dataset__shots=4).spec.dataset).load().splits["test"]


@pytest.mark.parametrize(
    ("task", "data", "kind"),
    [("vqa", "vqa", "clip"), ("nlvr2", "both", "clip"), ("events", "clip", "clap"), ("retrieval", "pairs", "clip")],
)
def test_every_task_inside_towers(tmp_path: Path, task: str, data: str, kind: str) -> None:
    """Soft scores, statements, segments; pairs keep none."""
    encoder = {"type": "transformers", "model": str(save_tiny_encoder(kind, tmp_path / "model"))}
    spec = layered(task, data, encoder, {"type": "none"})
    run = Pipeline(spec, with_little_data()).run(tmp_path / "run", tmp_path / "store")
    if task == "retrieval":
        assert run.typed.predictions is None
        assert not (run.folder / "predictions.jsonl").exists()
        return
    lines = of(run, split="test")
    assert statistics.fmean(one.score or 0.0 for one in lines) == pytest.approx(run.typed.test[run.typed.metric].mean)
    assert all(isinstance(one.prediction, list) == (task == "events") for one in lines)


def test_a_description_makes_no_other_item(run: Run, tmp_path: Path) -> None:
    """Runs with a captioner and without are of the same items, so that `compare` pairs them."""
    described = {"captioner": {"type": "brightness"}, "graph__nodes": "fused", "graph__threshold": 0.5}
    other = pipeline(evaluation__seeds=[0, 1], dataset__shots=4, device="cpu", **described).run(
        tmp_path / "run", tmp_path / "store"
    )
    assert {one.id: one.content for one in of(run)} == {one.id: one.content for one in of(other)}
    pairs, reasons = pairs_of([("a", run.folder, run.typed), ("b", other.folder, other.typed)])
    assert (len(pairs), reasons) == (1, {})


def test_none_are_kept_where_none_are_asked_for(tmp_path: Path) -> None:
    """Neither the file nor the key."""
    run = pipeline(evaluation__predictions="none", dataset__shots=2, trainer__epochs=1).run(
        tmp_path / "run", tmp_path / "store"
    )
    assert not (run.folder / "predictions.jsonl").exists()
    assert "predictions" not in run.result


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "Expecting property name"),
        ("[1]", "valid dictionary"),
        ('{"split": "test"}', "the prediction lacks `seed`"),
        ('{"split": "test", "seed": "0", "id": "a", "label": "b", "prediction": "b", "probabilities": {}}', "`seed`"),
        ("[" * 100_000, ""),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str, said: str) -> None:
    """With its number."""
    good = {"split": "test", "seed": 0, "id": "a", "label": "b", "prediction": "b", "probabilities": {"b": 1.0}}
    (tmp_path / "predictions.jsonl").write_text(f"{json.dumps(good)}\n{line}\n")
    with pytest.raises(RunFolderError, match=rf"predictions\.jsonl, line 2: .*{re.escape(said)}"):
        list(read_predictions(tmp_path))


def test_scores_have_the_mean_of_the_figure() -> None:
    """Also of segments of which items have different numbers, and of soft scores."""
    generator = torch.Generator().manual_seed(3)
    segments = torch.tensor([[0, 1, 2], [1, -1, -1], [2, 2, -1], [-1, -1, -1]])
    cases: list[tuple[Any, torch.Tensor]] = [
        (Classification(ClassificationSpec()), torch.tensor([0, 1, 2, 1])),
        (Events(EventsSpec()), segments),
        (Vqa(VqaSpec()), torch.tensor([[1.0, 0.3, 0.0], [0.0, 0.6, 0.3], [0.0, 0.0, 0.0], [0.3, 0.0, 1.0]])),
    ]
    for task, targets in cases:
        logits = torch.randn(4, *([3] if isinstance(task, Events) else []), 3, generator=generator)
        figure = task.metrics(logits, targets)[task.primary]
        found = scores_of(task, logits, targets, figure)
        assert found is not None
        assert float(found.mean()) == pytest.approx(figure)


@pytest.mark.parametrize(
    ("given", "said"),
    [(torch.zeros(3), r"gave \[3\] for 4 items"), (torch.zeros(4), "have the mean 0, and `metrics` gave accuracy 1")],
)
def test_scores_that_are_not_those_of_the_figure_are_told(given: torch.Tensor, said: str) -> None:
    """With the task's name."""

    class Other(Classification):
        def scores(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return given

    logits = torch.eye(4)
    with pytest.raises(ContractError, match=f"task Other of .*{said}"):
        scores_of(Other(ClassificationSpec()), logits, torch.arange(4), 1.0)
