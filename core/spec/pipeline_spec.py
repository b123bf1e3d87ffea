"""The pipeline as a user writes it: one JSON object, one section a stage."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from ...registry.slot import Slot
from ...registry.spec import ActsWith, Items, LocalPath, Spec
from ..roles.specs import (
    AdapterSpec,
    CaptionerSpec,
    DatasetSpec,
    EncoderSpec,
    GraphSpec,
    OptimizerSpec,
    RegularizerSpec,
    ReporterSpec,
    TaskSpec,
)
from .sequence_spec import SequenceSpec, Tasks

Policy = Literal["attach", "rewire", "batch", "transductive"]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class TrainerSpec(Spec):
    """The training loop."""

    epochs: Annotated[int, Field(ge=0, le=1_000_000)] = 100
    """Passes over the labelled training items. Nothing trains when nothing is trainable."""
    batch_size: Annotated[int, Field(ge=1)] | None = None
    """Labelled items a forward pass. Default: all of them at once; where the towers run, 32."""
    accumulate: Annotated[int, Field(ge=1)] = 1
    """Forward passes whose gradients make one step."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """`bf16`: forward passes under autocast; parameters stay float32."""
    optimizer: Annotated[OptimizerSpec, Slot("optimizer", "adamw")] = Field(
        default_factory=lambda: {"type": "adamw"},
        validate_default=True,
    )
    """The optimizer."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """The learning rate over the steps: down to zero on a cosine, or constant."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the steps, 0.1 for a tenth, over which the learning rate rises linearly before the `schedule` begins;
    none where that is less than two steps."""
    keep: Literal["best", "last"] = "best"
    """The epoch that is kept: the `best` on the selection split, or the `last`."""
    start_from: LocalPath | None = None
    """A finished run whose adapter and head this one starts from (a sequence of tasks)."""


class EvaluationSpec(Spec):
    """How results are measured."""

    inductive: Policy = "attach"
    """How unseen items meet the graph. `attach`: each sees only the stored support set, whose degrees stay frozen.
    `rewire`: one at a time joins it, the support hears it too. `batch`: those of a batch see each other as well.
    `transductive`: they are nodes of the training graph, which leaks the test distribution."""
    inductive_batch: Annotated[int, Field(ge=1), ActsWith(inductive="batch")] = 64
    """With policy `batch`: how many items, in their order, see each other."""
    select_on: Literal["val", "labelled", "none"] = "val"
    """The split that chooses epoch and search values. Never the test split. `labelled`: search values by leave-one-out
    on the labelled training items, before anything is trained, and the last epoch. `none`: last epoch, no search."""
    test_on: str = "test"
    """The split that the reported numbers come from."""
    seeds: Annotated[Items[Seed], Field(min_length=1)] | None = None
    """One training a seed: few-shot sample and initial weights follow it. Default: the pipeline's `seed` alone."""
    predictions: Literal["jsonl", "none"] = "jsonl"
    """`jsonl`: the run folder keeps what each seed's model says of each item of the selection and the reported split
    (`predictions.jsonl`), so that runs are compared item by item. `none`: it keeps the figures alone."""

    @property
    def selecting_split(self) -> str | None:
        """The split that chooses, where one does."""
        return self.select_on if self.select_on == "val" else None

    @property
    def held_out(self) -> tuple[str, ...]:
        """The splits that choose and that are tested on."""
        return tuple(name for name in (self.selecting_split, self.test_on) if name is not None)


