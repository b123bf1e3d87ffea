"""Where a graph's edges are, and what follows from that alone: compact indices, the transpose and its permutation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .csr import rowptr_of, rows_of

INT32 = 2**31 - 2**12
"""So many edges and nodes are counted in int32, and a kernel may step a little beyond the last."""


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
    _made: dict[str, Tensor] = field(default_factory=dict)

    @property
    def row(self) -> Tensor:
        """int64 [E]: the receiving node of each edge."""
        return self._once("row", lambda: rows_of(self.rowptr, self.col.numel()))

    @property
    def compact(self) -> tuple[Tensor, Tensor]:
        """rowptr and col, in int32 where they fit: half the memory traffic of message passing."""
        dtype = torch.int32 if max(self.col.numel(), self.num_cols) < INT32 else torch.int64
        rowptr = self._once("compact_rowptr", lambda: self.rowptr.to(dtype))
        return rowptr, self._once("compact_col", lambda: self.col.to(dtype))

    @property
    def compact_row(self) -> Tensor:
        """`row` in the integers of `compact`."""
        return self._once("compact_row", lambda: self.row.to(self.compact[1].dtype))

    @property
    def order(self) -> Tensor:
        """int64 [E]: which edge of this structure each edge of the transpose is."""
        # stable: rows stay ascending inside each column
        return self._once("order", lambda: self.col.argsort(stable=True))

    def _once(self, name: str, make: Callable[[], Tensor]) -> Tensor:
        """What was made before under that name. Not functools': torch.compile cannot enter its lock on Python 3.11."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def transpose(self) -> Structure:
        """Senders and receivers exchanged; its transpose is this one."""
        if not self._transpose:
            rowptr = rowptr_of(self.col, self.num_cols)
            other = Structure(rowptr, self.row[self.order], len(self.rowptr) - 1, [self])
            inverse = torch.empty_like(self.order)
            inverse[self.order] = torch.arange(len(self.order), device=self.order.device)
            other._made["order"] = inverse
            self._transpose.append(other)
        return self._transpose[0]
