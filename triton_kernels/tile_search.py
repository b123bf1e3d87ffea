"""Pairs of rows above a threshold: float32 products of tiles screen, the exact cosine decides what is close."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

import torch
from torch import Tensor

from .cosines import cosine_block, cosine_pairs, screening_error, unit_rows
from .sparse_graph import SparseGraph, from_pairs

STRIPE = 16
"""Tiles a task takes: enough to hide its overhead, few enough to share out a short row of tiles."""
PAIRS = 1024
"""Pairs of rows compared at once where single cosines are recomputed: some MB at the usual widths."""


@dataclass(frozen=True)
class TileSearch:
    """One call's inputs: the rows as given, and as float32 unit rows to screen with."""

    x: Tensor
    y: Tensor
    unit_x: Tensor
    unit_y: Tensor
    threshold: float
    tile: int
    symmetric: bool

    @classmethod
    def over(cls, x: Tensor, y: Tensor | None, threshold: float, tile: int, pool: Executor) -> TileSearch:
        """Normalise the rows, in the workers; raises ValueError at NaN or inf."""
        unit_x = _unit_rows("x", x, tile, pool)
        unit_y = unit_x if y is None else _unit_rows("y", y, tile, pool)
        rounded = float(unit_x.new_tensor(threshold))
        return cls(x, x if y is None else y, unit_x, unit_y, rounded, tile, symmetric=y is None)

    @property
    def error(self) -> float:
        """How far a screened cosine can be off."""
        return screening_error(self.x.shape[1])

    def stripe(self, start: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """The edges of a few tiles side by side: int64 keys row * M + col, and float32 cosines."""
        i, first = start
        product = self.unit_x.new_empty(self.tile * self.tile)
        mask = torch.zeros(len(product) + 8, dtype=torch.bool, device=product.device)
        stop = min(first + STRIPE * self.tile, len(self.y))
        found = [self._screen(i, j, product, mask) for j in range(first, stop, self.tile)]
        row, col, cosine = (torch.cat(parts) for parts in zip(*found, strict=True))
        self._decide(row, col, cosine)
        keep = cosine >= self.threshold
        return (row * len(self.y) + col)[keep], cosine[keep].clamp_(-1, 1)

    def _screen(self, i: int, j: int, product: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The pairs of one tile that can reach the threshold: rows, columns, screened cosines."""
        left, right = self.unit_x[i : i + self.tile], self.unit_y[j : j + self.tile]
        product = product[: len(left) * len(right)]
        torch.mm(left, right.T, out=product.view(len(left), len(right)))
        hits = _where_at_least(product, self.threshold - self.error, mask)
        row, col = hits // len(right) + i, hits % len(right) + j
        if self.symmetric and i == j:
            upper = row < col
            row, col, hits = row[upper], col[upper], hits[upper]
        return row, col, product[hits]

    def _decide(self, row: Tensor, col: Tensor, cosine: Tensor) -> None:
        """Put the exact cosine where the screened one is too close to the threshold to tell."""
        near = (cosine < self.threshold + self.error).nonzero().squeeze(1)
        if len(near):  # one product of the rows concerned: never much dearer than the stripe's own, however many ties
            rows, r = torch.unique(row[near], return_inverse=True)
            cols, c = torch.unique(col[near], return_inverse=True)
            cosine[near] = cosine_block(self.x[rows], self.y[cols])[r, c]

    def exact(self, pool: Executor, row: Tensor, col: Tensor) -> Tensor:
        """float32 [E]: the exact cosines of the given edges."""
        chunks = pool.map(
            lambda r, c: cosine_pairs(self.x[r], self.y[c]), torch.split(row, PAIRS), torch.split(col, PAIRS)
        )
        return torch.cat([self.unit_x.new_empty(0), *chunks])

    def graph(self, pool: Executor) -> SparseGraph:
        """All edges, with their cosines as weights."""
        n, m, tile = len(self.x), len(self.y), self.tile
        starts = [(i, j) for i in range(0, n, tile) for j in range(i if self.symmetric else 0, m, STRIPE * tile)]
        found = list(pool.map(self.stripe, starts))
        key = torch.cat([self.x.new_empty(0, dtype=torch.int64), *(keys for keys, _ in found)])
        cosine = torch.cat([self.unit_x.new_empty(0), *(cosines for _, cosines in found)])
        row, col = key // max(m, 1), key % max(m, 1)
        if self.symmetric:  # each pair was computed once, so both of its edges carry the same bits
            row, col, cosine = torch.cat((row, col)), torch.cat((col, row)), cosine.repeat(2)
        return from_pairs(row, col, cosine, n, m, symmetric=self.symmetric)


def _where_at_least(values: Tensor, bound: float, mask: Tensor) -> Tensor:
    """int64: the places in values [n] that reach the bound; mask is room for n + 8 bools.

    Few places do, and `nonzero` looks at every one: it first looks at eight at a time, read as one integer.
    """
    n = len(values)
    torch.ge(values, bound, out=mask[:n])
    mask[n : n + 8] = False
    eights = mask[: (n + 7) // 8 * 8].view(torch.int64).nonzero()
    which, place = mask[: (n + 7) // 8 * 8].view(-1, 8)[eights.squeeze(1)].nonzero(as_tuple=True)
    return eights[which, 0] * 8 + place


def _unit_rows(name: str, x: Tensor, tile: int, pool: Executor) -> Tensor:
    unit = torch.empty_like(x, dtype=torch.float32, memory_format=torch.contiguous_format)

    def fill(start: int) -> None:
        unit[start : start + tile] = unit_rows(x[start : start + tile])

    list(pool.map(fill, range(0, len(x), tile)))
    bad = (~unit.isfinite().all(1)).nonzero()
    if len(bad):
        raise ValueError(f"{name} has NaN or inf in {len(bad)} rows, first in row {bad[0].item()}: drop or repair them")
    return unit
