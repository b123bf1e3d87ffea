"""The sections that make a sequence of tasks of a pipeline. Light: no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from ...registry.slot import Slot
from ...registry.spec import Items, Spec
from ..roles.specs import DatasetSpec

Scenario = Literal["class", "task", "domain"]
Training = Literal["sequential", "joint", "separate"]


class SequenceTask(Spec):
    """One task of a sequence: some classes of the pipeline's data set, or a data set of its own."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")] | None = None
    """Names its state and its figures. Default: after its classes, or `task-1`, `task-2`, ... in the order written."""
    classes: Annotated[Items[str], Field(min_length=1)] | None = None
    """Classes of `dataset`, by name."""
    dataset: Annotated[DatasetSpec, Slot("dataset")] | None = None
    """A data set that is this task."""

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if (self.classes is None) == (self.dataset is None):
            raise ValueError("a task is some `classes` of the pipeline's data set, or a `dataset` of its own: say one")
        return self


class SequenceSpec(Spec):
    """How the tasks of a sequence are learnt and asked."""

    scenario: Scenario = "class"
    """What is asked after a task (van de Ven & Tolias 2019). `class`: which of all classes so far; the head grows.
    `task`: the task of an item is known, and the answer is one of its classes: a head a task. `domain`: every task has
    the same classes in other data."""
    order: Literal["given", "shuffled"] = "given"
    """The order of the tasks: as they are `given`, or `shuffled` by the seed, another one for each."""
    training: Training = "sequential"
    """`sequential`: one adapter, task after task. `joint`: all tasks at once. `separate`: an adapter a task, asked
    about its own task alone. The last two are bounds, for they forget nothing."""
    search_tasks: Annotated[int, Field(ge=1)] = 2
    """Search values are chosen on the selection split of so many first tasks, after the last of them; the later tasks
    are not looked at."""


def _form(value: Any) -> str:
    return "number" if isinstance(value, (int, float)) else "list"


#: The tasks as they are written: a list, or how many groups of as many classes.
Tasks = Annotated[
    Annotated[int, Field(ge=2, le=1000), Tag("number")]
    | Annotated[Items[SequenceTask], Field(min_length=1), Tag("list")],
    Discriminator(_form),
]
