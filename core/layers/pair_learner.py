"""Learning which texts belong to which images."""

from __future__ import annotations

import torch
from torch import Tensor

from ..roles.task import PairTask, losses_of, ranked
from .learner import LayerLearner
from .model import LayerModel
from .pairs import Pairs


class PairLearner(LayerLearner):
    """Learns which texts belong to which images."""

    def __init__(self, model: LayerModel, task: PairTask, labelled: Pairs, selection: Pairs | None, batch: int) -> None:
        self.model = model
        self.items = len(labelled.passes)
        self._task, self._batch = task, batch
        self._pairs, self._held_out, self._usage_sums = labelled, selection, {}

    def fit(self) -> None:
        """There is no head."""

    def loss(self, rows: Tensor) -> Tensor:
        """Of the batch's images with its texts, apart; with ``joint`` that of the pairs is added."""
        scored = [self._pairs.apart(self.model, rows.tolist())]
        if self._pairs.spec.joint:
            scored.append(self._pairs.together(self.model, rows.tolist()))
        losses = [losses_of(self._task, one.scores, one.relevant).mean() + one.auxiliary for one in scored]
        return torch.stack(losses).sum()

    def rank(self) -> tuple[float, float] | None:
        """Of all images with all texts of the selection split."""
        if self._held_out is None:
            return None
        scored = self._held_out.all_scores(self.model, self._batch)
        return ranked(self._task, scored.scores, scored.relevant)
