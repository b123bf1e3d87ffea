"""What an evaluation of a finished run says. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from ..storage.record import Json, Versioned

EVALUATION = "evaluation.json"


class Evaluation(Versioned):
    """What ``evaluation.json`` holds."""

    NOUN: ClassVar[str] = "evaluation"
    REMEDY: ClassVar[str] = "evaluate the run again with this version"
    FORMAT_KEY: ClassVar[str] = "evaluation"
    LEFT_OUT: ClassVar[frozenset[str]] = frozenset({"task", "predictions"})

    evaluation: int = 0
    """The format of this file: 1."""
    graftwork: str
    """The version of Graftwork that wrote it."""
    run: str
    """The run folder, as it was named."""
    name: str
    """The pipeline's."""
    seed: int
    """Of the training that was saved: it alone is scored."""
    dataset: Json
    """The data set's spec."""
    split_id: str
    """How its splits came about."""
    fingerprint: str
    """sha256 over contents and labels of all its items."""
    own_data: bool
    """Whether these are the data of the run."""
    split: str
    """The one that is scored."""
    task: str | None = None
    """The task whose items are scored, answers being among its classes; left out where none was named."""
    items: int
    """That are scored."""
    left_out: int
    """That have no label, or cannot be read."""
    metric: str
    """The task's primary metric."""
    figures: Mapping[str, float]
    """Metric to its value."""
    interval: Sequence[float] | None
    """95 % of the primary metric over the items, low and high; `null` where it is no mean over items."""
    in_result: float | None
    """The primary metric of that seed in `result.json`; `null` where it is of other data or another split."""
    notes: Sequence[str]
    """What a reader of the figures should know."""
    predictions: str | None = None
    """The file beside it that has what is said of each item; left out where none was asked for, or the task gives
    none."""

    def __str__(self) -> str:
        low_high = "" if self.interval is None else f", 95 % interval {self.interval[0]:.4f} to {self.interval[1]:.4f}"
        of_task = "" if self.task is None else f", task {self.task}"
        return (
            f"{self.metric} {self.figures[self.metric]:.4f}{low_high} ({self.items:,} items of {self.split}{of_task})"
        )
