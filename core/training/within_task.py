"""A task whose answers are among the classes of one task of a sequence, that of the item: it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ...registry.build import build
from ...registry.catalogue import Catalogue
from ..data.items import Item
from ..roles.task import Task
from ..spec.pipeline_spec import PipelineSpec
from ..stages.prepare import Prepared


def task_for(spec: PipelineSpec, prepared: Prepared, catalogue: Catalogue) -> Task:
    """The task of a pipeline on what was prepared for it."""
    task = build(Task, catalogue, spec.task)
    return task if prepared.task_of is None else WithinTask(task, prepared.task_of)


def answered(task: Task, logits: Tensor, targets: Tensor) -> Tensor:
    """Logits [N, C] with minus infinity for classes that the item's own task does not have."""
    return task.answers(logits, targets) if isinstance(task, WithinTask) else logits


class WithinTask(Task):
    """Losses and figures of each item over the classes of its own task alone; figures are means over all items."""

    def __init__(self, task: Task, task_of: Sequence[int]) -> None:
        self.primary, self.by = task.primary, task.by
        self._task, self._task_of = task, torch.tensor(task_of)

    def targets(self, items: Sequence[Item], classes: int) -> Tensor:
        """As the task makes them."""
        return self._task.targets(items, classes)

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[N]."""
        return self._each(self._task.losses, logits, targets)

    def scores(self, logits: Tensor, targets: Tensor) -> Tensor | None:
        """[N]; ``None`` where the task gives none."""
        parts = [(rows, self._task.scores(*part)) for rows, *part in self._parts(logits, targets)]
        given = [(rows, one) for rows, one in parts if one is not None]
        return _in_place(given) if len(given) == len(parts) else None

    def metrics(self, logits: Tensor, targets: Tensor) -> dict[str, float]:
        """Of several tasks the mean, weighted by their items."""
        found = [(len(rows), self._task.metrics(*part)) for rows, *part in self._parts(logits, targets)]
        total = sum(count for count, _ in found)
        return {name: sum(count * one[name] for count, one in found) / total for name in found[0][1]}

    def answers(self, logits: Tensor, targets: Tensor) -> Tensor:
        """See ``answered``."""
        task_of = self._task_of.to(logits.device)
        return logits.masked_fill(task_of[None] != task_of[targets][:, None], -torch.inf)

    def _each(self, of: Callable[[Tensor, Tensor], Tensor], logits: Tensor, targets: Tensor) -> Tensor:
        return _in_place([(rows, of(*part)) for rows, *part in self._parts(logits, targets)])

    def _parts(self, logits: Tensor, targets: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """For each task its rows, with logits of its classes and targets numbered among them."""
        task_of = self._task_of.to(logits.device)
        of_items = task_of[targets]
        for task in sorted(set(of_items.tolist())):
            rows, columns = (of_items == task).nonzero().squeeze(1), (task_of == task).nonzero().squeeze(1)
            yield rows, logits[rows][:, columns], torch.searchsorted(columns, targets[rows])


def _in_place(parts: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Numbers of rows, put into the order of the rows."""
    if len(parts) == 1:
        return parts[0][1]
    return torch.cat([one for _, one in parts])[torch.cat([rows for rows, _ in parts]).argsort()]