class SearchRange(Spec):
    """A range of numbers to propose values from; two integers make a range of integers."""

    low: int | float
    """The smallest value."""
    high: int | float
    """The largest value."""
    log: bool = False
    """Whether orders of magnitude count alike, as for a learning rate."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low is {self.low} and must be less than high, {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range starts above 0, not at {self.low}")
        return self


def _form(values: Any) -> str:
    return "range" if isinstance(values, (dict, SearchRange)) else "list"


#: What a search may try for one path. The form decides which of the two is checked: one error for one mistake.
SearchValues = Annotated[
    Annotated[Items[Any], Field(min_length=1), Tag("list")] | Annotated[SearchRange, Tag("range")], Discriminator(_form)
]


def _is_filled_list(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value)


#: What may be said of a device.
DEVICE = r"^(auto|cpu|mps|cuda(:\d+)?)$"


class PipelineSpec(Spec):
    """A Graftwork pipeline."""

    schema_: Annotated[str | None, Field(alias="$schema")] = None
    """Where editors find the schema (`graftwork schema > graftwork.schema.json`)."""
    extends: str | Items[str] | None = None
    """A spec file that this one begins with, or several: paths from this file, inside its folder. Objects merge key by
    key, this file wins; an object whose `type` changes, and a list, replace the other."""
    version: Literal[1] = 1
    """Version of this format."""
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] = "pipeline"
    """Names the run folder. `.partial` at its end is kept for unfinished ones."""
    seed: Seed = 0
    """The seed, where `evaluation.seeds` names no others."""
    device: Annotated[str, Field(pattern=DEVICE)] = "auto"
    """`auto` takes a GPU where there is one. Else `cpu`, `cuda`, `cuda:1`, `mps`."""
    dataset: Annotated[DatasetSpec, Slot("dataset")]
    """Where items come from."""
    captioner: Annotated[CaptionerSpec, Slot("captioner")] | None = None
    """What describes the images in words, where the data set brings no texts of its own."""
    encoder: Annotated[EncoderSpec, Slot("encoder")]
    """The frozen model."""
    graph: Annotated[GraphSpec, Slot("graph")] | None = None
    """What the nodes are and which are neighbours."""
    adapter: Annotated[AdapterSpec, Slot("adapter")]
    """The trainable graft."""
    task: Annotated[TaskSpec, Slot("task", "classification")] = Field(
        default_factory=lambda: {"type": "classification"},
        validate_default=True,
    )
    """What is learnt and how it is scored."""
    regularizers: Items[Annotated[RegularizerSpec, Slot("regularizer")]] = ()
    """Penalties added to the loss."""
    trainer: TrainerSpec = Field(default_factory=TrainerSpec)
    """The training loop."""
    evaluation: EvaluationSpec = Field(default_factory=EvaluationSpec)
    """How results are measured."""
    tasks: Tasks | None = None
    """Tasks that are learnt one after another: groups of classes of `dataset`, data sets (the first of which may then
    stand for `dataset`), or a number: so many groups of as many classes, in their order."""
    sequence: SequenceSpec = Field(default_factory=SequenceSpec)
    """How they are learnt and asked; of no effect without `tasks`."""
    search: dict[str, SearchValues] = Field(default_factory=dict)
    """Values to try, a list for each dotted path (`"graph.threshold": [0.7, 0.8]`), or with `trials` a range
    (`{"low": 0.5, "high": 0.95}`); the best on the selection split (mean over the seeds) is reported."""
    trials: Annotated[int, Field(ge=1)] | None = None
    """Combinations to try, each proposed by Optuna from how those before it did. Default: all those of the lists."""
    reporters: Items[Annotated[ReporterSpec, Slot("reporter")]] = Field(
        default_factory=lambda: ({"type": "console"}, {"type": "jsonl"}),
        validate_default=True,
    )
    """Who hears what happens."""

    @model_validator(mode="before")
    @classmethod
    def _first_task_stands_for_dataset(cls, value: Any) -> Any:
        first = value["tasks"][0] if isinstance(value, dict) and _is_filled_list(value.get("tasks")) else None
        if isinstance(first, dict) and first.get("dataset") is not None and "dataset" not in value:
            return {**value, "dataset": first["dataset"]}
        return value

    @field_validator("name")
    @classmethod
    def _is_of_a_finished_run(cls, name: str) -> str:
        if name.lower().endswith(".partial"):
            raise ValueError("a folder of that name is an unfinished run's; leave `.partial` away")
        return name

    @field_validator("extends")
    @classmethod
    def _has_been_followed(cls, extends: str | tuple[str, ...] | None) -> None:
        if extends is not None:  # read_composed takes it out of what it read
            raise ValueError("paths count from the file that names them: write it there, and read that file")

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds to train with."""
        return self.evaluation.seeds or (self.seed,)

    @property
    def level(self) -> Literal["features", "layers"]:
        """Whether everything is encoded once, or the towers run in training."""
        return "layers" if "layers" in (self.adapter.level, self.task.level) else "features"

    @property
    def hears_pool(self) -> bool:
        """Whether the nodes of the pool are of use beyond the labelled ones: to messages, or to the head's fit."""
        return self.adapter.needs_graph or (self.task.head is not None and self.task.head.fits_pool)

    def to_json(self) -> dict[str, Any]:
        """The whole spec with every default filled in, as plain JSON."""
        return self.model_dump(mode="json", by_alias=True, exclude={"schema_", "extends"})
