"""Learning through the towers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor

from ..roles.head import Head
from ..roles.regularizer import TrainingView
from ..roles.task import Task, losses_of
from ..training.learner import Learner, OfLogits, Rank
from ..training.predictor import padded
from ..training.ranking import Ranking
from .model import LayerModel
from .passes import Passes, ReadOut
from .read_outs import Gathered, ReadOuts, all_logits, batches
from .read_targets import ReadTargets


@dataclass(frozen=True, slots=True)
class Targeted:
    """Items with what the task wants of them."""

    passes: Passes
    #: As ``Task.targets`` makes them: a row an item.
    targets: Tensor | ReadTargets


class TowerLearner(Learner):
    """Learns batch by batch, for towers run."""

    default_batch: ClassVar[int | None] = 32

    def __init__(self, model: LayerModel, items: int, batch: int) -> None:
        self.model: LayerModel = model
        self.items, self._batch = items, batch

    @torch.no_grad()
    def final_loss(self) -> float:
        """Over one batch."""
        return float(self.loss(torch.arange(min(self.items, self._batch))))


class LayerLearner(TowerLearner):
    """Learns from labelled items whose passes go through the towers."""

    def __init__(
        self,
        model: LayerModel,
        task: Task,
        labelled: Targeted,
        selection: Targeted | None,
        batch: int,
        read_outs: Callable[[LayerModel, Passes], ReadOuts],
    ) -> None:
        super().__init__(model, len(labelled.passes), batch)
        self._task, self._labelled, self._selection = task, labelled, selection
        self._read_outs = read_outs
        self._source = read_outs(model, labelled.passes)
        self._usage_sums: dict[str, Tensor] = {}
        #: Names of what ``loss_of`` tells: the same in every pass.
        self._shared: tuple[str, ...] = ()
        self._ranking = Ranking(task)

    def fit(self) -> None:
        """The head sees the read-outs of all labelled items, adapted as they are at the start."""
        head = self.model.head
        if head is None or type(head).fit is Head.fit:
            return
        with torch.no_grad():
            parts = [self._head_inputs(rows) for rows in batches(self.items, self._batch)]
            head.fit(torch.cat(parts), self._labelled.targets[:])

    def _head_inputs(self, rows: Sequence[int]) -> Tensor:
        read_out, counts = self._source.of(rows)
        return self.model.joined(read_out.vectors, counts)

    def loss(self, rows: Tensor, of_logits: OfLogits | None = None) -> Tensor:
        """The task's mean loss and the adapter's own."""
        loss, read_out, logits = self._lost(self.gathered(rows))
        self._note(read_out.usage, len(rows))
        return loss if of_logits is None else loss + of_logits(logits, rows)

    def gathered(self, rows: Tensor) -> Any:
        """What the towers take of those items, and the targets."""
        return self._source.gathered(rows.tolist()), self._targets(rows)

    def loss_of(self, gathered: Any) -> tuple[Tensor, Sequence[Tensor]]:
        """With what experts had."""
        loss, read_out, _ = self._lost(gathered)
        self._shared = tuple(read_out.usage)
        return loss, tuple(read_out.usage.values())

    def note(self, told: Sequence[Tensor], items: int) -> None:
        """What experts had."""
        self._note(dict(zip(self._shared, told, strict=True)), items)

    def asks(self) -> Sequence[object]:
        """The frozen towers, and the task."""
        return *(frozen.tower.model for frozen in self.model.towers.frozen), self._task

    def _lost(self, gathered: tuple[Gathered, Tensor]) -> tuple[Tensor, ReadOut, Tensor]:
        of, targets = gathered
        read_out = self._source.read(of)
        logits = self.model.logits(read_out.vectors, of.counts)
        return losses_of(self._task, logits, fitting(targets, logits)).mean() + read_out.auxiliary, read_out, logits

    def _targets(self, rows: Tensor) -> Tensor:
        targets = self._labelled.targets
        return targets[rows.to(targets.device)]

    def view(self, previous: Path | None, generator: Generator) -> TrainingView:
        """Items through the towers, as many at once as are asked for."""
        targets = self._labelled.targets
        return TrainingView(
            parameters=self.model.trainable(),
            logits=self._all_logits,
            targets=targets if isinstance(targets, Tensor) else torch.empty(0),
            losses=self._task.losses,
            previous=previous,
            generator=generator,
            items=self.items,
            rows_before=self.model.rows_before,
            classes_before=self.model.classes_before,
            batch=self._view_batch,
        )

    def _view_batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        read_out, counts = self._source.of(rows.tolist())
        logits = self.model.logits(read_out.vectors, counts)
        return logits, fitting(self._targets(rows), logits)

    def _all_logits(self) -> Tensor:
        parts = (self._source.of(rows) for rows in batches(self.items, self._batch))
        return torch.cat(padded([self.model.logits(read_out.vectors, counts) for read_out, counts in parts]))

    def usage(self) -> Mapping[str, Tensor]:
        """Shares sum to one where experts are mixed."""
        found = {name: shares_of(sums) for name, sums in self._usage_sums.items()}
        self._usage_sums = {}
        return found

    def state(self) -> dict[str, Any]:
        """What experts had since the last epoch, and how epochs are ranked."""
        return {"usage": self._usage_sums, "by_scores": self._ranking.by_scores}

    def resume(self, state: Mapping[str, Any]) -> None:
        """As it was."""
        device = next(self.model.parameters()).device
        self._usage_sums = {name: one.to(device) for name, one in state["usage"].items()}
        self._ranking.by_scores = state["by_scores"]

    def _note(self, usage: Mapping[str, Tensor], count: int) -> None:
        for name, shares in usage.items():
            self._usage_sums[name] = self._usage_sums.get(name, torch.zeros_like(shares)) + shares * count

    def rank(self) -> Rank | None:
        """Of the selection split, batch by batch."""
        if self._selection is None:
            return None
        source = self._read_outs(self.model, self._selection.passes)
        logits = all_logits(self.model, source, len(self._selection.passes), self._batch).logits
        return self._ranking.of(logits, fitting(self._selection.targets[:], logits))


def shares_of(usage: Tensor) -> Tensor:
    """What experts had, as shares of one; on its device."""
    return usage / usage.sum().clamp(min=1e-9)


def fitting(targets: Tensor, logits: Tensor) -> Tensor:
    """Targets a pass [N, S] without the passes that no item of these logits [N, S', C] has."""
    return targets[:, : logits.shape[1]] if logits.ndim > 2 else targets
