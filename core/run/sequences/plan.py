"""What a plan says of a sequence of tasks. Light: no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....registry.errors import counted
from ...data.items import DatasetContent
from ...spec.pipeline_spec import PipelineSpec
from ...spec.search_values import trial_count
from ...stages.list_tasks import TaskData, in_order, labelled_sample, tasks_in
from ...stages.stage_plan import StagePlan

#: Classes that a line names.
MOST = 10


def trainings_of(spec: PipelineSpec) -> int:
    """How many trainings a run over tasks has."""
    assert spec.tasks is not None
    tasks = spec.tasks if isinstance(spec.tasks, int) else len(spec.tasks)
    steps = 1 if spec.sequence.training == "joint" else tasks
    if not spec.search:
        return steps * len(spec.seeds)
    first = min(spec.sequence.search_tasks, steps)
    return (trial_count(spec) * first + steps - first) * len(spec.seeds)


def sequence_stages(spec: PipelineSpec, content: DatasetContent) -> list[StagePlan]:
    """A line for the sequence, and one for each task in the order of the first seed."""
    said, tasks = spec.sequence, in_order(tasks_in(spec, content), spec, spec.seeds[0])
    order = "in the order given" if said.order == "given" else f"shuffled by the seed, here as seed {spec.seeds[0]}"
    how = {"sequential": order, "joint": "all at once", "separate": "an adapter each"}[said.training]
    line = f"{counted(len(tasks), 'tasks')}, {said.scenario}-incremental, {said.training}: {how}"
    again = ", ".join(f"{one.type}" for one in spec.regularizers)
    stages = [StagePlan("tasks", line + (f"; against forgetting: {again}" if again else ""))]
    sampled = {item.id for item in labelled_sample(spec, content.splits["train"], spec.seeds[0])}
    return stages + [StagePlan(f"task {number}", line) for number, line in _lines(spec, content, tasks, sampled)]


def _lines(
    spec: PipelineSpec, content: DatasetContent, tasks: Sequence[TaskData], sampled: set[str]
) -> Iterator[tuple[int, str]]:
    known: dict[int, None] = {}
    for number, task in enumerate(tasks, 1):
        names = [content.class_names[index] for index in task.classes]
        shown = ", ".join(names[:MOST]) + (f" and {len(names) - MOST} more" if len(names) > MOST else "")
        labelled = sum(item.id in sampled for item in task.items(content, "train"))
        sizes = ", ".join(f"{split} {len(task.rows[split])}" for split in spec.evaluation.held_out)
        yield number, f"{task.name}: {shown}; {labelled} labelled, {sizes}{_carried(spec, known, task)}"
        known |= dict.fromkeys(task.classes)


def _carried(spec: PipelineSpec, known: dict[int, None], task: TaskData) -> str:
    """What a task takes over from the one before."""
    if not known or spec.sequence.training != "sequential":
        return ""
    new = len([index for index in task.classes if index not in known])
    rows = f"{len(known)} rows of the head" + (f", {new} new" if new else "")
    return f"; from the task before: the adapter, {rows}"
