"""Rows at length 1, as a screen multiplies them: one launch, with float64 norms."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..configurations import cdiv, next_power_of_2

ROWS, CHUNK, WARPS = 4, 512, 8
STEP = {torch.float16: 64, torch.int8: 128}
"""Widths are padded with zeros to multiples of these."""
LARGEST = tl.constexpr(2800.0)
"""Of 1 / scale, so that products of int8 rows stay under 2^23."""
LAST = tl.constexpr(2**31 - 1)


@triton.jit(do_not_specialize=["n"])  # type: ignore[untyped-decorator]
def _rows_kernel(  # type: ignore[no-untyped-def]
    x, low, inverse, scale_inverse, facts, side, n, width, padded,
    INT: tl.constexpr, CHUNK: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """inverse: 1 / |x|, 0 of a zero row. facts: see `Facts`; side is where those of this matrix begin."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    here = row < n
    start = row.to(tl.int64)[:, None]
    square = tl.zeros([ROWS], dtype=tl.float64)
    largest = tl.zeros([ROWS], dtype=tl.float64)
    for first in range(0, width, CHUNK):
        k = first + tl.arange(0, CHUNK)
        inside = here[:, None] & (k < width)[None, :]
        wide = tl.load(x + start * width + k[None, :], mask=inside, other=0).to(tl.float64)
        square += tl.sum(wide * wide, axis=1)
        largest = tl.maximum(largest, tl.max(tl.abs(wide), axis=1))
    inv = tl.where(square > 0, 1.0 / tl.sqrt(square), 0.0)
    tl.store(inverse + row, inv, mask=here)
    bad = here & ((square != square) | (square == float("inf")))
    count = tl.sum(bad.to(tl.int32), axis=0)
    if count > 0:
        tl.atomic_add(facts + side, count)
        tl.atomic_max(facts + side + 2, tl.max(tl.where(bad, LAST - row, 0), axis=0))
    steps = 127.0 / tl.maximum((largest * inv).to(tl.float32), 127.0 / LARGEST)
    if INT:
        tl.store(scale_inverse + row, steps, mask=here)
    off = tl.zeros([ROWS], dtype=tl.float32)
    for first in range(0, padded, CHUNK):
        k = first + tl.arange(0, CHUNK)
        inside = here[:, None] & (k < width)[None, :]
        wide = tl.load(x + start * width + k[None, :], mask=inside, other=0).to(tl.float64)
        unit = (wide * inv[:, None]).to(tl.float32)
        place, there = low + start * padded + k[None, :], here[:, None] & (k < padded)[None, :]
        if INT:
            scaled = unit * steps[:, None]
            whole = tl.floor(scaled + 0.5)
            off += tl.sum((scaled - whole) * (scaled - whole), axis=1)
            tl.store(place, whole.to(tl.int8), mask=there)
        else:
            tl.store(place, unit.to(tl.float16), mask=there)
    if INT:
        radius = tl.max(tl.where(here & (bad == 0), tl.sqrt(off), 0.0), axis=0)
        tl.atomic_max(facts, radius.to(tl.int32, bitcast=True))  # positive floats rise like their bits


def low_rows(x: Tensor, dtype: torch.dtype, facts: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rows [N, padded width] in float16 or int8, 1 / norm in float64 [N], 1 / scale in float32 [N] (int8 alone).

    x is contiguous [N, D]; facts int32 as `Facts` reads it, `side` 2 for x and 6 for y.
    """
    (n, width), integer = x.shape, dtype == torch.int8
    padded = cdiv(width, STEP[dtype]) * STEP[dtype]
    low = torch.empty(n, padded, dtype=dtype, device=x.device)
    inverse = torch.empty(n, dtype=torch.float64, device=x.device)
    scale_inverse = torch.empty(n if integer else 1, dtype=torch.float32, device=x.device)
    if n:
        _rows_kernel[(cdiv(n, ROWS),)](
            x, low, inverse, scale_inverse, facts, side, n, width, padded,
            INT=integer, CHUNK=min(CHUNK, next_power_of_2(padded)), ROWS=ROWS, num_warps=WARPS,
        )  # fmt: skip
    return low, inverse, scale_inverse
