"""One combination of search values and what its trainings gave."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from torch import Tensor

from ..data.prediction import Neighbour
from ..spec.pipeline_spec import PipelineSpec
from ..stages.prepare import Prepared
from .loop import Trained


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the training with one seed gave; a level adds what its own predictions refer to."""

    trained: Trained
    #: Ids of the labelled items.
    labelled: tuple[str, ...]


def _none(most: int) -> list[tuple[Neighbour, ...]]:
    return []


@dataclass(frozen=True, slots=True)
class SplitAnswers:
    """What one seed's model says of the items of a split, one by one, in their order."""

    #: Ids of the items.
    ids: Sequence[str]
    #: float32 on the CPU, [N, C]; of items of several segments [N, S, C], padded to the longest; ``None`` of answers
    #: that are no classes (masks).
    logits: Tensor | None
    #: float64 [N]: what each item has in the task's primary figure; ``None`` where that is no mean over items.
    scores: Tensor | None
    #: Finds so many support items that each item heard, nearest first; an empty list without a graph.
    neighbours: Callable[[int], list[tuple[Neighbour, ...]]] = _none


@dataclass(frozen=True, slots=True)
class SplitScore:
    """What one seed's model says of a split."""

    #: The task's metrics by name.
    figures: Mapping[str, float]
    #: Where experts are mixed: ``meeting.stream`` to their mean shares [E] on the split; ``None`` where
    #: none are counted.
    usage: Mapping[str, list[float]] | None = None
    #: What it says of each item; ``None`` of a task of pairs.
    answers: SplitAnswers | None = None


P = TypeVar("P", bound=Prepared)
R = TypeVar("R", bound=Outcome)


@dataclass(slots=True)
class Trial(Generic[P, R]):
    """One combination of search values, trained with every seed."""

    values: dict[str, Any]
    spec: PipelineSpec
    prepared: P
    #: One a seed, in their order.
    outcomes: list[R] = field(default_factory=list)

    @property
    def trained(self) -> list[Trained]:
        """The training of each seed."""
        return [one.trained for one in self.outcomes]

    def selection(self) -> float | None:
        """Mean over the seeds of the primary metric on the selection split; ``None`` where nothing was selected."""
        scores = [one.selection for one in self.trained if one.selection is not None]
        return sum(scores) / len(scores) if len(scores) == len(self.trained) else None
