"""The screen on a GPU: a bit a pair that can reach the threshold, packed 32 a word behind a tile of products.

Nothing is reserved and nothing sorted: every word is written once, so the result is the same on every run, and rows
come out in order. The loop over the width is one that Triton pipelines (cp.async, or TMA where there is one); the
diagonal and the last columns are cut from the words, 32 pairs at once.

float16: a pair's cosine is at most `float16_slack` above its product. int8: rows u = s q + e are quantised with a scale
each; with r >= |e| / s for every row, u·v <= s t (q·p) + r (s + t) + r r s t, so u·v >= tau needs
q·p >= tau (1/s - r/tau) (1/t - r/tau) - r r / tau - r r: one multiply-add a pair.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..configurations import cdiv
from .triton_rows import STEP

MAGIC = tl.constexpr(0x4B000000)
"""The bits of 2^23: a float32 2^23 + k has the bits MAGIC + k."""
PLAIN = ["n", "m", "tiles_i", "tiles_j", "columns", "row0", "col0"]
"""Integers that no code depends on: one compilation whatever they are. The width is none: 16 bytes are read at once."""


@triton.jit  # type: ignore[untyped-decorator]
def _tile(program, tiles_i, tiles_j, columns, GROUP: tl.constexpr, STEP: tl.constexpr):  # type: ignore[no-untyped-def]
    """Tile (i, j) of a program: bands of GROUP tile rows; band b starts at tile column b * STEP (0: a rectangle).

    Bands b and last - b together have `columns` tile columns whatever b is, so the grid has no empty half.
    """
    pair = program // (GROUP * columns)
    place = program % (GROUP * columns)
    bands = tl.cdiv(tiles_i, GROUP)
    first = GROUP * (tiles_j - STEP * pair)
    other = place >= first
    band = tl.where(other, bands - 1 - pair, pair)
    place = tl.where(other, place - first, place)
    i = band * GROUP + place % GROUP
    j = band * STEP + place // GROUP
    i = tl.where(other & (band == pair), tiles_i, i)  # the middle band has no partner
    return i, j


@triton.jit
def _below(count):  # type: ignore[no-untyped-def]
    """int32: the lowest `count` bits set; count is any int32."""
    some = tl.minimum(tl.maximum(count, 0), 31)
    return tl.where(count >= 32, -1, (1 << some) - 1)


@triton.jit  # type: ignore[untyped-decorator]
def _pack(  # type: ignore[no-untyped-def]
    acc, mask, row, col, left_inverse, right_inverse, radius, n, m, words, row0, col0, bound,
    SYMMETRIC: tl.constexpr, INT: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    """Compare products [BM, BN] with the bound and store their bits: bit k of word w is column 32 w + k."""
    rows = row + tl.arange(0, BM)
    cols = col + tl.arange(0, BN)
    if INT:
        r = tl.load(radius) * 1.0001 + 0.001
        left = tl.load(left_inverse + row0 + rows, mask=rows < n, other=1.0) - r / bound
        right = tl.load(right_inverse + col0 + cols, mask=cols < m, other=1.0) - r / bound
        least = tl.fma((left * bound)[:, None], right[None, :], 8388607.0 - r * r / bound - r * r)
        hit = acc >= least.to(tl.int32, bitcast=True)  # acc started at MAGIC
    else:
        hit = acc >= bound
    bit = tl.full([BN], 1, tl.int32) << (tl.arange(0, BN) % 32)
    word = tl.sum(tl.reshape(tl.where(hit, bit[None, :], 0), [BM, BN // 32, 32]), axis=2)
    place = tl.arange(0, BN // 32) + col // 32
    word = word & _below(m - place * 32)[None, :]
    if SYMMETRIC:  # columns past the row
        word = word & ~_below((row0 + rows + 1)[:, None] - (col0 + place * 32)[None, :])
    at = mask + rows.to(tl.int64)[:, None] * words + place[None, :]
    tl.store(at, word, mask=(rows < n)[:, None] & (place < words)[None, :])


@triton.jit(do_not_specialize=PLAIN)  # type: ignore[untyped-decorator]
def _screen_tma_kernel(  # type: ignore[no-untyped-def]
    left, right, left_inverse, right_inverse, radius, mask, n, m, width, words, bound,
    tiles_i, tiles_j, columns, row0, col0,
    SYMMETRIC: tl.constexpr, INT: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
    GROUP: tl.constexpr, STEP: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """A program a tile. left, right: tensor descriptors [N, width]; mask int32 [n, words]; rows count from row0."""
    i, j = _tile(tl.program_id(0), tiles_i, tiles_j, columns, GROUP, STEP)
    row, col = i * BM, j * BN
    if (i < tiles_i) & (j < tiles_j) & ((SYMMETRIC == 0) | (col0 + col + BN - 1 > row0 + row)):
        acc = tl.full([BM, BN], MAGIC if INT else 0, dtype=tl.int32 if INT else tl.float32)
        for k in tl.range(0, width, BK, num_stages=STAGES):
            a = left.load([row0 + row, k])
            b = right.load([col0 + col, k])
            acc = tl.dot(a, b.T, acc, out_dtype=acc.dtype)
        _pack(
            acc, mask, row, col, left_inverse, right_inverse, radius, n, m, words, row0, col0, bound,
            SYMMETRIC, INT, BM, BN,
        )  # fmt: skip


@triton.jit(do_not_specialize=PLAIN)  # type: ignore[untyped-decorator]
def _screen_kernel(  # type: ignore[no-untyped-def]
    left, right, left_inverse, right_inverse, radius, mask, n, m, width, words, bound,
    tiles_i, tiles_j, columns, row0, col0,
    SYMMETRIC: tl.constexpr, INT: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
    GROUP: tl.constexpr, STEP: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """The same by plain pointers (cp.async); rows past the end are read from row 0 and cut at the end."""
    i, j = _tile(tl.program_id(0), tiles_i, tiles_j, columns, GROUP, STEP)
    row, col = i * BM, j * BN
    if (i < tiles_i) & (j < tiles_j) & ((SYMMETRIC == 0) | (col0 + col + BN - 1 > row0 + row)):
        rows, cols = row + tl.arange(0, BM), col + tl.arange(0, BN)
        k = tl.arange(0, BK)
        a_at = left + (row0 + tl.where(rows < n, rows, 0)).to(tl.int64)[:, None] * width + k[None, :]
        b_at = right + (col0 + tl.where(cols < m, cols, 0)).to(tl.int64)[None, :] * width + k[:, None]
        acc = tl.full([BM, BN], MAGIC if INT else 0, dtype=tl.int32 if INT else tl.float32)
        for _ in tl.range(0, width, BK, num_stages=STAGES):
            acc = tl.dot(tl.load(a_at), tl.load(b_at), acc, out_dtype=acc.dtype)
            a_at += BK
            b_at += BK
        _pack(
            acc, mask, row, col, left_inverse, right_inverse, radius, n, m, words, row0, col0, bound,
            SYMMETRIC, INT, BM, BN,
        )  # fmt: skip


def float16_slack(width: int) -> float:
    """Both rows are rounded to 11 bits, entries under 2^-14 to 2^-25; float32 sums: 2 * 2^-11 + 2^-22 + the rest."""
    return 2.0**-10 + 2.0**-22 + 2.1 * 2.0**-25 * math.sqrt(width) + (width + 16) * 2.0**-23


def grid_of(n: int, m: int, symmetric: bool, bm: int, bn: int, group: int) -> tuple[int, int, int, int, int]:
    """tiles_i, tiles_j, columns, step, programs of `_tile`; group * bm is a multiple of bn where it is symmetric."""
    tiles_i, tiles_j = cdiv(n, bm), cdiv(m, bn)
    bands, step = cdiv(tiles_i, group), group * bm // bn if symmetric else 0
    columns = 2 * tiles_j - step * (bands - 1)
    return tiles_i, tiles_j, columns, step, cdiv(bands, 2) * group * columns


def defaults(tma: bool) -> dict[str, int]:
    """No spills on sm_80 and sm_90; not timed."""
    return {
        "TMA": int(tma), "BM": 128, "BN": 128, "GROUP": 8, "num_warps": 8, "STAGES": 3,
    }  # fmt: skip


def screen(
    low: tuple[Tensor, Tensor], scales: tuple[Tensor, Tensor], radius: Tensor, bound: float, symmetric: bool,
    mask: Tensor, row0: int, col0: int, meta: dict[str, Any],
) -> None:  # fmt: skip
    """Fill mask int32 [rows, words] with the pairs of rows row0 ... of low[0] and rows col0 ... of low[1] that can
    reach the bound; words are whole tiles."""
    left, right = low
    (n, words), m, integer = mask.shape, right.shape[0] - col0, left.dtype == torch.int8
    meta = {**meta, "BK": STEP[left.dtype]}
    tma, stages = meta.pop("TMA"), meta["STAGES"]
    if symmetric:
        meta["GROUP"] = max(meta["GROUP"], cdiv(meta["BN"], meta["BM"]))
    tiles_i, tiles_j, columns, step, programs = grid_of(n, m, symmetric, meta["BM"], meta["BN"], meta["GROUP"])
    given: tuple[Any, ...] = (left, right)
    kernel = _screen_kernel
    if tma:
        from triton.tools.tensor_descriptor import TensorDescriptor

        kernel, blocks = _screen_tma_kernel, (meta["BM"], meta["BN"])
        given = tuple(TensorDescriptor.from_tensor(one, [b, meta["BK"]]) for one, b in zip(low, blocks, strict=True))
    kernel[(programs,)](
        *given, *scales, radius, mask, n, m, left.shape[1], words, bound, tiles_i, tiles_j, columns, row0, col0,
        SYMMETRIC=symmetric, INT=integer, STEP=step, num_stages=stages, **meta,
    )  # fmt: skip
