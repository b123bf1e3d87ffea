"""The objects in a ``result.json``. Light: no torch.

``values``, ``spec``, ``settled``, ``identity`` and the like hold what a spec or a component says of itself.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from .record import Json, Record


class Score(Record):
    """One metric on one split over the seeds."""

    mean: float
    """Over the seeds."""
    std: float
    """Sample standard deviation (n - 1); 0 for one seed."""
    per_seed: Sequence[float]
    """In the order of the seeds."""

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Over these values, one a seed."""
        std = statistics.stdev(values) if len(values) > 1 else 0.0
        return cls(mean=statistics.fmean(values), std=std, per_seed=values)

    def __str__(self) -> str:
        """One seed has no spread, and none is claimed."""
        return f"{self.mean:.4f} (1 seed)" if len(self.per_seed) == 1 else f"{self.mean:.4f} ± {self.std:.4f}"


class Selection(Record):
    """The primary metric on the split that selected, at the epochs kept."""

    mean: float | None
    """Over the seeds; `null` where nothing was selected (0 in files of before)."""
    per_seed: Sequence[float | None]
    """In the order of the seeds; `null` where nothing was selected."""


class Tried(Record):
    """A combination of search values."""

    LEFT_OUT: ClassVar[frozenset[str]] = frozenset({"failure"})

    values: Json
    """Dotted path to value."""
    selection: float | None
    """Its mean on the selection split; `null` where it failed, or nothing was selected."""
    failure: str | None = None
    """Why it failed; left out where it did not."""


class SupportGraph(Record):
    """The graph over the support set; a list has an entry a seed."""

    LEFT_OUT: ClassVar[frozenset[str]] = frozenset(
        {"settled", "edges_by_block", "neighbour_shares", "one_class", "warning"}
    )

    support_nodes: Sequence[int]
    """Nodes."""
    support_edges: Sequence[int]
    """Stored edges."""
    settled: Sequence[Json | None] | None = None
    """The graph's spec with its relative settings turned into numbers; left out where there are none."""
    edges_by_block: Sequence[Mapping[str, int]] | None = None
    """Edges within images (`vv`), within texts (`tt`) and across (`vt`); left out where items are one node each."""
    neighbour_shares: Sequence[Mapping[str, float]] | None = None
    """The weight that neighbours have in a message of the adapter, by the message's name: the mean over the support's
    nodes; left out where the adapter does not say."""
    one_class: Sequence[float] | None = None
    """Of the edges between two items, the share that joins items of one class. Classes of unlabelled items are counted
    here, too, and shown to no training; left out where items have no class, or no two are joined."""
    warning: str | None = None
    """What the graph lacks; left out where it lacks nothing."""


class AdapterInTowers(Record):
    """An adapter of the level `layers` beside the towers that it sits in."""

    LEFT_OUT: ClassVar[frozenset[str]] = frozenset({"warning"})

    type: str
    """Its component."""
    parameters: int
    """Trainable ones of the adapter alone."""
    share_of_frozen: float
    """Those over the parameters of the towers that run."""
    spec: Json
    """Its spec, a budget in it turned into sizes."""
    experts: Mapping[str, Sequence[str]]
    """Stream to what its experts are called, in the order of `usage`; empty where none are mixed."""
    usage: Sequence[Mapping[str, Sequence[float]]]
    """A seed's `meeting.stream` to the mean share of each expert on the reported split."""
    warning: str | None = None
    """Why it cannot do anything; left out where it can."""


class DatasetFacts(Record):
    """The data, and what was drawn of them."""

    type: str
    """The component."""
    split_id: str
    """How the splits came about."""
    sizes: Mapping[str, int]
    """Split to its items."""
    shots: int | None
    """Labelled items a class; `null` for all."""
    notes: Sequence[str]
    """What the data set tells its readers."""
    labelled: Sequence[int]
    """Labelled items, an entry a seed."""
    left_out: Mapping[str, int]
    """Split to the items that could not be read."""
    sample: Sequence[str]
    """Fingerprint of the labelled items' ids, an entry a seed."""
    class_names: Sequence[str]
    """In the order of the logits."""
    fingerprint: str
    """sha256 over contents and labels of all items."""


class Descriptions(Record):
    """The texts of the items."""

    captioner: Json | None
    """Identity and weights of who wrote them; `null` where the data set brought them."""
    items: int
    """Items with a text."""
    empty: int
    """Items whose text is empty."""
    truncated: int
    """Items whose text is longer than the encoder reads."""


