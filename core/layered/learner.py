"""Learning through the towers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Generator, Tensor

from ..dataset import DataError
from ..head import Head
from ..learner import Learner
from ..regularizer import TrainingView
from ..task import PairTask, Task
from .model import Heard, LayeredModel
from .pairs import Pairs
from .passes import Passes


@dataclass(frozen=True, slots=True)
class Targeted:
    """Items with what the task wants of them."""

    passes: Passes
    #: As ``Task.targets`` makes them: a row an item.
    targets: Tensor


class ReadOuts:
    """What towers give of items: asked anew each time, or once where nothing inside them is trained."""

    def __init__(self, model: LayeredModel, passes: Passes, batch: int) -> None:
        self._model, self._passes = model, passes
        self._counts = tuple(len(item.views()) for item in passes.items)
        self._stored: Mapping[str, Tensor] | None = None
        if not model.inside:
            with torch.no_grad():
                parts = [model.run(passes.batch(rows).inputs).vectors for rows in batches(len(passes), batch)]
            self._stored = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        self._starts = torch.tensor([0, *self._counts]).cumsum(0)

    def of(self, rows: Sequence[int]) -> tuple[Heard, tuple[int, ...]]:
        """Of all passes of those items, and how many each has."""
        counts = tuple(self._counts[row] for row in rows)
        if self._stored is None:
            return self._model.run(self._passes.batch(rows).inputs), counts
        which = torch.cat([torch.arange(int(self._starts[row]), int(self._starts[row + 1])) for row in rows])
        return Heard({name: value[which.to(value.device)] for name, value in self._stored.items()}), counts


class LayerLearner(Learner):
    """Learns from labelled items whose passes go through the towers."""

    default_batch: ClassVar[int | None] = 32

    def __init__(
        self,
        model: LayeredModel,
        task: Task,
        labelled: Targeted,
        selection: Targeted | None,
        batch: int,
        read_outs: Callable[[LayeredModel, Passes], ReadOuts],
    ) -> None:
        self.model: LayeredModel = model
        self.items = len(labelled.passes)
        self._task, self._labelled, self._selection, self._batch = task, labelled, selection, batch
        self._read_outs = read_outs
        self._source = read_outs(model, labelled.passes)
        self._heard: dict[str, Tensor] = {}

    def fit(self) -> None:
        """The head sees the read-outs of all labelled items, adapted as they are at the start."""
        head = self.model.head
        if head is None or type(head).fit is Head.fit:
            return
        with torch.no_grad():
            parts = [self._heard_by_head(rows) for rows in batches(self.items, self._batch)]
            head.fit(torch.cat(parts), self._labelled.targets)

    def _heard_by_head(self, rows: Sequence[int]) -> Tensor:
        heard, counts = self._source.of(rows)
        return self.model.joined(heard.vectors, counts)

    def loss(self, rows: Tensor) -> Tensor:
        """The task's mean loss and the adapter's own."""
        heard, counts = self._source.of(rows.tolist())
        self._note(heard.usage, len(rows))
        logits = self.model.logits(heard.vectors, counts)
        targets = self._labelled.targets[rows.to(self._labelled.targets.device)]
        return self._task.losses(logits, fitting(targets, logits)).mean() + heard.auxiliary

    def usage(self) -> Mapping[str, tuple[float, ...]]:
        """Shares sum to one where experts are mixed."""
        found = {name: tuple((shares / shares.sum().clamp(min=1e-9)).tolist()) for name, shares in self._heard.items()}
        self._heard = {}
        return found

    def _note(self, usage: Mapping[str, Tensor], count: int) -> None:
        for name, shares in usage.items():
            self._heard[name] = self._heard.get(name, torch.zeros_like(shares)) + shares * count

    def rank(self) -> tuple[float, float] | None:
        """Of the selection split, batch by batch."""
        if self._selection is None:
            return None
        source = self._read_outs(self.model, self._selection.passes)
        logits = all_logits(self.model, source, len(self._selection.passes), self._batch).logits
        return ranked(self._task, logits, self._selection.targets)

    @torch.no_grad()
    def final_loss(self) -> float:
        """Over one batch."""
        return float(self.loss(torch.arange(min(self.items, self._batch))))

    def view(self, previous: Path | None, generator: Generator) -> TrainingView:
        """None: a spec with regularizers and towers is refused."""
        raise DataError("regularizers: they look at trainings on features; remove them, or the adapter inside towers")


class PairLearner(LayerLearner):
    """Learns which texts belong to which images."""

    def __init__(
        self, model: LayeredModel, task: PairTask, labelled: Pairs, selection: Pairs | None, batch: int
    ) -> None:
        self.model = model
        self.items = len(labelled.passes)
        self._task, self._batch = task, batch
        self._pairs, self._held_out, self._heard = labelled, selection, {}

    def fit(self) -> None:
        """There is no head."""

    def loss(self, rows: Tensor) -> Tensor:
        """Of the batch's images with its texts, apart; with ``joint`` that of the pairs is added."""
        scored = [self._pairs.apart(self.model, rows.tolist())]
        if self._pairs.spec.joint:
            scored.append(self._pairs.together(self.model, rows.tolist()))
        losses = [self._task.losses(one.scores, one.relevant).mean() + one.auxiliary for one in scored]
        return torch.stack(losses).sum()

    def rank(self) -> tuple[float, float] | None:
        """Of all images with all texts of the selection split."""
        if self._held_out is None:
            return None
        scored = self._held_out.all_scores(self.model, self._batch)
        return ranked(self._task, scored.scores, scored.relevant)


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model says of items."""

    logits: Tensor
    #: ``meeting.stream`` to the mean share [E] of each expert over the items.
    usage: Mapping[str, Tensor]


@torch.no_grad()
def all_logits(model: LayeredModel, source: ReadOuts, count: int, batch: int) -> Answers:
    """Logits of items 0 to ``count``, without gradients."""
    parts, usage = [], dict[str, Tensor]()
    for rows in batches(count, batch):
        heard, counts = source.of(rows)
        parts.append(model.logits(heard.vectors, counts))
        for name, shares in heard.usage.items():
            usage[name] = usage.get(name, torch.zeros_like(shares)) + shares * (len(rows) / count)
    if parts[0].ndim == 3:  # passes: as many as the longest item has
        width = max(part.shape[1] for part in parts)
        parts = [torch.nn.functional.pad(part, (0, 0, 0, width - part.shape[1])) for part in parts]
    return Answers(torch.cat(parts), usage)


def ranked(task: Task, logits: Tensor, targets: Tensor) -> tuple[float, float]:
    """Primary metric and negative loss; minus infinity where the loss is not finite."""
    targets = fitting(targets, logits)
    with torch.no_grad():
        loss = float(task.losses(logits, targets).mean())
    metric = task.metrics(logits, targets)[task.primary]
    return (metric, -loss) if math.isfinite(loss) else (-math.inf, -math.inf)


def fitting(targets: Tensor, logits: Tensor) -> Tensor:
    """Targets a pass [N, S] without the passes that no item of these logits [N, S', C] has."""
    return targets[:, : logits.shape[1]] if logits.ndim == 3 else targets


def batches(count: int, size: int) -> Iterator[list[int]]:
    """The rows 0 to ``count``."""
    for start in range(0, count, size):
        yield list(range(start, min(start + size, count)))
