"""Where a graph's edges are, and what follows from that alone: compact indices, the transpose and its permutation."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from .csr import rowptr_of, rows_of


@dataclass(eq=False)
class Structure:
    """Where a graph's edges are, without their weights; shared by all graphs with the same edges."""

    rowptr: Tensor
    """int64 [N + 1]."""
    col: Tensor
    """int64 [E]."""
    num_cols: int
    _transpose: list[Structure] = field(default_factory=list)
    """The transpose once it was asked for."""

    @cached_property
    def row(self) -> Tensor:
        """int64 [E]: the receiving node of each edge."""
        return rows_of(self.rowptr, self.col.numel())

    @cached_property
    def compact(self) -> tuple[Tensor, Tensor]:
        """rowptr and col, in int32 where they fit: half the memory traffic of message passing."""
        fits = max(self.col.numel(), self.num_cols) < 2**31
        return (self.rowptr.int(), self.col.int()) if fits else (self.rowptr, self.col)

    @cached_property
    def compact_row(self) -> Tensor:
        """`row` in the integers of `compact`."""
        return self.row.to(self.compact[1].dtype)

    @cached_property
    def order(self) -> Tensor:
        """int64 [E]: which edge of this structure each edge of the transpose is."""
        return self.col.argsort(stable=True)  # stable: rows stay ascending inside each column

    def transpose(self) -> Structure:
        """Senders and receivers exchanged; its transpose is this one."""
        if not self._transpose:
            rowptr = rowptr_of(self.col, self.num_cols)
            other = Structure(rowptr, self.row[self.order], len(self.rowptr) - 1, [self])
            other.order = torch.empty_like(self.order)
            other.order[self.order] = torch.arange(len(self.order), device=self.order.device)
            self._transpose.append(other)
        return self._transpose[0]
