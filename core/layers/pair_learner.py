"""Learning which texts belong to which images."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Generator, Tensor

from ..data.items import DataError
from ..roles.regularizer import TrainingView
from ..roles.task import ranked
from ..training.learner import OfLogits, Rank
from .learner import TowerLearner
from .model import LayerModel
from .pairs import Pairs

NO_LOGITS = "regularizers: one asks for logits of items, and a task of pairs has scores of each image with each text"


class PairLearner(TowerLearner):
    """Learns which texts belong to which images."""

    def __init__(self, model: LayerModel, labelled: Pairs, selection: Pairs | None, batch: int) -> None:
        super().__init__(model, len(labelled.passes), batch)
        self._pairs, self._held_out = labelled, selection
        mined = labelled.spec.joint and labelled.spec.negatives
        self._confusable = labelled.confusable(model, batch) if mined else None

    def fit(self) -> None:
        """There is no head."""

    def loss(self, rows: Tensor, of_logits: OfLogits | None = None) -> Tensor:
        """Of the batch's images with its texts, apart; with ``joint`` that of pairs is added: of the whole batch, or
        of each text with the images that it is mistaken for."""
        if of_logits is not None:
            raise DataError(NO_LOGITS)
        batch: list[int] = rows.tolist()
        groups = [batch] if self._confusable is None else [[row, *self._confusable[row]] for row in batch]
        return self._pairs.loss(self.model, groups)

    def view(self, previous: Path | None, generator: Generator) -> TrainingView:
        """Parameters alone: what a text loses depends on the images that it is shown with."""

        def none() -> Tensor:
            raise DataError(NO_LOGITS)

        return TrainingView(
            parameters=self.model.trainable(),
            logits=none,
            targets=torch.empty(0),
            losses=self._pairs.task.losses,
            previous=previous,
            generator=generator,
            items=self.items,
        )

    def rank(self) -> Rank | None:
        """Of all images with all texts of the selection split."""
        if self._held_out is None:
            return None
        scored = self._held_out.all_scores(self.model, self._batch)
        figure, better = ranked(self._pairs.task, scored.scores, scored.relevant)
        return figure, -better
