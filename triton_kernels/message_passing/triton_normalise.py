"""Â's values on a GPU, in one pass over the edges: diag(left) A diag(right), in float64, rounded once."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..configurations import cdiv

ROWS, EDGES = 8, 16


@triton.jit(do_not_specialize=["n"])  # type: ignore[untyped-decorator]
def _values_kernel(  # type: ignore[no-untyped-def]
    rowptr, col, weight, left, right, out, n,
    HAS_WEIGHT: tl.constexpr, HAS_LEFT: tl.constexpr, HAS_RIGHT: tl.constexpr, ROWS: tl.constexpr, EDGES: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    here = row < n
    start = tl.load(rowptr + row, mask=here, other=0)
    end = tl.load(rowptr + row + 1, mask=here, other=0)
    longest = tl.max(end - start, axis=0)
    done = longest * 0
    while done < longest:
        edge = start[:, None] + (done + tl.arange(0, EDGES))[None, :]
        inside = edge < end[:, None]
        scale = tl.full([ROWS, EDGES], 1.0, dtype=tl.float64)
        if HAS_LEFT:
            scale *= tl.load(left + row, mask=here, other=0)[:, None]
        if HAS_RIGHT:  # the scales first, so that (i, j) and (j, i) stay bit-equal
            scale *= tl.load(right + tl.load(col + edge, mask=inside, other=0), mask=inside, other=0)
        if HAS_WEIGHT:
            scale *= tl.load(weight + edge, mask=inside, other=0).to(tl.float64)
        tl.store(out + edge, scale.to(out.dtype.element_ty), mask=inside)
        done += EDGES


def normalised_values(
    rowptr: Tensor, col: Tensor, weight: Tensor | None, left: Tensor | None, right: Tensor | None, dtype: torch.dtype
) -> Tensor:
    """[E] of the given dtype; left [N] and right [M] are float64, None where there is nothing to multiply with."""
    out = torch.empty(len(col), dtype=dtype, device=col.device)
    if len(col):
        anything = [col if one is None else one for one in (weight, left, right)]
        _values_kernel[(cdiv(len(rowptr) - 1, ROWS),)](
            rowptr, col, *anything, out, len(rowptr) - 1, HAS_WEIGHT=weight is not None, HAS_LEFT=left is not None,
            HAS_RIGHT=right is not None, ROWS=ROWS, EDGES=EDGES,
        )  # fmt: skip
    return out
