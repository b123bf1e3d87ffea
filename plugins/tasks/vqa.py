"""Visual question answering as classification over a vocabulary of answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ...core.data.items import DataError, Item
from ...core.roles import Task
from .specs import VqaSpec


class Vqa(Task):
    """Every answer has a soft score, the share of it that people's answers agree with.

    Sources: the score, Antol et al., "VQA: Visual Question Answering", ICCV 2015 (as VQA v2 is scored); independent
    sigmoids against soft scores, Teney et al., "Tips and Tricks for Visual Question Answering", CVPR 2018, and Anderson
    et al., "Bottom-Up and Top-Down Attention for Image Captioning and Visual Question Answering", CVPR 2018.
    """

    primary = "vqa_score"
    by = ("answer_type",)

    def __init__(self, spec: VqaSpec) -> None:
        self.spec = spec

    def targets(self, items: Sequence[Item], classes: int) -> Tensor:
        """Soft scores, float32 [N, C]. A class alone is that answer with score 1.

        A row of zeros is a question whose answers are all outside the vocabulary (``{}``): no answer scores. Raises
        ``DataError`` for an item with no answers at all (``None``), answers out of range, scores outside [0, 1].
        """
        scores = torch.zeros(len(items), classes)
        for row, item in enumerate(items):
            for answer, score in _answers(item, classes).items():
                scores[row, answer] = score
        return scores

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Binary cross-entropy summed over the answers, [N], of logits and scores [N, C]."""
        return binary_cross_entropy_with_logits(logits, targets.to(logits.dtype), reduction="none").sum(dim=-1)

    def metrics(self, logits: Tensor, targets: Tensor) -> dict[str, float]:
        """``vqa_score`` (mean score of the answer given), ``accuracy`` (it is a best-scored one), ``loss``."""
        scored = self.scores(logits, targets)
        best = targets.max(dim=-1).values
        return {
            "vqa_score": float(scored.mean()),
            "accuracy": float(((scored == best) & (best > 0)).double().mean()),
            "loss": float(self.losses(logits, targets).double().mean()),
        }

    def scores(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The score of the answer given."""
        return targets.gather(1, logits.argmax(dim=-1, keepdim=True)).squeeze(1).double()


def _answers(item: Item, classes: int) -> Mapping[int, float]:
    """Answer to score, checked."""
    answers = {item.target: 1.0} if isinstance(item.target, int) else item.target
    if answers is None:
        raise DataError(f"question {item.id} has no answers to learn from or to be scored by; add some, or remove it")
    if not isinstance(answers, Mapping):
        raise DataError(f"question {item.id}: its target maps answers to scores, and is {answers!r:.80}")
    for answer, score in answers.items():
        if not 0 <= answer < classes or not 0 <= score <= 1:
            raise DataError(
                f"question {item.id}: answer {answer} has score {score}; answers are 0..{classes - 1}, scores 0 to 1"
            )
    return answers
