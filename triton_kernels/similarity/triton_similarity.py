"""K1 on a GPU: float16 tiles screen at tensor-core rate, survivors are verified in float32, ties in float64.

float16 rather than bfloat16: the rate is the same, unit rows fit its range, and its rounding moves a cosine by 0.001
where bfloat16's moves it by 0.008, so fewer pairs survive. The order in which programs reserve room differs from run to
run; the keys are unique and sorted afterwards, so the graph does not.
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..message_passing.triton_propagate import sddmm
from ..sparse.sparse_graph import SparseGraph
from .cosines import cosine_pairs
from .tile_search import graph_of_keys
from .vectors import Vectors

SMALL = 8192
"""Up to so many rows a first pass counts, so that room is exact; above, a pass costs more than room."""
ROOM = 48
"""Pairs a row that room is first reserved for; if it does not suffice, the pass runs again with what it counted."""
EXACT = 1 << 14
"""Pairs decided at once in float64."""


@triton.jit  # type: ignore[untyped-decorator]
def _survivors_kernel(  # type: ignore[no-untyped-def]
    left, right, keys, count, n, m, width, bound, room, tiles_i, tiles_j,
    SYMMETRIC: tl.constexpr, BLOCK: tl.constexpr, K: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """Reserve once a tile, then write its survivors' keys row * m + col."""
    program = tl.program_id(0).to(tl.int64)
    band = program // (GROUP * tiles_j)  # GROUP rows of tiles share the columns they read
    rows = tl.minimum(tiles_i - band * GROUP, GROUP)
    tile_i = band * GROUP + (program % (GROUP * tiles_j)) % rows
    tile_j = (program % (GROUP * tiles_j)) // rows
    if SYMMETRIC == 0 or tile_i <= tile_j:
        i, j = tile_i * BLOCK + tl.arange(0, BLOCK), tile_j * BLOCK + tl.arange(0, BLOCK)
        product = tl.zeros([BLOCK, BLOCK], dtype=tl.float32)
        start = 0
        while start < width:
            k = start + tl.arange(0, K)
            a = tl.load(left + i[:, None] * width + k[None, :], mask=(i < n)[:, None] & (k < width)[None, :], other=0)
            b = tl.load(right + j[None, :] * width + k[:, None], mask=(j < m)[None, :] & (k < width)[:, None], other=0)
            product = tl.dot(a, b, product)
            start += K
        hit = (product >= bound) & (i < n)[:, None] & (j < m)[None, :]
        if SYMMETRIC:
            hit = hit & (i[:, None] < j[None, :])
        hits = hit.to(tl.int32)
        in_row = tl.sum(hits, axis=1)
        total = tl.sum(in_row, axis=0)
        if total > 0:
            base = tl.atomic_add(count, total.to(tl.int64))
            place = base + (tl.cumsum(in_row, axis=0) - in_row)[:, None] + tl.cumsum(hits, axis=1) - hits
            tl.store(keys + place, i[:, None] * m + j[None, :], mask=hit & (place < room))


def float16_slack(width: int) -> float:
    """Both rows are rounded to 11 bits, entries under 2^-14 to 2^-25; float32 sums: 2 * 2^-11 + 2^-22 + the rest."""
    return 2.0**-10 + 2.0**-22 + 2.1 * 2.0**-25 * math.sqrt(width) + (width + 16) * 2.0**-23


def search(vectors: Vectors, threshold: float, block: int = 128) -> SparseGraph:
    """All edges, with their cosines as weights: what `TileSearch.graph` gives on a CPU."""
    n, m = len(vectors.x), len(vectors.y)
    key = _survivors(vectors, threshold, block).sort().values
    row, col = key // max(m, 1), key % max(m, 1)
    cosine = sddmm(row, col, vectors.unit_x, vectors.unit_y)
    near = ((cosine - threshold).abs() <= vectors.error).nonzero().squeeze(1)
    for edges in torch.split(near, EXACT):
        cosine[edges] = cosine_pairs(vectors.x[row[edges]], vectors.y[col[edges]])
    keep = cosine >= threshold
    return graph_of_keys(key[keep], cosine[keep].clamp_(-1, 1), n, m, vectors.symmetric)


def _survivors(vectors: Vectors, threshold: float, block: int) -> Tensor:
    """int64: the keys of all pairs that can reach the threshold, in no order."""
    left, right = vectors.unit_x.half(), vectors.unit_y.half()
    (n, width), m = left.shape, len(right)
    count = torch.zeros(1, dtype=torch.int64, device=left.device)
    if n == 0 or m == 0:
        return count[:0]
    tiles_i, tiles_j = triton.cdiv(n, block), triton.cdiv(m, block)
    room = 0 if n <= SMALL else ROOM * n
    while True:
        keys = torch.empty(max(room, 1), dtype=torch.int64, device=left.device)
        count.zero_()
        _survivors_kernel[(tiles_i * tiles_j,)](
            left, right, keys, count, n, m, width, threshold - float16_slack(width), room, tiles_i, tiles_j,
            SYMMETRIC=vectors.symmetric, BLOCK=block, K=max(16, min(64, triton.next_power_of_2(width))), GROUP=8,
        )  # fmt: skip
        found = int(count)
        if found <= room:
            return keys[:found]
        room = found
