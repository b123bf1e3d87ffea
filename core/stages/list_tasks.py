"""The tasks of a sequence: their items and classes, and what must be true of them before anything is trained. Light."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ...registry.errors import counted
from ..data.items import DataError, DatasetContent, Item
from ..data.shots import sample_shots
from ..roles.specs import DatasetSpec
from ..spec.pipeline_spec import PipelineSpec
from ..spec.sequence_spec import SequenceTask

#: Between a task's name and the id of an item of its data set.
OF_TASK = "/"
#: The longest name that is made of classes.
LONGEST = 40


@dataclass(frozen=True, slots=True)
class TaskData:
    """A task as it lies in the data of its sequence."""

    name: str
    #: Index into the class names of the sequence, in the order of the task.
    classes: tuple[int, ...]
    #: Split to the places of its items there.
    rows: Mapping[str, tuple[int, ...]]
    #: As a spec says it.
    spec: SequenceTask

    def items(self, content: DatasetContent, split: str) -> tuple[Item, ...]:
        """Its items of a split of the sequence's data."""
        return tuple(content.splits[split][row] for row in self.rows.get(split, ()))


def of_data_sets(spec: PipelineSpec) -> list[DatasetSpec]:
    """Those of the tasks; none where they are classes of one data set."""
    listed = () if spec.tasks is None or isinstance(spec.tasks, int) else spec.tasks
    return [one.dataset for one in listed if one.dataset is not None]


def joined(spec: PipelineSpec, contents: Sequence[DatasetContent]) -> DatasetContent:
    """The data sets of the tasks as one: an item's id begins with its task's name.

    Raises ``DataError`` where they share no shape.
    """
    assert not isinstance(spec.tasks, int)
    names = names_of(spec.tasks or ())
    _require_one_shape(names, contents)
    classes = tuple(dict.fromkeys(name for one in contents for name in one.class_names))
    splits: dict[str, list[Item]] = {}
    for task, content in zip(names, contents, strict=True):
        index = [classes.index(name) for name in content.class_names]
        for split, items in content.splits.items():
            splits.setdefault(split, []).extend(_of_task(task, item, index) for item in items)
    return DatasetContent(
        {name: tuple(items) for name, items in splits.items()},
        classes,
        "; ".join(f"{task}: {one.split_id}" for task, one in zip(names, contents, strict=True)),
        tuple(f"{task}: {note}" for task, one in zip(names, contents, strict=True) for note in one.notes),
    )


def tasks_in(spec: PipelineSpec, content: DatasetContent) -> tuple[TaskData, ...]:
    """The tasks of a pipeline in its data, in the order written. Raises ``DataError``: see ``require_tasks``."""
    listed = _listed(spec, content)
    names = names_of(listed)
    found = []
    for task, name in zip(listed, names, strict=True):
        if task.dataset is not None:
            prefix = name + OF_TASK
            rows = {
                split: tuple(row for row, item in enumerate(items) if item.id.startswith(prefix))
                for split, items in content.splits.items()
            }
            of = {content.splits[split][row].target for split in rows for row in rows[split]}
            classes = tuple(index for index in range(len(content.class_names)) if index in of)
        else:
            classes = _indices(task.classes or (), content.class_names, name)
            rows = {
                split: tuple(row for row, item in enumerate(items) if item.target in classes)
                for split, items in content.splits.items()
            }
        found.append(TaskData(name, classes, rows, task.model_copy(update={"name": name})))
    return tuple(found)


def require_tasks(spec: PipelineSpec, content: DatasetContent) -> None:
    """Everything that must be true of the tasks. Raises ``DataError`` for the first that is not."""
    if spec.tasks is None:
        return
    _require_one_class_an_item(content)
    tasks = tasks_in(spec, content)
    _require_classes(spec, content, tasks)
    said = spec.evaluation
    wanted = {"train": "trained on", said.selecting_split: "selected on", said.test_on: "tested on"}
    for task in tasks:
        for split, what in wanted.items():
            if split is not None and not any(item.target is not None for item in task.items(content, split)):
                remedy = '; or set "select_on": "none" in `evaluation`' if what == "selected on" else ""
                lacks = f"tasks: `{task.name}` has no labelled item in split `{split}`"
                raise DataError(f"{lacks}, which is {what}{remedy}")
    require_earlier((spec,), content)


def require_earlier(tried: Sequence[PipelineSpec], content: DatasetContent) -> None:
    """What regularizers ask of the tasks before theirs, in every pipeline of a search. Raises ``DataError``."""
    spec = tried[0]
    if spec.sequence.training != "sequential":
        return  # nothing is carried from one task to the next
    tasks = tasks_in(spec, content)
    fewest = min(map(sum, _counts_of_earlier(spec, content, tasks)))
    classes = min(len(in_order(tasks, spec, seed)[0].classes) for seed in spec.seeds)
    for regularizer in (regularizer for one in tried for regularizer in one.regularizers):
        regularizer.require_earlier(fewest, classes)


def labelled_sample(spec: PipelineSpec, items: Sequence[Item], seed: int) -> tuple[Item, ...]:
    """The few-shot sample of a seed (``sample_shots``): of tasks that are data sets each has its own, also where items
    of several of them are learnt together.
    """
    if not of_data_sets(spec):
        return sample_shots(items, spec.dataset.shots, seed)
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item.id.partition(OF_TASK)[0], []).append(item)
    chosen = {one.id for group in groups.values() for one in sample_shots(group, spec.dataset.shots, seed)}
    return tuple(item for item in items if item.id in chosen)


