"""K1 on a GPU: rows at length 1, a screen that leaves bits, their columns, their cosines in float64, sparse rows.

Twelve launches and two looks from the host: how many pairs passed, how many edges there are. A band of rows is
screened at a time, so that the bits take bounded memory; there is one band up to some 100,000 rows. Nothing depends on
the order in which programs run.

What the host takes is most of the time of a small graph. There is room for all of its pairs, so how many passed is not
asked, and a symmetric one is found from both sides, so nothing is mirrored or sorted: ten launches and one look. Both
sides have the same bits, for they multiply the same numbers in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

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
SMALL = 1 << 25
"""Where columns and cosines of all pairs take no more bytes, room for all is taken: 2,048 x 2,048 rows."""
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
        return self.zeros.shape[0] // 2 - 4

    @cached_property
    def offset(self) -> Tensor:
        """int64 [N + 1]: where each row's pairs begin; the last number is how many there are."""
        return self.zeros[: self.rows + 1]

    @cached_property
    def facts(self) -> Tensor:
        """int32 [12]: the bits of int8's radius; at 2 (x) and 6 (y) how many rows are not finite; two behind each of
        these, 2^31 - 1 less the first such row."""
        return self.zeros[self.rows + 1 : self.rows + 7].view(torch.int32)

    @cached_property
    def many(self) -> Tensor:
        """int32 [2, N + 1]: behind a 0, each row's edges, and those that mirror others."""
        return self.zeros[self.rows + 7 :].view(torch.int32).view(2, -1)

    def pairs(self) -> int:
        """How many pairs passed in the last band; raises ValueError where a row was not finite."""
        return _refused_or(*self.zeros[self.rows : self.rows + 7].tolist())

    def edges(self, last: Tensor) -> int:
        """The number in `last`, int64 []; raises ValueError where a row was not finite."""
        return _refused_or(*torch.cat((last[None], self.zeros[self.rows + 1 : self.rows + 7])).tolist())


def _refused_or(number: int, radius: int, *found: int) -> int:
    for name, bad, first in (("x", found[0], found[1]), ("y", found[2], found[3])):
        if bad:
            refuse_rows(name, bad, 2**31 - 1 - first)
    return number


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
    n, m = x.shape[0], y.shape[0]
    meta = configuration("screen", str(x.shape[1]), {"INTEGER": 0, **defaults(_has_tma(x))}, x.device) | CUT
    integer = bool(meta.pop("INTEGER")) and threshold >= INTEGER_FROM
    dtype = torch.int8 if integer else torch.float16
    how = f"triton, {'int8' if integer else 'float16'}{' by TMA' if meta['TMA'] else ''}"
    if n == 0 or m == 0:
        empty = x.new_empty(0, dtype=torch.int64)
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
    small = 8 * n * m <= min(SMALL, room)
    half = vectors.symmetric and not small
    col = _passed((left, right), (x_scale, y_scale), counts, bound, half, None if small else room, meta)
    many = counts.many if half else counts.many[:1]
    loops = half or not vectors.symmetric
    cosine = verified(x, y, (x_inverse, y_inverse), counts.offset, col, threshold, many, loops)
    rowptr, col, weight = assembled(counts.offset, col, cosine, many, counts.edges if small else int)
    return SparseGraph(rowptr, col, weight, n, m, vectors.symmetric, Search(threshold, how))


def _passed(
    low: tuple[Tensor, Tensor], scales: tuple[Tensor, Tensor], counts: Room, bound: float, half: bool,
    room: int | None, meta: dict[str, int],
) -> Tensor:  # fmt: skip
    """int32: the columns of the pairs that can reach the threshold, rows and columns rising; with `half` those above
    the diagonal. Where each row's begin goes to counts.offset. Without a `room` for bits nothing is read, and behind
    the columns there is what could have been others."""
    n, m = low[0].shape[0], low[1].shape[0]
    tile, offset, radius = meta["BN"], counts.offset, counts.facts[:1].view(torch.float32)
    band = n if room is None else max(1, room // (m // 8 + 1) // BAND) * BAND
    count = torch.empty(n, dtype=torch.int32, device=offset.device)
    parts: list[Tensor] = []
    before = 0
    for row0 in range(0, n, band):
        stop = min(row0 + band, n)
        col0 = row0 if half else 0
        words = cdiv(m - col0, tile) * tile // 32  # every word is in some tile
        mask = torch.empty(stop - row0, words, dtype=torch.int32, device=offset.device)
        screen(low, scales, radius, bound, half, mask, row0, col0, meta)
        count_bits(mask, count[row0:stop], half, tile)
        here = offset[row0 : stop + 1]
        torch.cumsum(count[row0:stop], 0, dtype=torch.int64, out=here[1:])
        total = n * m if room is None else counts.pairs() if stop == n else int(here[-1])
        parts.append(torch.empty(total, dtype=torch.int32, device=offset.device))
        if total:
            fill(mask, here, parts[-1], col0, half, tile)
        if before:
            here[1:] += before
        before += total
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _exact(x: Tensor) -> Tensor:
    """Contiguous rows whose squares a float64 holds."""
    return (unit_rows(x) if x.dtype == torch.float64 else x).contiguous()


def _has_tma(x: Tensor) -> bool:
    return x.is_cuda and torch.cuda.get_device_capability(x.device) >= (9, 0)
