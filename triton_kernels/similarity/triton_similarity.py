"""K1 on a GPU: rows at length 1, a screen that leaves bits, their columns, their cosines in float64, sparse rows.

Twelve launches and two looks from the host: how many pairs passed, how many edges there are. A band of rows is
screened at a time, so that the bits take bounded memory; there is one band up to some 100,000 rows. Nothing depends on
the order in which programs run.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..configurations import cdiv, configuration
from ..sparse.sparse_graph import Search, SparseGraph
from .cosines import unit_rows
from .triton_compact import count_bits, fill
from .triton_rows import low_rows
from .triton_screen import defaults, float16_slack, screen
from .triton_verify import assembled, verified
from .vectors import Vectors, refuse_rows

ROOM = 1 << 31
"""Bytes of bits at a time, at most."""
LEAST = 1 << 24
"""Where memory runs out, bands shrink down to so many bytes."""
BAND = 1024
"""Rows of a band are a multiple of these."""
CUT: dict[str, int] = {}
"""Over what a card's configuration says; a tournament of configurations sets it."""
INTEGER_FROM = 0.05
"""Below this threshold int8's bound says little."""


@dataclass(frozen=True)
class Room:
    """What is counted, zeroed by one launch, and laid out so that one look reads the last offset and the facts."""

    zeros: Tensor
    """int64 [2 N + 8]."""

    @classmethod
    def of(cls, rows: int, device: torch.device) -> Room:
        """For a graph of so many rows."""
        return cls(torch.zeros(2 * rows + 8, dtype=torch.int64, device=device))

    @property
    def rows(self) -> int:
        """N."""
        return len(self.zeros) // 2 - 4

    @property
    def offset(self) -> Tensor:
        """int64 [N + 1]: where each row's pairs begin; the last number is how many there are."""
        return self.zeros[: self.rows + 1]

    @property
    def facts(self) -> Tensor:
        """int32 [12]: the bits of int8's radius; at 2 (x) and 6 (y) how many rows are not finite; two behind each of
        these, 2^31 - 1 less the first such row."""
        return self.zeros[self.rows + 1 : self.rows + 7].view(torch.int32)

    @property
    def many(self) -> Tensor:
        """int32 [2, N + 1]: behind a 0, each row's edges, and those that mirror others."""
        return self.zeros[self.rows + 7 :].view(torch.int32).view(2, -1)

    def pairs(self) -> int:
        """How many pairs passed in the last band; raises ValueError where a row was not finite."""
        total, _, *found = self.zeros[self.rows : self.rows + 7].tolist()
        for name, bad, first in (("x", *found[0:2]), ("y", *found[2:4])):
            if bad:
                refuse_rows(name, bad, 2**31 - 1 - first)
        return int(total)


def search(vectors: Vectors, threshold: float, room: int = ROOM) -> SparseGraph:
    """All edges, with their exact cosines as weights: what `TileSearch.graph` gives on a CPU.

    Where memory runs out the bands shrink; raises torch's error when that does not help.
    """
    while True:
        try:
            return _searched(vectors, threshold, room)
        except torch.OutOfMemoryError:
            if room <= LEAST:
                raise
            room //= 8


def _searched(vectors: Vectors, threshold: float, room: int) -> SparseGraph:
    x = _exact(vectors.x)
    y = x if vectors.symmetric else _exact(vectors.y)
    n, m = len(x), len(y)
    meta = configuration("screen", str(x.shape[1]), {"INTEGER": 0, **defaults(_has_tma(x))}, x.device) | CUT
    integer = bool(meta.pop("INTEGER")) and threshold >= INTEGER_FROM
    dtype = torch.int8 if integer else torch.float16
    how = f"triton, {'int8' if integer else 'float16'}{' by TMA' if meta['TMA'] else ''}"
    empty = x.new_empty(0, dtype=torch.int64)
    if n == 0 or m == 0:
        for name, rows in (("x", x), ("y", y)):
            if len(bad := (~rows.isfinite().all(1)).nonzero()):
                refuse_rows(name, len(bad), int(bad[0]))
        rowptr = empty.new_zeros(n + 1)
        return SparseGraph(rowptr, empty, x.new_empty(0).float(), n, m, vectors.symmetric, Search(threshold, how))
    counts = Room.of(n, x.device)
    left, x_inverse, x_scale = low_rows(x, dtype, counts.facts, 2)
    right, y_inverse, y_scale = left, x_inverse, x_scale
    if not vectors.symmetric:
        right, y_inverse, y_scale = low_rows(y, dtype, counts.facts, 6)
    bound = threshold - 1e-6 if integer else threshold - float16_slack(x.shape[1])
    col = _passed((left, right), (x_scale, y_scale), counts, bound, vectors.symmetric, room, meta)
    many = counts.many if vectors.symmetric else counts.many[:1]
    cosine = verified(x, y, (x_inverse, y_inverse), counts.offset, col, threshold, many)
    rowptr, col, weight = assembled(counts.offset, col, cosine, many)
    return SparseGraph(rowptr, col, weight, n, m, vectors.symmetric, Search(threshold, how))


def _passed(
    low: tuple[Tensor, Tensor], scales: tuple[Tensor, Tensor], counts: Room, bound: float, symmetric: bool, room: int,
    meta: dict[str, int],
) -> Tensor:  # fmt: skip
    """int32: the columns of the pairs that can reach the threshold, rows and columns rising; of a symmetric graph those
    above the diagonal. Where each row's begin goes to counts.offset."""
    n, m = (len(one) for one in low)
    tile, offset, radius = meta["BN"], counts.offset, counts.facts[:1].view(torch.float32)
    band = max(1, room // (m // 8 + 1) // BAND) * BAND
    count = torch.empty(n, dtype=torch.int32, device=offset.device)
    parts: list[Tensor] = []
    before = 0
    for row0 in range(0, n, band):
        stop = min(row0 + band, n)
        col0 = row0 if symmetric else 0
        words = cdiv(m - col0, tile) * tile // 32  # every word is in some tile
        mask = torch.empty(stop - row0, words, dtype=torch.int32, device=offset.device)
        screen(low, scales, radius, bound, symmetric, mask, row0, col0, meta)
        count_bits(mask, count[row0:stop], symmetric, tile)
        here = offset[row0 : stop + 1]
        torch.cumsum(count[row0:stop], 0, dtype=torch.int64, out=here[1:])
        total = counts.pairs() if stop == n else int(here[-1])
        parts.append(torch.empty(total, dtype=torch.int32, device=offset.device))
        if total:
            fill(mask, here, parts[-1], col0, symmetric, tile)
        if before:
            here[1:] += before
        before += total
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _exact(x: Tensor) -> Tensor:
    """Contiguous rows whose squares a float64 holds."""
    return (unit_rows(x) if x.dtype == torch.float64 else x).contiguous()


def _has_tma(x: Tensor) -> bool:
    return x.is_cuda and torch.cuda.get_device_capability(x.device) >= (9, 0)
