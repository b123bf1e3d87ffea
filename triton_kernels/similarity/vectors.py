"""The vectors of one call: as given, and as float32 unit rows to screen with."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

import torch
from torch import Tensor

from .cosines import cosine_pairs, screening_error, unit_rows

CHUNK = 512
"""Rows normalised at once, in float64: some MB at the usual widths."""
PAIRS = 1024
"""Pairs of rows compared at once where single cosines are recomputed."""


@dataclass(frozen=True)
class Vectors:
    """Rows x [N, D] against y [M, D]; y is x for a symmetric graph."""

    x: Tensor
    y: Tensor
    unit_x: Tensor
    """float32 [N, D]."""
    unit_y: Tensor
    """float32 [M, D]."""
    symmetric: bool

    @classmethod
    def of(cls, x: Tensor, y: Tensor | None, pool: Executor) -> Vectors:
        """Normalise the rows, in the workers; raises ValueError at NaN or inf."""
        unit_x = _unit_rows("x", x, pool)
        unit_y = unit_x if y is None else _unit_rows("y", y, pool)
        return cls(x, x if y is None else y, unit_x, unit_y, symmetric=y is None)

    @property
    def error(self) -> float:
        """How far a cosine from a float32 product can be off."""
        return screening_error(self.x.shape[1])

    @property
    def pairs(self) -> int:
        """How many edges there could be: both directions of a symmetric graph, no loops."""
        return len(self.x) * (len(self.x) - 1 if self.symmetric else len(self.y))

    def exact(self, pool: Executor, row: Tensor, col: Tensor) -> Tensor:
        """float32 [E]: the exact cosines of the given edges."""
        chunks = pool.map(
            lambda r, c: cosine_pairs(self.x[r], self.y[c]), torch.split(row, PAIRS), torch.split(col, PAIRS)
        )
        return torch.cat([self.unit_x.new_empty(0), *chunks])


def _unit_rows(name: str, x: Tensor, pool: Executor) -> Tensor:
    unit = torch.empty_like(x, dtype=torch.float32, memory_format=torch.contiguous_format)

    sums = unit.new_empty(len(unit))

    def fill(start: int) -> None:
        rows = unit_rows(x[start : start + CHUNK])
        unit[start : start + CHUNK] = rows
        sums[start : start + CHUNK] = rows.sum(1)  # NaN where the row is

    list(pool.map(fill, range(0, len(x), CHUNK)))
    bad = sums.isnan().nonzero()
    if len(bad):
        raise ValueError(f"{name} has NaN or inf in {len(bad)} rows, first in row {bad[0].item()}: drop or repair them")
    return unit
