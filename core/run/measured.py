"""The figures of one result that tables and charts show. Light: no torch."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from ..storage.record import Record
from ..storage.result import Result
from ..storage.result_parts import Score

#: A graph that carries less of a message than this is all but off.
HEARD = 0.05


class Kept(Record):
    """The epochs that validation chose."""

    per_seed: Sequence[int]
    """From 1; 0 is the start."""
    of: int | None
    """How many each training had; ``None`` in a result that does not say so yet."""

    @classmethod
    def from_result(cls, result: Result) -> Kept | None:
        """``None`` where nothing was trained or selected, and of several tasks: each has an epoch of its own."""
        untrained = result.epochs == 0 or not result.parameters.trainable
        if untrained or result.tasks is not None or None in result.selection.per_seed:
            return None
        return cls(per_seed=result.epochs_kept, of=result.epochs)

    def __str__(self) -> str:
        return ", ".join(map(str, self.per_seed)) + (f" of {self.of}" if self.of else "")

    def notes(self, seeds: Sequence[int], chosen: bool) -> tuple[str, ...]:
        """A line for the start, the first and, where validation had the choice, the last of several epochs."""
        last, little = self.of or 0, "the score says little about the training"
        ends = {
            0: f"validation was best before anything was trained; {little}",
            1: f"validation was best before much was trained; {little}",
        }
        ends = {epoch: why for epoch, why in ends.items() if epoch < last}
        if chosen and last > 1:
            ends[last] = "the best may lie beyond; raise trainer.epochs"
        lines = []
        for epoch, why in ends.items():
            kept = [str(seed) for seed, kept in zip(seeds, self.per_seed, strict=True) if kept == epoch]
            if kept:
                lines.append(
                    f"seed{'s' if len(kept) > 1 else ''} {', '.join(kept)} kept epoch {epoch} of {last}: {why}"
                )
        return tuple(lines)


def notes_of(result: Result) -> tuple[str, ...]:
    """What makes the figures of a result say less than they seem to, a line each."""
    kept, silent = Kept.from_result(result), result.adapter and result.adapter.warning
    started = result.started_from and result.started_from.note()
    first = [one for one in (started, silent, _all_but_off(result)) if one]
    ends = kept.notes(result.seeds, result.keep == "best") if kept else ()
    return (*first, *_at_an_end(result), *ends)


def result_rows(result: Result) -> list[tuple[str, str]]:
    """What was measured, in words: every metric, and what it took."""
    parameters, kept = result.parameters, Kept.from_result(result)
    rows = [(name, str(score)) for name, score in result.test.items()] + task_rows(result)
    rows.append(("trainable parameters", f"{parameters.trainable:,} ({parameters.trainable_share:.2%})"))
    rows += [("epoch kept", str(kept))] if kept else []
    rows += [(f"neighbours' share, {name}", f"{share:.1%}") for name, share in _neighbour_shares(result).items()]
    rows.append(("seconds a training", f"{result.training_seconds_per_seed:.2f}"))
    return [*rows, ("peak memory", f"{result.peak_memory_mb:,.0f} MB")]


def task_rows(result: Result) -> list[tuple[str, str]]:
    """The figures of a sequence of tasks; none of one task."""
    return [(name, str(score)) for name, score in _task_figures(result).items()]


def _task_figures(result: Result) -> dict[str, Score]:
    """Those that are defined, by name."""
    found = result.tasks
    if found is None:
        return {}
    of = {
        "average over tasks": found.average,
        "just after learning": found.learning,
        "forgetting": found.forgetting,
        "backward transfer": found.backward,
        "forward transfer": found.forward,
    }
    return {name: score for name, score in of.items() if score is not None}


def _all_but_off(result: Result) -> str | None:
    """Where neighbours have little of every message of the adapter: the mean over the seeds."""
    means = _neighbour_shares(result)
    if not means or not any(result.graph.support_edges if result.graph else ()) or max(means.values()) >= HEARD:
        return None
    said = ", ".join(f"{name} {share:.1%}" for name, share in means.items())
    return (
        f"neighbours have less than {HEARD:.0%} of a message ({said}): the adapter all but does without its graph; let "
        "the graph join more, or give a node's own vector less weight in `adapter`"
    )


def _neighbour_shares(result: Result) -> dict[str, float]:
    """Message to the mean over the seeds."""
    shares = (result.graph.neighbour_shares if result.graph else None) or ()
    return {name: statistics.fmean(one[name] for one in shares) for name in (shares[0] if shares else ())}


def _at_an_end(result: Result) -> Iterator[str]:
    """Of the numbers that a search chose among three or more listed: those with none on one side and none as good.

    Below 0 lies nothing, nor below 1 of whole numbers.
    """
    best = result.selection.mean
    for key, listed in result.listed.items():
        if any(isinstance(one, bool) or not isinstance(one, (int, float)) for one in listed) or len(set(listed)) < 3:
            continue
        value = result.chosen[key]
        if any(one.selection == best and one.values[key] != value for one in result.tried):
            continue
        if value == max(listed):
            yield f"{key} {value} is the greatest value tried: the best may lie beyond"
        elif value == min(listed) and value != 0 and not (value == 1 and isinstance(value, int)):
            yield f"{key} {value} is the least value tried: the best may lie below"


class Measured(Record):
    """What a run measured."""

    LEFT_OUT: ClassVar[frozenset[str]] = frozenset({"tasks"})

    metric: str
    """The task's primary metric; ``val`` and ``test`` are of it."""
    val: Score | None
    """On the split that selected, at the kept epochs; ``None`` where nothing was selected."""
    test: Score
    """On the reported split."""
    trainable: int
    """Trainable parameters."""
    fitted: int
    """Numbers that a head took from the labelled items without training."""
    seconds: float
    """Of one training, mean over the seeds."""
    peak_memory_mb: float
    """Resident memory at its highest, in MB (10^6 bytes), whatever the process held before included."""
    nodes: float | None
    """Of the support graph, mean over the seeds; ``None`` without a graph."""
    edges: float | None
    """Likewise."""
    neighbour_shares: Mapping[str, float] | None
    """The neighbours' weight in each message of the adapter, likewise; ``None`` where the adapter does not say."""
    one_class: float | None
    """Of the graph's edges between items, the share that joins two of one class, likewise."""
    tried: int
    """Combinations of search values that were tried."""
    epochs_kept: Kept | None
    """``None`` where nothing was trained or nothing selected."""
    notes: tuple[str, ...]
    """What makes the figures say less than they seem to, a line each."""
    tasks: Mapping[str, Score] | None = None
    """Average, forgetting and the like of a sequence of tasks; left out of one task."""


def measured(result: Result) -> Measured:
    """The figures of a result."""
    selected = [score for score in result.selection.per_seed if score is not None]
    return Measured(
        metric=result.metric,
        val=Score.of(selected) if selected else None,
        test=result.test[result.metric],
        trainable=result.parameters.trainable,
        fitted=result.parameters.fitted,
        seconds=result.training_seconds_per_seed,
        peak_memory_mb=result.peak_memory_mb,
        nodes=statistics.fmean(result.graph.support_nodes) if result.graph else None,
        edges=statistics.fmean(result.graph.support_edges) if result.graph else None,
        neighbour_shares=_neighbour_shares(result) or None,
        one_class=statistics.fmean(result.graph.one_class) if result.graph and result.graph.one_class else None,
        tried=len(result.tried),
        epochs_kept=Kept.from_result(result),
        notes=notes_of(result),
        tasks=_task_figures(result) or None,
    )
