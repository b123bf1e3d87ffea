"""What each test item of a finished run through towers has in the task's primary figure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from graftwork import load
from graftwork.core.data.items import Item
from graftwork.core.layers.pairs import Pairs, Scored
from graftwork.core.layers.passes import Passes
from graftwork.core.layers.predictor import LayerPredictor
from graftwork.core.layers.preprocessed import Reader
from graftwork.core.roles import Task
from graftwork.core.roles.task import PairTask, targets_of
from graftwork.core.run.run import Run
from graftwork.core.studies.paired import scores_of
from graftwork.plugins.datasets import PocketWorldSpec
from graftwork.plugins.datasets.pocket_world import PocketWorld
from graftwork.plugins.tasks.retrieval import RECALLS, Retrieval, mean_ranks
from graftwork.plugins.tasks.segmentation import Segmentation


def item_scores(run: Run) -> list[float]:
    """In the order of the split. Masks and scores of pairs stand in no run's predictions: the saved run is asked anew.

    Raises ``AssertionError`` where their mean is not the run's figure.
    """
    result = run.typed
    if result.predictions is not None:
        return list(scores_of(run.folder, result)[result.seeds[0]].values())
    predictor = load(run.folder)
    assert isinstance(predictor, LayerPredictor)
    spec = predictor.spec
    assert isinstance(spec.dataset, PocketWorldSpec)
    items = PocketWorld(spec.dataset).load().splits["test"]
    scores = _of_pairs(predictor, items) if spec.task.type == "retrieval" else _of_masks(predictor, items)
    figure = result.test[result.metric].mean
    assert math.isclose(float(scores.mean()), figure, abs_tol=2e-4), (float(scores.mean()), figure)
    return [round(score, 6) for score in scores.tolist()]


def _of_masks(predictor: LayerPredictor, items: Sequence[Item]) -> Tensor:
    task: Task = Segmentation(predictor.spec.task)
    logits = torch.cat([predictor._scored(few) for few in predictor._few(items)])
    scores = task.scores(logits, targets_of(task, items, 1))
    assert scores is not None
    return scores


def _of_pairs(predictor: LayerPredictor, items: Sequence[Item]) -> Tensor:
    """Of a text: half what it has, half what its clip has; clips have equally many texts."""
    task: PairTask = Retrieval(predictor.spec.task)
    model = predictor._model
    passes = Passes(items, model.towers, Reader(model.towers.encoders, keep=0))
    scored = Pairs(predictor.spec.task, task, passes).all_scores(model, predictor.spec.encoder.batch_size)
    return of_texts(scored, task.targets(items, 0))


def of_texts(scored: Scored, clip_of: Tensor) -> Tensor:
    """float64 [T], whose mean is the mean recall."""
    scores, relevant = scored.scores.cpu(), scored.relevant.cpu()
    ranks = mean_ranks(scores.T, relevant.T), mean_ranks(scores, relevant)[clip_of]
    hits = [(one <= k).double() for one in ranks for k in RECALLS]
    return torch.stack(hits).mean(dim=0)
