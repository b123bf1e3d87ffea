"""The vectors of one call: as given, and as float32 unit rows to screen with."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property

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
    symmetric: bool
    made: tuple[Tensor, Tensor] | None = None
    """The rows at length 1, where they were made beforehand."""

    @classmethod
    def of(cls, x: Tensor, y: Tensor | None, pool: Executor) -> Vectors:
        """Normalise the rows, in the workers; raises ValueError at NaN or inf."""
        unit_x = _unit_rows("x", x, pool)
        unit_y = unit_x if y is None else _unit_rows("y", y, pool)
        return cls(x, x if y is None else y, y is None, (unit_x, unit_y))

    @cached_property
    def unit_x(self) -> Tensor:
        """float32 [N, D]: x at length 1; raises ValueError at NaN or inf."""
        return self.made[0] if self.made else _refused("x", unit_rows(self.x).float())

    @cached_property
    def unit_y(self) -> Tensor:
        """float32 [M, D]: y at length 1; raises ValueError at NaN or inf."""
        if self.symmetric:
            return self.unit_x
        return self.made[1] if self.made else _refused("y", unit_rows(self.y).float())

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
        return torch.cat([self.x.new_empty(0, dtype=torch.float32), *chunks])


def _unit_rows(name: str, x: Tensor, pool: Executor) -> Tensor:
    unit = torch.empty_like(x, dtype=torch.float32, memory_format=torch.contiguous_format)

    sums = unit.new_empty(len(unit))

    def fill(start: int) -> None:
        rows = unit_rows(x[start : start + CHUNK])
        unit[start : start + CHUNK] = rows
        sums[start : start + CHUNK] = rows.sum(1)  # NaN where the row is

    list(pool.map(fill, range(0, len(x), CHUNK)))
    return _refused(name, unit, sums)


def _refused(name: str, unit: Tensor, sums: Tensor | None = None) -> Tensor:
    bad = (unit.sum(1) if sums is None else sums).isnan().nonzero()
    if len(bad):
        refuse_rows(name, len(bad), int(bad[0]))
    return unit


def refuse_rows(name: str, count: int, first: int) -> None:
    """Raise ValueError for rows that are not finite."""
    raise ValueError(f"{name} has NaN or inf in {count} rows, first in row {first}: drop or repair them")