class Example(Record):
    """An item with its text."""

    id: str
    """The item's."""
    source: str
    """Where its picture, or its text, stands."""
    description: str
    """The text."""


class FrozenModel(Record):
    """The model behind one modality."""

    identity: Json
    """What the encoder says that its vectors depend on."""
    preprocessing: Json
    """How it is given its inputs."""
    weights: str
    """sha256 of its weights."""
    revision: str | None
    """Of the model, where it has one."""


class Parameters(Record):
    """Numbers in the model."""

    trainable: int
    """Of adapter and head."""
    fitted: int = 0
    """That the head took from the labelled items without training: solved weights, a cache, class means."""
    frozen: int
    """Of the models behind the vectors."""
    trainable_share: float
    """The trainable ones over these and the frozen ones."""


class KeptPredictions(Record):
    """The predictions of single items that a run keeps."""

    file: str
    """In the run folder: a JSON object a line."""
    items: Mapping[str, int]
    """Split to its items; there is a line for each of them and each seed."""


class StageUsage(Record):
    """What a stage took."""

    seconds: float
    """Wall time."""
    peak_memory_mb: float
    """Resident memory of the process at its highest, in MB (10^6 bytes); on a GPU that of the device as well."""


class Machine(Record):
    """Where it ran."""

    device: str
    """torch's name of it."""
    threads: int
    """Of torch."""
    platform: str
    """As Python names it."""
    python: str
    """Its version."""


class TaskSequence(Record):
    """What was learnt of tasks one after another, and what of it was forgotten.

    Figures are of the primary metric on the reported split; those that a scenario or a training does not define are
    `null`, and `undefined` says why.
    """

    scenario: str
    """`class`, `task` or `domain`."""
    order: str
    """`given` or `shuffled`."""
    training: str
    """`sequential`, `joint` or `separate`."""
    search_tasks: int | None = None
    """The first tasks that chose search values; left out where nothing was searched."""
    classes: Mapping[str, Sequence[str]]
    """Task to its classes."""
    orders: Sequence[Sequence[str]]
    """The tasks as each seed learnt them."""
    matrix: Sequence[Sequence[Sequence[float | None]]]
    """Of each seed R: row i is the state after its i-th task, column j its j-th task; `null` where it cannot answer.
    Of `joint` training one row."""
    start: Sequence[Sequence[float]] | None = None
    """Of each seed what the first state says of each task before any training, with scenario `domain`."""
    average: Score
    """Average accuracy: the mean over the tasks at the end (last row of R; of `separate` its diagonal)."""
    learning: Score | None = None
    """Learning accuracy: the mean over the tasks just after each was learnt (diagonal of R; Riemer et al. 2019)."""
    forgetting: Score | None = None
    """The mean over all tasks but the last of the best that was known of it before, less what is at the end (Chaudhry
    et al. 2018)."""
    backward: Score | None = None
    """Backward transfer: the mean over these tasks of what is at the end, less what was when it had been learnt
    (Lopez-Paz & Ranzato 2017)."""
    forward: Score | None = None
    """Forward transfer: the mean over all tasks but the first of what is known of it before it is learnt, less `start`
    (Lopez-Paz & Ranzato 2017)."""
    undefined: Mapping[str, str] = {}
    """Figure to why there is none."""
    remembered: Sequence[Sequence[int]] | None = None
    """Of each seed how many items of earlier tasks each task learnt again; left out where none are remembered."""

    LEFT_OUT: ClassVar[frozenset[str]] = frozenset({"search_tasks", "start", "remembered"})


class HeadClasses(Record):
    """What a head knew of its classes when it began with another run's."""

    kept: Sequence[str]
    """Known there and here."""
    new: Sequence[str]
    """Known here alone: their rows begin afresh."""
    dropped: Sequence[str]
    """Known there alone."""


class StartedFrom(Record):
    """The run that another began with (`trainer.start_from`)."""

    run: str
    """As the spec names it."""
    sha256: str
    """Of the manifest of what was taken."""
    classes: HeadClasses
    """The rows of the head, by class name."""

    def note(self) -> str | None:
        """What to say where the classes are not those of before."""
        kept, new, dropped = (_some(one) for one in (self.classes.kept, self.classes.new, self.classes.dropped))
        if not self.classes.new and not self.classes.dropped:
            return None
        return (
            f"started from {self.run}: the head keeps what it knew of {kept}; new are {new}, and {dropped} are dropped"
        )


def _some(names: Sequence[str]) -> str:
    return (", ".join(names[:10]) + (" ..." if len(names) > 10 else "")) or "none"
