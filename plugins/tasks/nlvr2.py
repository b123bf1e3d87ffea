"""True or false: a statement about two pictures."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ...core.data.items import DataError, Item
from ...core.roles import Task
from .specs import Nlvr2Spec

#: Hexadecimal digits of a statement's digest that fit into an int64.
_DIGITS = 15


class Nlvr2(Task):
    """Classes 0, false, and 1, true.

    Source: Suhr et al., "A Corpus for Reasoning about Natural Language Grounded in Photographs", ACL 2019.
    """

    primary = "accuracy"

    def __init__(self, spec: Nlvr2Spec) -> None:
        self.spec = spec

    def targets(self, items: Sequence[Item], classes: int) -> Tensor:
        """int64 [N, 2]: the class, and which statement it is (60 bits of the sha256 of the group ``sentence`` of the
        item, or of its text: the same in every call).

        Raises ``DataError`` for other classes than two, and for an item without exactly two passes or without a text.
        """
        if classes != 2:
            raise DataError(f"task nlvr2 knows false and true, and the data set has {classes} classes")
        return torch.tensor([_target(item) for item in items], dtype=torch.int64).reshape(-1, 2)

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of each item, [N], of logits [N, 2]."""
        return cross_entropy(logits, targets[:, 0], reduction="none")

    def metrics(self, logits: Tensor, targets: Tensor) -> dict[str, float]:
        """``accuracy``; ``consistency``, the share of statements that are judged right of all their pairs; ``loss``."""
        right = logits.argmax(dim=-1) == targets[:, 0]
        statements, statement = torch.unique(targets[:, 1], return_inverse=True)
        wrong = torch.zeros(len(statements), device=right.device).index_add(0, statement, (~right).float())
        return {
            "accuracy": float(right.double().mean()),
            "consistency": float((wrong == 0).double().mean()),
            "loss": float(self.losses(logits, targets).double().mean()),
        }

    def scores(self, logits: Tensor, targets: Tensor) -> Tensor:
        """1 for a statement judged right of its pair, else 0."""
        return (logits.argmax(dim=-1) == targets[:, 0]).double()


def _target(item: Item) -> tuple[int, int]:
    if len(item.passes) != 2:
        raise DataError(
            f"item {item.id} has {len(item.passes)} passes, and task nlvr2 needs two: the two pictures of a statement"
        )
    if item.target not in (0, 1):
        raise DataError(f"item {item.id}: its target is 0 (false) or 1 (true), not {item.target!r:.80}")
    if "text" not in item.modalities:
        raise DataError(f"item {item.id} has no text: its two pictures share one statement")
    sentence = item.groups.get("sentence")
    digest = item.modalities["text"].digest if sentence is None else sha256(sentence.encode()).hexdigest()
    return int(item.target == 1), int(digest[:_DIGITS], 16)
