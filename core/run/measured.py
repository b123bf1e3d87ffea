"""The figures of one result that tables and charts show. Light: reads ``result.json``, no torch."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..storage.run_folder import RunFolderError


@dataclass(frozen=True, slots=True)
class Score:
    """One metric on one split over the seeds."""

    mean: float
    #: Sample standard deviation (n - 1); 0 for one seed.
    std: float
    per_seed: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> Score:
        """Over these values, one a seed."""
        return cls(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0, tuple(values))

    @classmethod
    def from_result(cls, figure: Mapping[str, Any]) -> Score:
        """Of a metric in ``result.json``."""
        return cls(figure["mean"], figure["std"], tuple(figure["per_seed"]))

    def __str__(self) -> str:
        """One seed has no spread, and none is claimed."""
        return f"{self.mean:.4f} (1 seed)" if len(self.per_seed) == 1 else f"{self.mean:.4f} ± {self.std:.4f}"


@dataclass(frozen=True, slots=True)
class Kept:
    """The epochs that validation chose."""

    #: From 1; 0 is the start.
    per_seed: tuple[int, ...]
    #: How many each training had; ``None`` in a result that does not say so yet.
    of: int | None

    @classmethod
    def from_result(cls, result: Mapping[str, Any]) -> Kept | None:
        """Of a ``result.json``; ``None`` where nothing was trained or nothing selected."""
        epochs, trainable = result.get("epochs"), result["parameters"]["trainable"]
        if epochs == 0 or not trainable or None in result["selection"]["per_seed"]:
            return None
        return cls(tuple(result["epochs_kept"]), epochs)

    def __str__(self) -> str:
        return ", ".join(map(str, self.per_seed)) + (f" of {self.of}" if self.of else "")

    def notes(self, seeds: Sequence[int]) -> tuple[str, ...]:
        """A line for the start and for the first of several epochs, where a seed kept it."""
        lines = []
        for epoch, trained in ((0, "anything"), (1, "much")):
            early = [str(seed) for seed, kept in zip(seeds, self.per_seed, strict=True) if kept == epoch]
            if early and epoch < (self.of or 0):
                who = f"seed{'s' if len(early) > 1 else ''} {', '.join(early)}"
                why = f"validation was best before {trained} was trained"
                lines.append(f"{who} kept epoch {epoch} of {self.of}: {why}; the score says little about the training")
        return tuple(lines)


def notes_of(result: Mapping[str, Any]) -> tuple[str, ...]:
    """What makes the figures of a ``result.json`` say less than they seem to, a line each."""
    kept, silent = Kept.from_result(result), result.get("adapter", {}).get("warning")
    return (*([silent] if silent else []), *_at_an_end(result), *(kept.notes(result["seeds"]) if kept else ()))


def _at_an_end(result: Mapping[str, Any]) -> Iterator[str]:
    """Of the numbers that a search chose among three or more listed: those with none on one side and none as good.

    Below 0 lies nothing, nor below 1 of whole numbers.
    """
    best = result["selection"]["mean"]
    for key, listed in result.get("listed", {}).items():
        if any(isinstance(one, bool) or not isinstance(one, (int, float)) for one in listed) or len(set(listed)) < 3:
            continue
        value = result["chosen"][key]
        if any(one["selection"] == best and one["values"][key] != value for one in result["tried"]):
            continue
        if value == max(listed):
            yield f"{key} {value} is the greatest value tried: the best may lie beyond"
        elif value == min(listed) and value != 0 and not (value == 1 and isinstance(value, int)):
            yield f"{key} {value} is the least value tried: the best may lie below"


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run measured."""

    #: The task's primary metric; ``val`` and ``test`` are of it.
    metric: str
    #: On the split that selected, at the kept epochs; ``None`` where nothing was selected.
    val: Score | None
    #: On the reported split.
    test: Score
    #: Trainable parameters; numbers that a head took from the labelled items without training.
    trainable: int
    fitted: int
    #: Of one training, mean over the seeds.
    seconds: float
    #: Resident memory at its highest, in MB (10^6 bytes), whatever the process held before included.
    peak_memory_mb: float
    #: Of the support graph, mean over the seeds; ``None`` without a graph.
    nodes: float | None
    edges: float | None
    #: Combinations of search values that were tried.
    tried: int
    #: ``None`` where nothing was trained or nothing selected.
    epochs_kept: Kept | None
    #: What makes the figures say less than they seem to, a line each.
    notes: tuple[str, ...]


def measured(result: Mapping[str, Any]) -> Measured:
    """The figures of a ``result.json``. Raises ``RunFolderError`` where it is none of ours."""
    try:
        metric = result.get("metric", "accuracy")
        selected = [score for score in result["selection"]["per_seed"] if score is not None]
        graph = result["graph"]
        return Measured(
            metric,
            Score.of(selected) if selected else None,
            Score.of(result["test"][metric]["per_seed"]),
            result["parameters"]["trainable"],
            result["parameters"].get("fitted", 0),
            result["training_seconds_per_seed"],
            max(stage["peak_memory_mb"] for stage in result["stages"].values()),
            statistics.fmean(graph["support_nodes"]) if graph else None,
            statistics.fmean(graph["support_edges"]) if graph else None,
            len(result["tried"]),
            Kept.from_result(result),
            notes_of(result),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunFolderError(f"the result lacks {error}; run its pipeline again with this version") from None
