"""What must agree between `tasks`, `sequence` and the other sections of a spec."""

from __future__ import annotations

from collections.abc import Iterator

from ...registry.errors import Problem
from ..roles.specs import DatasetSpec, PairTaskSpec
from .pipeline_spec import PipelineSpec
from .sequence_spec import SequenceTask


def of_sequence(spec: PipelineSpec) -> Iterator[Problem]:
    """Every contradiction."""
    if spec.tasks is None:
        for index, one in enumerate(spec.regularizers):
            if one.between_tasks:
                reason = f"regularizer `{one.type}` works between tasks, and the pipeline has none"
                yield Problem(reason, ("regularizers", index), 'add "tasks", or remove it')
        return
    if not isinstance(spec.tasks, int):
        yield from _of_list(spec, spec.tasks)
    elif spec.sequence.scenario == "domain":
        reason = "with scenario `domain` all tasks have the same classes, and a number makes groups of other classes"
        yield Problem(reason, ("tasks",), 'list data sets: "tasks": [{"dataset": {...}}, ...]')
    if spec.trainer.start_from is not None:
        reason = "a sequence of tasks begins afresh, and each task starts from the one before"
        yield Problem(reason, ("trainer", "start_from"), "remove it, or `tasks`")
    if spec.evaluation.inductive == "transductive" and spec.adapter.needs_graph:
        reason = "transductive: test items of later tasks would be nodes of the first one's graph"
        yield Problem(reason, ("evaluation", "inductive"), 'take "attach"')
    if isinstance(spec.task, PairTaskSpec) or spec.task.passes_are not in ("one", "joined"):
        reason = f"tasks are told apart by the class of an item, and task `{spec.task.type}` has none"
        yield Problem(reason, ("tasks",), "take a classification")
    if spec.search and spec.evaluation.select_on != "val":
        reason = "search values of a sequence are chosen on the validation split of its first tasks"
        yield Problem(reason, ("evaluation", "select_on"), 'take "val"')
    for key in spec.search:
        if key.split(".")[0] in ("tasks", "sequence", "dataset", "task"):
            yield Problem(f"a search over tasks cannot try values of `{key}`", ("search", key), "compare pipelines")


def _of_list(spec: PipelineSpec, tasks: tuple[SequenceTask, ...]) -> Iterator[Problem]:
    if len(tasks) < 2:
        yield Problem("one task alone is no sequence", ("tasks",), "add another, or remove `tasks`")
    of_data = [one.dataset for one in tasks if one.dataset is not None]
    if of_data and len(of_data) < len(tasks):
        yield Problem("tasks are all data sets, or all classes of one", ("tasks",), "write all in one form")
        return
    if not of_data and spec.sequence.scenario == "domain":
        reason = "with scenario `domain` all tasks have the same classes, and here each has classes of its own"
        yield Problem(reason, ("tasks",), 'list data sets: "tasks": [{"dataset": {...}}, ...]')
    if not of_data:
        return
    if spec.dataset not in of_data:
        reason = "the tasks are data sets of their own, and `dataset` is none of them"
        yield Problem(reason, ("dataset",), "leave it out: the first task's stands for it")
    if spec.captioner is not None and spec.captioner.written:
        reason = "written descriptions are found by an item's id, and ids of several data sets begin with their task"
        yield Problem(reason, ("captioner",), "bring texts in the data sets, or take a captioner that sees pictures")
    for index, dataset in enumerate(of_data):
        for name in DatasetSpec.model_fields:
            if name != "type" and getattr(dataset, name) != getattr(of_data[0], name):
                reason = f"`{name}` is not that of the first task's data set"
                yield Problem(reason, ("tasks", index, "dataset", name), "give all the same")
