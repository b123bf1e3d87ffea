"""From pairs that passed the screen to a graph: their cosines in float64, and compressed sparse rows.

Rows come in order, so what is sorted is only the mirrored half of a symmetric graph, by its row and stably.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..configurations import cdiv, next_power_of_2
from .cosines import ORTHOGONAL

CHUNK, EDGES, WARPS = 512, 4, 1
"""Features and edges that a program of the verification multiplies at once."""
TINY = tl.constexpr(ORTHOGONAL)


@triton.jit  # type: ignore[untyped-decorator]
def _verify_kernel(  # type: ignore[no-untyped-def]
    x, y, x_inverse, y_inverse, offset, col, cosine, kept, mirrored, threshold, width,
    MIRROR: tl.constexpr, LOOPS: tl.constexpr, CHUNK: tl.constexpr, EDGES: tl.constexpr,
):  # fmt: skip
    """The cosines of a row's pairs, rounded to float32; -2 where they miss the threshold, or are a row's own."""
    row = tl.program_id(0)
    edge, end = tl.load(offset + row), tl.load(offset + row + 1)
    many = 0
    inverse = tl.load(x_inverse + row)
    while edge < end:
        e = edge + tl.arange(0, EDGES)
        inside = e < end
        j = tl.load(col + e, mask=inside, other=0)
        product = tl.zeros([EDGES], dtype=tl.float64)
        for first in range(0, width, CHUNK):
            k = first + tl.arange(0, CHUNK)
            mine = tl.load(x + row.to(tl.int64) * width + k, mask=k < width, other=0).to(tl.float64)
            at = y + j.to(tl.int64)[:, None] * width + k[None, :]
            other = tl.load(at, mask=inside[:, None] & (k < width)[None, :], other=0).to(tl.float64)
            product += tl.sum(mine[None, :] * other, axis=1)
        product *= inverse * tl.load(y_inverse + j, mask=inside, other=0)
        value = tl.where(tl.abs(product) >= TINY, product, 0.0).to(tl.float32)
        keep = inside & (value >= threshold)
        if not LOOPS:
            keep = keep & (j != row)
        tl.store(cosine + e, tl.where(keep, tl.minimum(tl.maximum(value, -1.0), 1.0), -2.0), mask=inside)
        many += tl.sum(keep.to(tl.int32), axis=0)
        if MIRROR:
            tl.atomic_add(mirrored + 1 + j, 1, mask=keep)
        edge += EDGES
    tl.store(kept + 1 + row, many)


@triton.jit  # type: ignore[untyped-decorator]
def _place_kernel(  # type: ignore[no-untyped-def]
    offset, col, cosine, starts, out_col, out_weight, to, source, row_of, n, MIRROR: tl.constexpr, EDGES: tl.constexpr
):
    """A row's edges behind the mirrored ones; for those, what is mirrored: row to go to, place in out, row from.

    starts int64 [1 or 2, n + 1]: of what is kept, and of a symmetric graph of what is mirrored.
    """
    row = tl.program_id(0)
    edge, end = tl.load(offset + row), tl.load(offset + row + 1)
    packed = tl.load(starts + row)
    out = packed
    if MIRROR:
        out += tl.load(starts + n + 1 + row + 1)  # of this row and those before: mirrored edges stand in front
    while edge < end:
        e = edge + tl.arange(0, EDGES)
        j = tl.load(col + e, mask=e < end, other=0)
        value = tl.load(cosine + e, mask=e < end, other=-2)
        keep = value > -1.5
        one = keep.to(tl.int32)
        rank = tl.cumsum(one, axis=0) - one
        tl.store(out_col + out + rank, j.to(tl.int64), mask=keep)
        tl.store(out_weight + out + rank, value, mask=keep)
        if MIRROR:
            tl.store(to + packed + rank, j, mask=keep)
            tl.store(source + packed + rank, out + rank, mask=keep)
            tl.store(row_of + packed + rank, j * 0 + row, mask=keep)
        total = tl.sum(one, axis=0)
        packed += total
        out += total
        edge += EDGES


@triton.jit(do_not_specialize=["half"])  # type: ignore[untyped-decorator]
def _mirror_kernel(  # type: ignore[no-untyped-def]
    to, order, source, row_of, starts, out_col, out_weight, half, BLOCK: tl.constexpr
):
    """Mirrored edges, sorted by row: row `to` hears row_of[order]."""
    e = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = e < half
    row = tl.load(to + e, mask=here, other=0).to(tl.int64)
    which = tl.load(order + e, mask=here, other=0)
    at = tl.load(starts + row, mask=here, other=0) + e  # the place among all mirrored ones counts those of rows before
    value = tl.load(out_weight + tl.load(source + which, mask=here, other=0), mask=here, other=0)
    tl.store(out_col + at, tl.load(row_of + which, mask=here, other=0).to(tl.int64), mask=here)
    tl.store(out_weight + at, value, mask=here)


def verified(
    x: Tensor, y: Tensor, inverses: tuple[Tensor, Tensor], offset: Tensor, col: Tensor, threshold: float, many: Tensor,
    loops: bool = True,
) -> Tensor:  # fmt: skip
    """Cosines float32 [pairs], -2 of what is no edge; `many` int32 [1 or 2, N + 1], zeros, becomes each row's edges,
    and those that mirror others. Without `loops` no row is an edge to the row of its own number.

    x and y are contiguous and floating, one width; offset int64 [N + 1] and col int32 say which pairs.
    """
    n, width = x.shape
    cosine = torch.empty(col.shape[0], dtype=torch.float32, device=x.device)
    chunk = min(CHUNK, next_power_of_2(width))
    _verify_kernel[(n,)](
        x, y, *inverses, offset, col, cosine, many[0], many[-1], threshold, width,
        MIRROR=many.shape[0] == 2, LOOPS=loops, CHUNK=chunk, EDGES=EDGES, num_warps=WARPS,
    )  # fmt: skip
    return cosine


def assembled(
    offset: Tensor, col: Tensor, cosine: Tensor, many: Tensor, read: Callable[[Tensor], int] = int
) -> tuple[Tensor, Tensor, Tensor]:
    """rowptr int64 [N + 1], col int64 and weight float32 [E] of the graph; reads how many edges there are."""
    starts = many.cumsum(1, dtype=torch.int64)
    rowptr = starts[0] + starts[1] if many.shape[0] == 2 else starts[0]
    return rowptr, *launch_rows(offset, col, cosine, starts, read(rowptr[-1]))


def launch_rows(offset: Tensor, col: Tensor, cosine: Tensor, starts: Tensor, edges: int) -> tuple[Tensor, Tensor]:
    """col int64 and weight float32 [E] of the graph; starts int64 [1 or 2, N + 1]."""
    n, mirror = starts.shape[1] - 1, starts.shape[0] == 2
    out_col = torch.empty(edges, dtype=torch.int64, device=col.device)
    weight = torch.empty(edges, dtype=torch.float32, device=col.device)
    half = edges // 2 if mirror else 0
    to = row_of = source = out_col  # not looked at where nothing is mirrored
    if half:
        to, row_of = torch.empty(2, half, dtype=torch.int32, device=col.device)
        source = torch.empty(half, dtype=torch.int64, device=col.device)
    if edges:
        _place_kernel[(n,)](
            offset, col, cosine, starts, out_col, weight, to, source, row_of, n, MIRROR=mirror, EDGES=32, num_warps=1
        )
    if half:
        to, order = to.sort(stable=True)
        grid = (cdiv(half, 512),)
        _mirror_kernel[grid](to, order, source, row_of, starts, out_col, weight, half, BLOCK=512)
    return out_col, weight
