"""All pairs of rows above a threshold on a CPU: tiles of a screen's products, a worker a core."""

from __future__ import annotations

import struct
from concurrent.futures import Executor
from dataclasses import dataclass

import torch
from torch import Tensor

from ..message_passing.sddmm import pair_products
from ..sparse.sparse_graph import SparseGraph, from_pairs
from .cosines import cosine_block
from .screens import Screen
from .vectors import Vectors

STRIPE = 16
"""Tiles a task takes: enough to hide its overhead, few enough to share out a short row of tiles."""


@dataclass(frozen=True)
class TileSearch:
    """One search: upper-triangle tiles of a symmetric graph, all tiles of a bipartite one."""

    vectors: Vectors
    screen: Screen
    threshold: float
    """A float32 number."""
    tile: int

    def graph(self, pool: Executor) -> SparseGraph:
        """All edges, with their cosines as weights."""
        n, m, tile, symmetric = len(self.vectors.x), len(self.vectors.y), self.tile, self.vectors.symmetric
        starts = [(i, j) for i in range(0, n, tile) for j in range(i if symmetric else 0, m, STRIPE * tile)]
        found = list(pool.map(self._stripe, starts))
        key = torch.cat([self.vectors.x.new_empty(0, dtype=torch.int64), *(keys for keys, _ in found)])
        cosine = torch.cat([self.vectors.unit_x.new_empty(0), *(cosines for _, cosines in found)])
        return graph_of_keys(key, cosine, n, m, symmetric)

    def _stripe(self, start: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """The edges of a few tiles side by side: int64 keys row * M + col, and float32 cosines."""
        i, first = start
        room = _Room.of(self.screen, self.tile)
        stop = min(first + STRIPE * self.tile, len(self.vectors.y))
        found = [self._screened(i, j, room) for j in range(first, stop, self.tile)]
        row, col, cosine = (torch.cat(parts) for parts in zip(*found, strict=True))
        keep = decide(self.vectors, row, col, cosine, self.threshold)
        return (row * len(self.vectors.y) + col)[keep], cosine[keep].clamp_(-1, 1)

    def _screened(self, i: int, j: int, room: _Room) -> tuple[Tensor, Tensor, Tensor]:
        """The pairs of one tile that can reach the threshold: rows, columns, their float32 cosines."""
        left, right = self.screen.left[i : i + self.tile], self.screen.right[j : j + self.tile]
        product = room.product[: len(left) * len(right)]
        torch.mm(left, right.T, out=product.view(len(left), len(right)))
        hits = _where_at_least(product, self.threshold - self.screen.slack, room.mask)
        row, col = hits // len(right) + i, hits % len(right) + j
        if self.vectors.symmetric and i == j:
            upper = row < col
            row, col, hits = row[upper], col[upper], hits[upper]
        if self.screen.name == "float32":
            return row, col, product[hits]
        # tile by tile, while the rows concerned are in the cache
        return row, col, pair_products(self.vectors.unit_x, self.vectors.unit_y, row, col)


@dataclass(frozen=True)
class _Room:
    """What a task writes its tiles into."""

    product: Tensor
    mask: Tensor

    @classmethod
    def of(cls, screen: Screen, tile: int) -> _Room:
        product = screen.left.new_empty(tile * tile)
        return cls(product, torch.zeros(len(product) + 8, dtype=torch.bool, device=product.device))


def decide(vectors: Vectors, row: Tensor, col: Tensor, cosine: Tensor, threshold: float) -> Tensor:
    """bool [E]: which pairs are edges; a float32 cosine too close to the threshold to tell becomes the exact one."""
    near = ((cosine - threshold).abs() <= vectors.error).nonzero().squeeze(1)
    if len(near):  # one product of the rows concerned: never much dearer than the tiles' own, however many ties
        rows, r = torch.unique(row[near], return_inverse=True)
        cols, c = torch.unique(col[near], return_inverse=True)
        cosine[near] = cosine_block(vectors.x[rows], vectors.y[cols])[r, c]
    return cosine >= threshold


def graph_of_keys(key: Tensor, cosine: Tensor, n: int, m: int, symmetric: bool) -> SparseGraph:
    """A graph [n, m] from int64 keys row * m + col; of a symmetric graph each pair is given once."""
    row, col = key // max(m, 1), key % max(m, 1)
    if symmetric:  # each pair was computed once, so both of its edges carry the same bits
        row, col, cosine = torch.cat((row, col)), torch.cat((col, row)), cosine.repeat(2)
    return from_pairs(row, col, cosine, n, m, symmetric=symmetric)


def _where_at_least(values: Tensor, bound: float, mask: Tensor) -> Tensor:
    """int64: the places in values [n] that reach the bound; mask is room for n + 8 bools.

    Few places do, and `nonzero` looks at every one: it first looks at eight at a time, read as one integer.
    """
    n = len(values)
    if values.dtype == torch.bfloat16 and bound > 0:  # positive floats rise like their bits; as integers, twice as fast
        bits = struct.unpack(">H", struct.pack(">f", bound)[:2])[0]
        torch.ge(values.view(torch.int16), bits, out=mask[:n])
    else:
        torch.ge(values, bound, out=mask[:n])
    mask[n : n + 8] = False
    eights = mask[: (n + 7) // 8 * 8].view(torch.int64).nonzero()
    which, place = mask[: (n + 7) // 8 * 8].view(-1, 8)[eights.squeeze(1)].nonzero(as_tuple=True)
    return eights[which, 0] * 8 + place
