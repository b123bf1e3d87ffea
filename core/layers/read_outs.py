"""What towers give of items, and what a model says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from ..towers.prefix import Prefix
from ..training.predictor import padded
from .model import LayerModel
from .passes import Passes, ReadOut, joined_parts, most_passes


class Gathered(NamedTuple):
    """Of some items, a tree of dictionaries, tuples and tensors."""

    #: How many passes each item has.
    counts: tuple[int, ...]
    #: Tower to the keyword arguments of its forward; where nothing in it is trained to its read-outs, under ``""``.
    inputs: Mapping[str, Mapping[str, Tensor]]
    #: Tower to the ``Prefix`` that its blocks before the first adapter give, where that is known.
    prefixes: Mapping[str, tuple[Tensor, tuple[int, ...]]]


class ReadOuts:
    """What towers give of items: asked anew each time, or once where nothing inside them is trained."""

    def __init__(self, model: LayerModel, passes: Passes, batch: int) -> None:
        self._model, self._passes = model, passes
        self._counts = tuple(len(item.views()) for item in passes.items)
        self._stored: Mapping[str, Tensor] | None = None
        if model.keeps:
            with torch.no_grad():
                parts = [self._apart(rows).vectors for rows in batches(len(passes), batch)]
            self._stored = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        self._starts = [0, *accumulate(self._counts)]

    def of(self, rows: Sequence[int]) -> tuple[ReadOut, tuple[int, ...]]:
        """Of all passes of those items, and how many each has."""
        counts = tuple(self._counts[row] for row in rows)
        if self._stored is None and sum(counts) > most_passes():
            return self._apart(rows), counts
        return self.read(self.gathered(rows)), counts

    def _apart(self, rows: Sequence[int]) -> ReadOut:
        return joined_parts(map(self._model.run, self._passes.parts(rows, most_passes())))

    def gathered(self, rows: Sequence[int]) -> Gathered:
        """All that ``read`` needs of those items."""
        counts = tuple(self._counts[row] for row in rows)
        if self._stored is None:
            inputs = self._passes.batch(rows).inputs
            prefixes = {name: (one.state, one.forms) for name, one in self._model.prefixes_of(inputs).items()}
            return Gathered(counts, {name: dict(given or {}) for name, given in inputs.items()}, prefixes)
        which = torch.cat([torch.arange(self._starts[row], self._starts[row + 1]) for row in rows])
        return Gathered(counts, {name: {"": value[which.to(value.device)]} for name, value in self._stored.items()}, {})

    def read(self, gathered: Gathered) -> ReadOut:
        """Of what was gathered."""
        if self._stored is not None:
            return ReadOut({name: given[""] for name, given in gathered.inputs.items()})
        return self._model.run(gathered.inputs, {name: Prefix(*one) for name, one in gathered.prefixes.items()})


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model says of items."""

    logits: Tensor
    #: ``meeting.stream`` to the mean share [E] of each expert over the items.
    usage: Mapping[str, Tensor]


@torch.no_grad()
def all_logits(model: LayerModel, source: ReadOuts, count: int, batch: int) -> Answers:
    """Logits of items 0 to ``count``, without gradients."""
    parts, usage = [], dict[str, Tensor]()
    for rows in batches(count, batch):
        read_out, counts = source.of(rows)
        parts.append(model.logits(read_out.vectors, counts))
        for name, shares in read_out.usage.items():
            usage[name] = usage.get(name, torch.zeros_like(shares)) + shares * (len(rows) / count)
    return Answers(torch.cat(padded(parts)), usage)


def batches(count: int, size: int) -> Iterator[list[int]]:
    """The rows 0 to ``count``."""
    for start in range(0, count, size):
        yield list(range(start, min(start + size, count)))
