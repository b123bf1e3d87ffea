"""K2 on a GPU: a program sums several rows, several edges of each at once; heavy rows go by segments.

The tile is [ROWS, EDGES, R] with features innermost: Triton gives lanes to the features, then to the first dimension,
so that a thread holds the sum of one row, reads 16 bytes of one edge's features at a time, and has EDGES such loads in
flight without a shuffle. A segment of a heavy row is shared by the ROWS of one program; a second launch adds the
segments up, and only for graphs that have heavy rows. No float atomics, so reruns are bit-equal.

Imported on first use, and only where `runs_triton`. Fixed configurations: `autotune` fails in the interpreter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..configurations import cdiv, configuration, next_power_of_2
from .segments import segments_of

HEAVY = 512
"""A row with more edges is cut into segments of so many; a power of two."""
FEATURES = 128
"""Features that a program sums at most."""
BEYOND = 2**31
"""Numbers that an int32 no longer counts."""


@triton.jit(do_not_specialize=["n", "light"])  # type: ignore[untyped-decorator]
def _messages_kernel(  # type: ignore[no-untyped-def]
    rowptr, col, value, h, out, span, partial, n, r, out_stride, light,
    HAS_VALUE: tl.constexpr, HEAVY: tl.constexpr, LIMIT: tl.constexpr, WIDE: tl.constexpr, ONES: tl.constexpr,
    TRIM: tl.constexpr, ROWS: tl.constexpr, EDGES: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    """Programs up to `light` have ROWS rows each, those after them a segment each; ONES: a 1 behind every row."""
    block = tl.program_id(0)
    lane = tl.arange(0, ROWS)
    row = block * ROWS + lane
    here = row < n
    feature = tl.program_id(1) * R + tl.arange(0, R)
    start = tl.load(rowptr + row, mask=here, other=0)
    end = tl.load(rowptr + row + 1, mask=here, other=0)
    if HEAVY:
        end = tl.where(end - start > LIMIT, start, end)
        segment = block - light
        first = tl.load(span + 2 * segment, mask=segment >= 0, other=0).to(start.dtype)
        last = tl.load(span + 2 * segment + 1, mask=segment >= 0, other=0).to(start.dtype)
        start = tl.where(segment >= 0, first + lane * (LIMIT // ROWS), start)
        end = tl.where(segment >= 0, tl.minimum(start + LIMIT // ROWS, last), end)
    longest = tl.max(end - start, axis=0)
    step = tl.arange(0, EDGES)
    sums = tl.float64 if h.dtype.element_ty == tl.float64 else tl.float32
    total = tl.zeros([ROWS, R], dtype=sums)
    done = longest * 0
    while done < longest:  # a `range` over loaded bounds fails in Triton 3.6's interpreter
        edge = start[:, None] + (done + step)[None, :]
        inside = edge < end[:, None]
        sender = tl.load(col + edge, mask=inside, other=0)
        if WIDE:
            sender = sender.to(tl.int64)
        at = h + (sender * r)[:, :, None] + feature[None, None, :]
        if TRIM:
            tile = tl.load(at, mask=inside[:, :, None] & (feature < r)[None, None, :], other=0).to(sums)
        else:
            tile = tl.load(at, mask=inside[:, :, None], other=0).to(sums)
        if HAS_VALUE:
            tile *= tl.load(value + edge, mask=inside, other=0)[:, :, None]
        total += tl.sum(tile, axis=1)
        done += EDGES
    place = out + row.to(tl.int64)[:, None] * out_stride + feature[None, :]
    mask = here[:, None] & (feature < r)[None, :]
    if HEAVY:
        if segment >= 0:
            at = partial + segment.to(tl.int64) * r + feature
            tl.store(at, tl.sum(total, axis=0), mask=feature < r)
        else:
            tl.store(place, total.to(out.dtype.element_ty), mask=mask)
    else:
        tl.store(place, total.to(out.dtype.element_ty), mask=mask)
    if ONES:
        one = tl.full([ROWS], 1.0, tl.float32).to(out.dtype.element_ty)
        tl.store(out + row.to(tl.int64) * out_stride + r, one, mask=here & (tl.program_id(1) == 0))


@triton.jit  # type: ignore[untyped-decorator]
def _join_kernel(partial, heavy, first, out, r, out_stride, R: tl.constexpr):  # type: ignore[no-untyped-def]
    """The sum of a heavy row's segments, in their order."""
    which = tl.program_id(0)
    feature = tl.program_id(1) * R + tl.arange(0, R)
    segment, end = tl.load(first + which), tl.load(first + which + 1)
    total = tl.zeros([R], dtype=partial.dtype.element_ty)
    while segment < end:
        total += tl.load(partial + segment * r + feature, mask=feature < r, other=0)
        segment += 1
    place = out + tl.load(heavy + which) * out_stride + feature
    tl.store(place, total.to(out.dtype.element_ty), mask=feature < r)


