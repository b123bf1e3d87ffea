"""How good a start is by the labelled items alone: few-shot users have no large validation split."""

from __future__ import annotations

from collections import defaultdict

import torch

from ..data.items import DataError
from ..roles.task import Task, ranked
from .learner import Labelled
from .model import FeatureModel

#: Folds at most: of more items a class, several are left out together.
FOLDS = 16


@torch.no_grad()
def leave_one_out(model: FeatureModel, task: Task, labelled: Labelled) -> float:
    """The task's first metric over labelled items, each classified by the head fitted to others. Nothing is trained.

    One item of each class is left out at a time, and stays in the graph without its label; the only item of a class is
    never left out. Leaves the head fitted to some. Raises ``DataError`` where no class has two items.
    """
    model.eval()
    logits, targets = [], []
    for left in _folds(labelled.targets.tolist()):
        kept = torch.ones(len(labelled.rows), dtype=torch.bool, device=labelled.rows.device)
        kept[left] = False
        model.fit_head(labelled.nodes, labelled.rows[kept], labelled.targets[kept])
        logits.append(model(labelled.nodes, labelled.rows[~kept]))
        targets.append(labelled.targets[~kept])
    return ranked(task, torch.cat(logits), torch.cat(targets))[0]


def _folds(targets: list[int]) -> list[list[int]]:
    of_class: dict[int, list[int]] = defaultdict(list)
    for row, target in enumerate(targets):
        of_class[target].append(row)
    folds: dict[int, list[int]] = defaultdict(list)
    for rows in of_class.values():
        for place, row in enumerate(rows if len(rows) > 1 else []):
            folds[place % FOLDS].append(row)
    if not folds:
        raise DataError(
            'evaluation.select_on "labelled" leaves out one labelled item of a class at a time, and no class has two; '
            'raise dataset.shots, or take "val" or "none"'
        )
    return [folds[place] for place in sorted(folds)]
