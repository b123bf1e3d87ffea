"""How good an epoch is on the split that selects, without waiting for the device where that can be known."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..roles.task import Task, losses_of, ranked, scores_of
from .learner import Rank


class Ranking:
    """Ranks one model after the other by the logits of the same items.

    The whole metrics once: where the mean of the task's ``scores`` is its primary figure, to the bit, that will do from
    then on.
    """

    def __init__(self, task: Task) -> None:
        self._task, self._by_scores = task, False

    @torch.no_grad()
    def of(self, logits: Tensor, targets: Tensor) -> Rank:
        """Of one model."""
        if self._by_scores and (scores := self._task.scores(logits, targets)) is not None:
            return _mean(scores), losses_of(self._task, logits, targets).mean()
        figure, better = ranked(self._task, logits, targets)
        if math.isfinite(better) and scores_of(self._task, logits, targets, figure) is not None:
            scores = self._task.scores(logits, targets)
            self._by_scores = scores is not None and float(_mean(scores)) == figure
        return figure, -better


def _mean(scores: Tensor) -> Tensor:
    return (scores if scores.is_floating_point() else scores.double()).mean()
