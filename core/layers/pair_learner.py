"""Learning which texts belong to which images."""

from __future__ import annotations

from torch import Tensor

from ..roles.task import ranked
from ..training.learner import Rank
from .learner import TowerLearner
from .model import LayerModel
from .pairs import Pairs


class PairLearner(TowerLearner):
    """Learns which texts belong to which images."""

    def __init__(self, model: LayerModel, labelled: Pairs, selection: Pairs | None, batch: int) -> None:
        super().__init__(model, len(labelled.passes), batch)
        self._pairs, self._held_out = labelled, selection
        mined = labelled.spec.joint and labelled.spec.negatives
        self._confusable = labelled.confusable(model, batch) if mined else None

    def fit(self) -> None:
        """There is no head."""

    def loss(self, rows: Tensor) -> Tensor:
        """Of the batch's images with its texts, apart; with ``joint`` that of pairs is added: of the whole batch, or
        of each text with the images that it is mistaken for."""
        batch: list[int] = rows.tolist()
        groups = [batch] if self._confusable is None else [[row, *self._confusable[row]] for row in batch]
        return self._pairs.loss(self.model, groups)

    def rank(self) -> Rank | None:
        """Of all images with all texts of the selection split."""
        if self._held_out is None:
            return None
        scored = self._held_out.all_scores(self.model, self._batch)
        figure, better = ranked(self._pairs.task, scored.scores, scored.relevant)
        return figure, -better
