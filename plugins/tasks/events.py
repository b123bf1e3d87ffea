"""Events in clips: one class a segment."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from ...core.data.items import DataError, Item
from ...core.roles import Task
from .specs import EventsSpec

#: Target of a segment without a label, and of the padding of shorter clips.
UNLABELLED = -1


class Events(Task):
    """Every pass of an item is a segment of a clip, with a class of its own (background is one of them).

    Source: Tian et al., "Audio-Visual Event Localization in Unconstrained Videos", ECCV 2018 (AVE), whose supervised
    accuracy counts segments.
    """

    primary = "accuracy"

    def __init__(self, spec: EventsSpec) -> None:
        self.spec = spec

    def targets(self, items: Sequence[Item], classes: int) -> Tensor:
        """Class of each segment, int64 [N, S] for the S of the longest clip; -1: unlabelled, or beyond the clip's end.

        Raises ``DataError`` where labels do not match the passes, or are out of range.
        """
        if not items:
            return torch.full((0, 0), UNLABELLED)
        rows = [torch.tensor(_labels(item, classes), dtype=torch.int64) for item in items]
        return pad_sequence(rows, batch_first=True, padding_value=UNLABELLED)

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy over the labelled segments of each item, [N], of logits [N, S, C]; 0 where none is."""
        each = cross_entropy(logits.transpose(1, 2), targets, reduction="none", ignore_index=UNLABELLED)
        return each.sum(dim=1) / (targets != UNLABELLED).sum(dim=1).clamp(min=1)

    def metrics(self, logits: Tensor, targets: Tensor) -> dict[str, float]:
        """``accuracy`` over segments, ``macro_accuracy`` (mean over the classes present), ``loss`` (mean over items).

        Raises ``DataError`` where no segment is labelled.
        """
        labelled = targets != UNLABELLED
        if not labelled.any():
            raise DataError("no segment of these items is labelled, so nothing can be measured")
        right, classes = (logits.argmax(dim=-1) == targets)[labelled], targets[labelled]
        by_class = [float(right[classes == one].double().mean()) for one in torch.unique(classes)]
        return {
            "accuracy": float(right.double().mean()),
            "macro_accuracy": sum(by_class) / len(by_class),
            "loss": float(self.losses(logits, targets).double().mean()),
        }

    def scores(self, logits: Tensor, targets: Tensor) -> Tensor:
        """An item's right segments over the mean number of labelled segments an item."""
        labelled = targets != UNLABELLED
        right = ((logits.argmax(dim=-1) == targets) & labelled).double().sum(dim=1)
        return right / labelled.double().sum().clamp(min=1) * len(targets)


def _labels(item: Item, classes: int) -> tuple[int, ...]:
    segments = len(item.views())
    labels = (UNLABELLED,) * segments if item.target is None else item.target
    if not isinstance(labels, tuple) or len(labels) != segments:
        raise DataError(
            f"item {item.id} has {segments} segments, and needs a class of each (or -1), not {item.target!r:.80}"
        )
    if wrong := [label for label in labels if not UNLABELLED <= label < classes]:
        raise DataError(f"item {item.id}: class {wrong[0]} of a segment is not in 0..{classes - 1} (or -1: unlabelled)")
    return labels
