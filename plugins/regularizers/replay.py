"""Experience replay: a small memory of labelled items of earlier tasks."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import zip_longest

import torch
from torch import Tensor, nn

from ...core.data.items import Item
from ...core.roles import Regularizer, TrainingView
from .specs import ReplaySpec


class Replay(Regularizer):
    """Remembered items join the labelled ones (Robins 1995; Chaudhry et al. 2019); it has no penalty."""

    def __init__(self, spec: ReplaySpec) -> None:
        self.spec = spec

    def start(self, view: TrainingView) -> None:
        """Nothing: its items are labelled ones by then."""

    def penalty(self, parameters: Mapping[str, nn.Parameter]) -> Tensor:
        """Zero."""
        return torch.zeros((), device=next(iter(parameters.values())).device)

    def remember(self, memory: Sequence[Item], labelled: Sequence[Item], seed: int) -> Sequence[Item]:
        """The first of each class, then the second of each, and so on, until the memory is full.

        A class's order is drawn by sha256 of seed and id: the same on every machine, and what it keeps of fewer items
        is among what it kept of more.
        """
        classes: dict[object, list[Item]] = defaultdict(list)
        for item in (*memory, *labelled):
            classes[item.target].append(item)
        ordered = [sorted(one, key=lambda item: _drawn(seed, item)) for one in classes.values()]
        rounds = [item for one in zip_longest(*ordered) for item in one if item is not None]
        return rounds[: self.spec.memory]


def _drawn(seed: int, item: Item) -> bytes:
    return hashlib.sha256(f"replay {seed}:{item.id}".encode()).digest()
