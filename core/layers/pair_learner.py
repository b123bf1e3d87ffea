"""Learning which texts belong to which images."""

from __future__ import annotations

import torch
from torch import Tensor

from ..roles.task import losses_of, ranked
from ..training.learner import Rank
from .learner import TowerLearner
from .model import LayerModel
from .pairs import Pairs


class PairLearner(TowerLearner):
    """Learns which texts belong to which images."""

    def __init__(self, model: LayerModel, labelled: Pairs, selection: Pairs | None, batch: int) -> None:
        super().__init__(model, len(labelled.passes), batch)
        self._pairs, self._held_out = labelled, selection

    def fit(self) -> None:
        """There is no head."""

    def loss(self, rows: Tensor) -> Tensor:
        """Of the batch's images with its texts, apart; with ``joint`` that of the pairs is added."""
        scored = [self._pairs.apart(self.model, rows.tolist())]
        if self._pairs.spec.joint:
            scored.append(self._pairs.together(self.model, rows.tolist()))
        losses = [losses_of(self._pairs.task, one.scores, one.relevant).mean() + one.auxiliary for one in scored]
        return torch.stack(losses).sum()

    def rank(self) -> Rank | None:
        """Of all images with all texts of the selection split."""
        if self._held_out is None:
            return None
        scored = self._held_out.all_scores(self.model, self._batch)
        figure, better = ranked(self._pairs.task, scored.scores, scored.relevant)
        return figure, -better
