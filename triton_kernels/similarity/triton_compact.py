"""From bits to columns: how many a row has, and which they are, in rising order."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

WORDS = 1024
"""Words looked at at once."""
PLAIN = ["words", "row0"]


@triton.jit
def _ones(word):  # type: ignore[no-untyped-def]
    """How many bits are set in each int32."""
    v = word.to(tl.uint32, bitcast=True)
    v = v - ((v >> 1) & 0x55555555)
    v = (v & 0x33333333) + ((v >> 2) & 0x33333333)
    v = (v + (v >> 4)) & 0x0F0F0F0F
    return ((v * 0x01010101) >> 24).to(tl.int32)


@triton.jit  # type: ignore[untyped-decorator]
def _first_word(row, SYMMETRIC: tl.constexpr, TILE: tl.constexpr):  # type: ignore[no-untyped-def]
    """Words before are of tiles under the diagonal, and were not written."""
    return (row + 1) // TILE * (TILE // 32) * SYMMETRIC


@triton.jit(do_not_specialize=PLAIN)  # type: ignore[untyped-decorator]
def _count_kernel(mask, count, words, SYMMETRIC: tl.constexpr, TILE: tl.constexpr, W: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0)
    total = tl.zeros([W], dtype=tl.int32)
    base = mask + row.to(tl.int64) * words
    for at in range(_first_word(row, SYMMETRIC, TILE), words, W):
        place = at + tl.arange(0, W)
        total += _ones(tl.load(base + place, mask=place < words, other=0))
    tl.store(count + row, tl.sum(total, axis=0))


@triton.jit(do_not_specialize=PLAIN)  # type: ignore[untyped-decorator]
def _fill_kernel(  # type: ignore[no-untyped-def]
    mask, offset, col, words, row0, SYMMETRIC: tl.constexpr, TILE: tl.constexpr, W: tl.constexpr
):
    """The columns of a row's bits, row0 added; offset[1:] is where each row ends."""
    row = tl.program_id(0)
    base = mask + row.to(tl.int64) * words
    out = tl.load(offset + row, mask=row > 0, other=0)
    end = tl.load(offset + row + 1)
    at = _first_word(row, SYMMETRIC, TILE)
    while out < end:
        place = at + tl.arange(0, W)
        word = tl.load(base + place, mask=place < words, other=0)
        ones = _ones(word)
        here = out + tl.cumsum(ones, axis=0) - ones
        out += tl.sum(ones, axis=0)
        most = tl.max(ones, axis=0)
        while most > 0:
            low = word & -word
            tl.store(col + here, row0 + place * 32 + _ones(low - 1), mask=word != 0)
            word = word ^ low
            here += 1
            most -= 1
        at += W


def count_bits(mask: Tensor, count: Tensor, symmetric: bool, tile: int) -> None:
    """count int32 [rows]: the bits of each row of mask int32 [rows, words]; `tile` columns were written together."""
    rows, words = mask.shape
    _count_kernel[(rows,)](mask, count, words, SYMMETRIC=int(symmetric), TILE=tile, W=WORDS, num_warps=4)


def fill(mask: Tensor, offset: Tensor, col: Tensor, row0: int, symmetric: bool, tile: int) -> None:
    """col int32: the columns of all bits, row after row; offset int64 [rows + 1], whose first number is not looked
    at."""
    rows, words = mask.shape
    _fill_kernel[(rows,)](mask, offset, col, words, row0, SYMMETRIC=int(symmetric), TILE=tile, W=WORDS, num_warps=4)
