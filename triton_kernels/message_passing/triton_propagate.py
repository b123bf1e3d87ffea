"""K2 on a GPU: a program a row, segments for heavy rows and a second reduction.

No float atomics, so reruns are bit-equal.

Imported on first use, and only where `runs_triton`. Fixed configurations: `autotune` fails in the interpreter.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

HEAVY = 512
"""A row with more edges is split into segments of so many."""
EDGES = 16
"""Edges a row's program gathers at once."""
FEATURES = 128
"""Features a program sums at most."""


@triton.jit  # type: ignore[untyped-decorator]
def _edge_sum(start, end, col, value, h, feature, r, HAS_VALUE: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """sum_e value_e h[col_e, feature] over edges start to end, in chunks of BLOCK."""
    total = tl.zeros([feature.shape[0]], dtype=h.dtype.element_ty)
    edge = start
    while edge < end:  # a `range` over loaded bounds fails in Triton 3.6's interpreter
        e = edge + tl.arange(0, BLOCK)
        inside = e < end
        sender = tl.load(col + e, mask=inside, other=0).to(tl.int64)
        tile = tl.load(
            h + sender[:, None] * r + feature[None, :], mask=inside[:, None] & (feature < r)[None, :], other=0
        )
        if HAS_VALUE:
            tile *= tl.load(value + e, mask=inside, other=0)[:, None]
        total += tl.sum(tile, axis=0)
        edge += BLOCK
    return total


@triton.jit  # type: ignore[untyped-decorator]
def _rows_kernel(  # type: ignore[no-untyped-def]
    rowptr, col, value, h, out, r, HAS_VALUE: tl.constexpr, BLOCK: tl.constexpr, R: tl.constexpr, LIMIT: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    feature = tl.program_id(1) * R + tl.arange(0, R)
    start, end = tl.load(rowptr + row).to(tl.int64), tl.load(rowptr + row + 1).to(tl.int64)
    if end - start <= LIMIT:
        total = _edge_sum(start, end, col, value, h, feature, r, HAS_VALUE, BLOCK)
        tl.store(out + row * r + feature, total, mask=feature < r)


@triton.jit  # type: ignore[untyped-decorator]
def _segments_kernel(  # type: ignore[no-untyped-def]
    rowptr, col, value, h, partial, first, segment_row, r,
    HAS_VALUE: tl.constexpr, BLOCK: tl.constexpr, R: tl.constexpr, LIMIT: tl.constexpr,
):  # fmt: skip
    segment = tl.program_id(0).to(tl.int64)
    row = tl.load(segment_row + segment)
    if row >= 0:
        feature = tl.program_id(1) * R + tl.arange(0, R)
        start = tl.load(rowptr + row).to(tl.int64) + (segment - tl.load(first + row)) * LIMIT
        end = tl.minimum(start + LIMIT, tl.load(rowptr + row + 1).to(tl.int64))
        total = _edge_sum(start, end, col, value, h, feature, r, HAS_VALUE, BLOCK)
        tl.store(partial + segment * r + feature, total, mask=feature < r)


@triton.jit  # type: ignore[untyped-decorator]
def _join_kernel(partial, first, out, r, R: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0).to(tl.int64)
    feature = tl.program_id(1) * R + tl.arange(0, R)
    segment, end = tl.load(first + row), tl.load(first + row + 1)
    if segment < end:
        total = tl.zeros([R], dtype=partial.dtype.element_ty)
        while segment < end:
            total += tl.load(partial + segment * r + feature, mask=feature < r, other=0)
            segment += 1
        tl.store(out + row * r + feature, total, mask=feature < r)


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


def spmm(rowptr: Tensor, col: Tensor, value: Tensor | None, h: Tensor) -> Tensor:
    """[N, r]: out_i = sum_e value_e h[col_e]; see `library.spmm`."""
    out = h.new_empty(len(rowptr) - 1, h.shape[1])
    if out.numel():
        block = feature_block(h.shape[1])
        settings = {"HAS_VALUE": value is not None, "BLOCK": EDGES, "R": block, "LIMIT": HEAVY}
        grid = (len(out), triton.cdiv(h.shape[1], block))
        _rows_kernel[grid](rowptr, col, h if value is None else value, h, out, h.shape[1], **settings)
        sum_heavy_rows(rowptr, col, value, h, out)
    return out


def sum_heavy_rows(rowptr: Tensor, col: Tensor, value: Tensor | None, h: Tensor, out: Tensor) -> None:
    """Fill the rows of `out` that have more than HEAVY edges.

    Sizes are bounds that follow from the number of edges, so the GPU is never waited for: a row over HEAVY edges has at
    most 2 edges / HEAVY segments.
    """
    most = 2 * len(col) // HEAVY
    if not most:
        return
    degree = rowptr.diff().long()
    first = torch.zeros(len(rowptr), dtype=torch.int64, device=h.device)
    torch.cumsum(torch.where(degree > HEAVY, (degree + HEAVY - 1) // HEAVY, 0), 0, out=first[1:])
    segment = torch.arange(most, device=h.device)
    row = torch.searchsorted(first, segment, right=True) - 1
    row = torch.where(segment < first[-1], row, -1)
    r, block = h.shape[1], feature_block(h.shape[1])
    partial = h.new_empty(most, r)
    settings = {"HAS_VALUE": value is not None, "BLOCK": EDGES, "R": block, "LIMIT": HEAVY}
    columns = triton.cdiv(r, block)
    values = h if value is None else value
    _segments_kernel[(most, columns)](rowptr, col, values, h, partial, first, row, r, **settings)
    _join_kernel[(len(out), columns)](partial, first, out, r, R=block)


def sddmm(row: Tensor, col: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """[E]: a[row_e] · b[col_e]; see `library.sddmm`."""
    out = a.new_empty(len(col))
    if len(col):
        grid = (triton.cdiv(len(col), 32),)
        _pairs_kernel[grid](row, col, a, b, out, len(col), a.shape[1], BLOCK=32, R=feature_block(a.shape[1]))
    return out


def feature_block(width: int) -> int:
    """A power of two, at least 16: features a program handles."""
    return int(min(FEATURES, max(16, triton.next_power_of_2(width))))