@triton.jit  # type: ignore[untyped-decorator]
def _pairs_kernel(row, col, a, b, out, count, r, BLOCK: tl.constexpr, R: tl.constexpr):  # type: ignore[no-untyped-def]
    edge = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = edge < count
    i = tl.load(row + edge, mask=inside, other=0).to(tl.int64)
    j = tl.load(col + edge, mask=inside, other=0).to(tl.int64)
    total = tl.zeros([BLOCK], dtype=a.dtype.element_ty)
    start = 0
    while start < r:
        feature = start + tl.arange(0, R)
        mask = inside[:, None] & (feature < r)[None, :]
        left = tl.load(a + i[:, None] * r + feature[None, :], mask=mask, other=0)
        right = tl.load(b + j[:, None] * r + feature[None, :], mask=mask, other=0)
        total += tl.sum(left * right, axis=1)
        start += R
    tl.store(out + edge, total, mask=inside)


def spmm(
    rowptr: Tensor,
    col: Tensor,
    value: Tensor | None,
    h: Tensor,
    *,
    ones: bool = False,
    cut: Mapping[str, int] | None = None,
) -> Tensor:
    """[N, r]: out_i = sum_e value_e h[col_e]; see `library.spmm`.

    h is floating [M, r], contiguous; float16 and bfloat16 are summed in float32 and rounded once, with float32 values.
    With `ones` the result has a column of ones behind it and unwritten ones up to a multiple of 8: with it, a product
    with the transpose sums over the rows as well.
    """
    n, r, size = rowptr.shape[0] - 1, h.shape[1], h.itemsize
    stride = (r // 8 + 1) * 8 if ones else r
    out = h.new_empty(n, stride)
    if n == 0 or stride == 0:
        return out
    meta = configuration("messages", f"{block_of(r)} {size}", defaults(r, size), h.device)
    meta |= cut or {}
    segments = segments_of(rowptr, col.shape[0], HEAVY)
    count, span, partial = 0, rowptr, out
    if segments is not None:
        count, span = segments.span.shape[0], segments.span
        partial = h.new_empty(count, r, dtype=torch.float64 if h.dtype == torch.float64 else torch.float32)
    light, columns = cdiv(n, meta["ROWS"]), cdiv(r, meta["R"])
    _messages_kernel[(light + count, columns or 1)](
        rowptr, col, h if value is None else value, h, out, span, partial, n, r, stride, light,
        HAS_VALUE=value is not None, HEAVY=segments is not None, LIMIT=HEAVY, WIDE=h.numel() >= BEYOND, ONES=ones,
        TRIM=r % meta["R"] != 0, **meta,
    )  # fmt: skip
    if segments is not None and r:
        grid = (segments.row.shape[0], columns)
        _join_kernel[grid](partial, segments.row, segments.first, out, r, stride, R=meta["R"])
    return out


def sddmm(row: Tensor, col: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """[E]: a[row_e] · b[col_e]; see `library.sddmm`."""
    out = a.new_empty(len(col))
    if len(col):
        grid = (cdiv(len(col), 32),)
        _pairs_kernel[grid](row, col, a, b, out, len(col), a.shape[1], BLOCK=32, R=block_of(a.shape[1]))
    return out


def defaults(width: int, itemsize: int) -> dict[str, Any]:
    """From registers and loads in flight, compiled for sm_80 and sm_90; not timed."""
    block = block_of(width)
    edges = 8 if itemsize == 4 or (itemsize == 2 and block > 16) else 4  # the others would spill
    return {"R": block, "ROWS": max(1, FEATURES // block), "EDGES": edges, "num_warps": 1}


def block_of(width: int) -> int:
    """A power of two, at least 16: features a program handles."""
    return min(FEATURES, max(16, next_power_of_2(width)))