def in_order(tasks: Sequence[TaskData], spec: PipelineSpec, seed: int) -> tuple[TaskData, ...]:
    """The tasks in the order of a seed."""
    if spec.sequence.order == "given":
        return tuple(tasks)
    import random

    return tuple(random.Random(f"tasks {seed}").sample(tasks, len(tasks)))


def _counts_of_earlier(spec: PipelineSpec, content: DatasetContent, tasks: Sequence[TaskData]) -> Iterator[list[int]]:
    """Of each seed how many labelled items every task but the last has."""
    for seed in spec.seeds:
        sampled = {item.id for item in labelled_sample(spec, content.splits["train"], seed)}
        ordered = in_order(tasks, spec, seed)[:-1]
        yield [sum(item.id in sampled for item in task.items(content, "train")) for task in ordered]


def _listed(spec: PipelineSpec, content: DatasetContent) -> Sequence[SequenceTask]:
    assert spec.tasks is not None
    if not isinstance(spec.tasks, int):
        return spec.tasks
    names, groups = content.class_names, spec.tasks
    size, left = divmod(len(names), groups)
    if left or not size:
        raise DataError(
            f"tasks: {counted(len(names), 'classes')} do not make {groups} groups of as many; name the classes of each "
            'task: "tasks": [{"classes": ["a", "b"]}, ...]'
        )
    return [SequenceTask(classes=names[start : start + size]) for start in range(0, len(names), size)]


def names_of(tasks: Sequence[SequenceTask]) -> list[str]:
    """As written, else after the classes, else by number. Raises ``DataError`` for one that stands twice."""
    said = ["-".join(re.sub(r"[^A-Za-z0-9._]+", "-", one) for one in task.classes or ()) for task in tasks]
    fit = all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", one) and len(one) <= LONGEST for one in said)
    by_class = (
        said if fit and len(set(said)) == len(said) else [f"task-{number}" for number in range(1, len(tasks) + 1)]
    )
    names = [task.name or other for task, other in zip(tasks, by_class, strict=True)]
    if twice := [name for name, count in Counter(name.lower() for name in names).items() if count > 1]:
        raise DataError(f"tasks: two are named `{twice[0]}`; give each a `name` of its own")
    return names


def _indices(classes: Sequence[str], names: Sequence[str], task: str) -> tuple[int, ...]:
    if unknown := [name for name in classes if name not in names]:
        known = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        raise DataError(f"tasks: `{task}` has the class `{unknown[0]}`, which the data set has not; it has {known}")
    if twice := [name for name, count in Counter(classes).items() if count > 1]:
        raise DataError(f"tasks: `{task}` has the class `{twice[0]}` twice")
    return tuple(names.index(name) for name in classes)


def _require_classes(spec: PipelineSpec, content: DatasetContent, tasks: Sequence[TaskData]) -> None:
    names, scenario = content.class_names, spec.sequence.scenario
    if scenario == "domain":
        for task in tasks[1:]:
            for a, b in ((tasks[0], task), (task, tasks[0])):
                if lacking := [names[index] for index in a.classes if index not in b.classes]:
                    raise DataError(
                        f"tasks: with scenario `domain` all have the same classes, and `{b.name}` lacks "
                        f"`{lacking[0]}`, which `{a.name}` has"
                    )
        return
    owner: dict[int, str] = {}
    for task in tasks:
        for index in task.classes:
            if index in owner:
                hint = 'leave it out of one; where all tasks have the same classes set "scenario": "domain"'
                raise DataError(
                    f"tasks: the class `{names[index]}` is in `{owner[index]}` and in `{task.name}`; {hint}"
                )
            owner[index] = task.name
    if lacking := [name for index, name in enumerate(names) if index not in owner]:
        more = f" and {len(lacking) - 1} more are" if len(lacking) > 1 else " is"
        hint = "name every class, or take a data set without it"
        raise DataError(f"tasks: the class `{lacking[0]}`{more} in no task; {hint}")


def _require_one_class_an_item(content: DatasetContent) -> None:
    for split in content.splits.values():
        for item in split:
            if item.target is not None and not isinstance(item.target, int):
                raise DataError(f"tasks: item {item.id} has no single class, and tasks are told apart by class")


def _require_one_shape(names: Sequence[str], contents: Sequence[DatasetContent]) -> None:
    """What items of the tasks have must be the same, and vectors of one width."""
    shapes = []
    for content in contents:
        first = next((item for items in content.splits.values() for item in items), None)
        views = first.views()[0] if first else {}
        widths = {kind: len(media.read()) if kind == "vector" else None for kind, media in views.items()}
        shapes.append({**widths, "passes": len(first.passes) if first else 0})
    for name, shape in zip(names[1:], shapes[1:], strict=True):
        if shape != shapes[0]:
            raise DataError(
                f"tasks: `{names[0]}` has {_shape_in_words(shapes[0])}, and `{name}` {_shape_in_words(shape)}: one "
                "adapter cannot be carried from one to the other; take data sets with items of one shape"
            )


def _shape_in_words(shape: Mapping[str, int | None]) -> str:
    kinds = [f"{kind} of width {width}" if width else kind for kind, width in shape.items() if kind != "passes"]
    passes = f" ({counted(shape['passes'] or 0, 'passes')})" if shape["passes"] else ""
    return (" and ".join(kinds) or "no items") + passes


def _of_task(task: str, item: Item, index: Sequence[int]) -> Item:
    target = index[item.target] if isinstance(item.target, int) else item.target
    return replace(item, id=f"{task}{OF_TASK}{item.id}", target=target)
