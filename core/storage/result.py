"""What ``result.json`` holds: what a run measured, under which conditions. Light: no torch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from ...registry.errors import one_line
from .manifest import require_listed
from .record import Json, Versioned
from .result_parts import (
    AdapterInTowers,
    DatasetFacts,
    Descriptions,
    Example,
    FrozenModel,
    KeptPredictions,
    Machine,
    Parameters,
    Score,
    Selection,
    StageUsage,
    StartedFrom,
    SupportGraph,
    TaskSequence,
    Tried,
)


class Result(Versioned):
    """What ``result.json`` holds."""

    NOUN: ClassVar[str] = "result"
    REMEDY: ClassVar[str] = "run its pipeline again with this version"
    FORMAT_KEY: ClassVar[str] = "result"
    LEFT_OUT: ClassVar[frozenset[str]] = frozenset(
        {"keep", "adapter", "blend_by", "started_from", "predictions", "tasks", "resume"}
    )

    result: int = 0
    """The format of this file: 1; 0 where it is not said."""
    name: str
    """The pipeline's."""
    graftwork: str
    """The version of Graftwork that wrote it."""
    metric: str = "accuracy"
    """The task's primary metric."""
    test_on: str
    """The split that is reported."""
    test: Mapping[str, Score]
    """Metric to its score on that split."""
    select_on: str
    """The split that chose epochs and search values; `labelled`: leave-one-out chose the values; or `none`."""
    selection: Selection
    """How the chosen combination did there."""
    chosen: Json
    """Dotted path to the search value that was chosen."""
    tried: Sequence[Tried]
    """Every combination, in the order of training."""
    listed: Mapping[str, Sequence[Any]] = {}
    """Dotted path to the values that the search lists."""
    seeds: Sequence[int]
    """A training each."""
    saved_seed: int
    """The one whose adapter is saved: best on the selection split, the first among equals."""
    epochs: int | None = None
    """Of a training; 0 where nothing is trainable; `null` where it is not said."""
    epochs_kept: Sequence[int]
    """From 1, an entry a seed; 0 is the start."""
    keep: str | None = None
    """`trainer.keep`: `best`, an epoch that the selection split chose, or `last`; left out where it is not said."""
    inductive: str
    """The policy by which new items meet the graph."""
    inductive_note: str
    """What that policy means for the figures."""
    nodes: str
    """What a node is made of."""
    pool: str
    """Which training items are in the graph."""
    graph: SupportGraph | None
    """`null` where no messages pass."""
    adapter: AdapterInTowers | None = None
    """Left out at the level `features`."""
    blend: float
    """Share of the zero-shot logits."""
    blend_by: str | None = None
    """`text` where they are of the items' texts; left out where they are of the nodes."""
    prompts: Sequence[str] | str
    """Templates of the class prompts, or why there are none."""
    dataset: DatasetFacts
    """The data."""
    descriptions: Descriptions | None
    """The items' texts; `null` where nodes hold none."""
    examples: Sequence[Example]
    """The first of them."""
    encoder: Mapping[str, FrozenModel]
    """Modality to its model."""
    parameters: Parameters
    """How many."""
    training_seconds_per_seed: float
    """Wall time of one training, mean over the seeds."""
    stages: Mapping[str, StageUsage]
    """Stage to what it took, in their order."""
    machine: Machine
    """Seconds and memory are of it."""
    versions: Mapping[str, str]
    """Packages that the figures depend on."""
    started_from: StartedFrom | None = None
    """Left out where the training began afresh."""
    predictions: KeptPredictions | None = None
    """Of single items; left out where none are kept."""
    tasks: TaskSequence | None = None
    """Of a sequence of tasks; left out of others."""
    resume: Any = None
    """Reserved for runs that were resumed, likewise."""

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Also raises ``RunFolderError`` where the file was altered, or one key of it is at odds with another."""
        require_listed(Path(path))
        found = super().read(path)
        if problem := next(_at_odds(found), None):
            raise cls.ERROR(one_line(f"{path}: {problem}; {cls.REMEDY}"))
        return found

    @property
    def peak_memory_mb(self) -> float:
        """Of the stage that took most."""
        return max(stage.peak_memory_mb for stage in self.stages.values())


def _at_odds(result: Result) -> Iterator[str]:
    """What no single key can say: that there is something at all, and as much of it as there are seeds."""
    some: dict[str, Collection[object]] = {"seeds": result.seeds, "stages": result.stages}
    if result.graph is not None:  # a seed whose adapter needs no graph has none
        some["graph.support_nodes"] = result.graph.support_nodes
        some["graph.support_edges"] = result.graph.support_edges
    yield from (f"`{key}` is empty" for key, values in some.items() if not values)
    if result.saved_seed not in result.seeds:
        yield f"`saved_seed` {result.saved_seed} is none of `seeds`"
    if result.metric not in result.test:
        yield f"`metric` is {result.metric!r}, and `test` lacks it"
    for key, values in _by_seed(result):
        if len(values) != len(result.seeds):
            yield f"`{key}` has {len(values)} entries, and `seeds` {len(result.seeds)}"
    for key in result.listed:
        if key not in result.chosen:
            yield f"`chosen` lacks `{key}`, which `listed` has"
        for number, one in enumerate(result.tried):
            if key not in one.values:
                yield f"`tried.{number}.values` lacks `{key}`, which `listed` has"


def _by_seed(result: Result) -> Iterator[tuple[str, Sequence[object]]]:
    """Every list that has an entry a seed, by its place in the file."""
    yield "epochs_kept", result.epochs_kept
    yield "selection.per_seed", result.selection.per_seed
    for metric, score in result.test.items():
        yield f"test.{metric}.per_seed", score.per_seed
    yield "dataset.labelled", result.dataset.labelled
    yield "dataset.sample", result.dataset.sample
