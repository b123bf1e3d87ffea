"""What a trained model says of the items of a split, one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from ..data.prediction import Neighbour


def _none(most: int) -> list[tuple[Neighbour, ...]]:
    return []


@dataclass(frozen=True, slots=True)
class SplitAnswers:
    """Of one seed's model, in the order of the items."""

    #: Ids of the items.
    ids: Sequence[str]
    #: float32 on the CPU, [N, C]; of items of several segments [N, S, C], padded to the longest; ``None`` of answers
    #: that are no classes (masks).
    logits: Tensor | None
    #: float64 [N]: what each item has in the task's primary figure; ``None`` where that is no mean over items.
    scores: Tensor | None
    #: Finds so many support items that each item heard, nearest first; an empty list without a graph.
    neighbours: Callable[[int], list[tuple[Neighbour, ...]]] = _none
