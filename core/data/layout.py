"""Several nodes an item: which rows are whose, and one vector an item read out of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from ...triton_kernels import SparseGraph, propagate

IMAGE, TEXT = 0, 1
Readout = Literal["mean", "concat"]


@dataclass(frozen=True)
class Layout:
    """Whose each node is, and of which modality. An item's nodes stand together."""

    #: int64 [N + 1]: item i's nodes are rows ``offsets[i]`` to ``offsets[i + 1]``.
    offsets: Tensor
    #: int64 [n]: ``IMAGE`` or ``TEXT``.
    kinds: Tensor

    @classmethod
    def pairs(cls, items: int, device: torch.device) -> Layout:
        """Of N items with two nodes each: image, text, image, text ..."""
        kinds = torch.tensor([IMAGE, TEXT], device=device).repeat(items)
        return cls(torch.arange(0, 2 * items + 1, 2, device=device), kinds)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def owner(self) -> Tensor:
        """int64 [n]: the item of each node."""
        return torch.arange(len(self), device=self.offsets.device).repeat_interleave(self.offsets.diff())

    @cached_property
    def members(self) -> SparseGraph:
        """[N, n]: an item hears its own nodes."""
        nodes = torch.arange(len(self.kinds), device=self.offsets.device)
        return SparseGraph(self.offsets, nodes, None, len(self), len(nodes))

    def rows_of(self, items: Tensor) -> Tensor:
        """int64: the nodes of those items, one item after the other."""
        lengths = self.offsets.diff()[items]
        starts = (self.offsets[items] - (lengths.cumsum(0) - lengths)).repeat_interleave(lengths)
        return starts + torch.arange(len(starts), device=starts.device)

    def select(self, items: Tensor) -> Layout:
        """Of those items alone."""
        lengths = self.offsets.diff()[items]
        return Layout(torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]), self.kinds[self.rows_of(items)])

    def joined(self, *others: Layout) -> Layout:
        """These items, then the other ones."""
        lengths = torch.cat([layout.offsets.diff() for layout in (self, *others)])
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        return Layout(offsets, torch.cat([layout.kinds for layout in (self, *others)]))

    def to(self, device: torch.device) -> Layout:
        """The same on another device."""
        return Layout(self.offsets.to(device), self.kinds.to(device))

    def edges_by_block(self, graph: SparseGraph) -> dict[str, int]:
        """Stored edges of ``graph`` [n, n] within images (``vv``), within texts (``tt``) and across (``vt``)."""
        block = self.kinds[graph.row] + self.kinds[graph.col]
        return {name: int((block == code).sum()) for code, name in enumerate(("vv", "vt", "tt"))}


def read_out(nodes: Tensor, layout: Layout, how: Readout) -> Tensor:
    """One vector an item of its node vectors [n, d]: their mean [N, d], or a pair side by side [N, 2d] over sqrt 2.

    The mean is a message from nodes to items, so it is differentiable and deterministic as messages are. An item
    without nodes gets zeros.
    """
    if how == "concat":
        return nodes.reshape(len(layout), 2 * nodes.shape[1]) / math.sqrt(2)
    return propagate(layout.members, nodes, norm="row")
