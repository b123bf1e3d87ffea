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
        self._task = task
        #: Whether the mean of the task's scores was found to be its figure.
        self.by_scores = False

    @torch.no_grad()
    def of(self, logits: Tensor, targets: Tensor) -> Rank:
        """Of one model."""
        if self.by_scores and (scores := self._task.scores(logits, targets)) is not None:
            return _numbers(scores).mean(), losses_of(self._task, logits, targets).mean()
        figure, better = ranked(self._task, logits, targets)
        if math.isfinite(better) and scores_of(self._task, logits, targets, figure) is not None:
            scores = self._task.scores(logits, targets)
            self.by_scores = scores is not None and float(_numbers(scores).mean()) == figure
        return figure, -better

    @torch.no_grad()
    def of_members(self, logits: Tensor, targets: Tensor, members: int) -> Rank:
        """Of several models whose items stand one after the other, where scores will do: tensors [members]."""
        scores, losses = self._task.scores(logits, targets), losses_of(self._task, logits, targets)
        assert scores is not None
        return _numbers(scores).view(members, -1).mean(dim=1), losses.view(members, -1).mean(dim=1)


def _numbers(scores: Tensor) -> Tensor:
    return scores if scores.is_floating_point() else scores.double()
