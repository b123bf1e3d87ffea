"""Self-training: a solved classifier that also learns from what it is sure of among unlabelled items."""

from __future__ import annotations

import torch
from torch import Tensor

from ...core.roles import ClassPrompts
from .logistic_regression import LogisticRegression
from .specs import LogisticRegressionSpec, SelfTrainingSpec


class SelfTraining(LogisticRegression):
    """Logistic regression on the labelled items and on those of the pool whose likeliest class has p >= threshold.

    After each solution all unlabelled items are asked anew, so that a wrong label may be taken back. Source: Scudder
    1965 (IEEE Trans. Information Theory 11) for the idea, Lee 2013 (ICML workshop) for the hard labels; the rounds are
    ours. Without a pool (``graph.pool``) it is logistic regression.
    """

    def __init__(self, spec: SelfTrainingSpec, width: int, classes: int, prompts: ClassPrompts | None) -> None:
        solved = LogisticRegressionSpec(C=spec.C, scale=spec.scale, max_iter=spec.max_iter)
        super().__init__(solved, width, classes, prompts)
        self._threshold, self._rounds = spec.threshold, spec.rounds

    @torch.no_grad()
    def fit(self, x: Tensor, targets: Tensor) -> None:
        """``targets`` are -1 for the unlabelled. Raises ``DataError`` where all labelled items are of one class."""
        known, sure = targets >= 0, targets
        super().fit(x[known], targets[known])
        for _ in range(self._rounds):
            probability, likeliest = self(x).softmax(dim=-1).max(dim=-1)
            guessed = torch.where(known, targets, torch.where(probability >= self._threshold, likeliest, -1))
            if torch.equal(guessed, sure):
                break
            sure = guessed
            super().fit(x[sure >= 0], sure[sure >= 0])
