"""Screens: cheap products that no pair above the threshold can hide from, and how wrong each can be.

    cos(x, y) <= left(x) · right(y) + slack

`float32` multiplies the unit rows themselves, and its products serve as the edges' weights. The others are cheaper,
and the pairs that pass them are multiplied once more in float32:

- `bfloat16` rounds the unit rows: 2.3 x the rate of float32 on a CPU with the instructions, ten times less without.
- `head` rotates the rows so that their energy gathers in the first coordinates, the head, and bounds the rest with
  Cauchy and Schwarz over a few groups of tail coordinates: x·y <= head·head + sum_g |x_g| |y_g|. The tail norms are
  extra columns of one product. Prior art: L2AP (Anastasiu & Karypis 2014), ADSampling (Gao & Long 2023), PDX.
- `head_bfloat16` is both.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .vectors import Vectors

ScreenName = Literal["float32", "bfloat16", "head", "head_bfloat16"]
GROUPS = 8
"""Tail groups; their norms are as many columns."""
CHUNK = 2048
"""Rows rotated at once."""


@dataclass(frozen=True)
class Screen:
    """Matrices to multiply, tile by tile."""

    name: ScreenName
    left: Tensor
    """[N, w]."""
    right: Tensor
    """[M, w]."""
    slack: float
    """A pair's cosine is at most this much above its product."""


@dataclass(frozen=True)
class Rotation:
    """An orthogonal basis whose first coordinates hold most of the energy."""

    basis: Tensor
    """float32 [D, D], columns by falling energy."""
    error: float
    """How far a product of rotated float32 rows can be off."""

    @classmethod
    def of(cls, vectors: Vectors, rows: int = 4096) -> Rotation:
        """The eigenbasis of the second moment of some rows of x and y."""
        sample = vectors.unit_x[sample_rows(vectors.unit_x, rows)]
        if not vectors.symmetric:
            sample = torch.cat((sample, vectors.unit_y[sample_rows(vectors.unit_y, rows)]))
        _, basis = torch.linalg.eigh(sample.T @ sample)
        basis = basis.flip(1).contiguous()
        wide = basis.double()
        skew = torch.linalg.matrix_norm(wide.T @ wide - torch.eye(len(wide), dtype=wide.dtype, device=wide.device))
        width = len(basis)
        # each coordinate of a rotated row is off by at most width roundings of 2^-24, so the row by sqrt(width) as much
        return cls(basis, 2.1 * (width + 16) * 2.0**-24 * width**0.5 + 2 * float(skew))


def sample_rows(x: Tensor, rows: int) -> Tensor:
    """int64: at most so many rows of x at random, always the same ones; a smaller sample is the start of a larger one.

    Not evenly spaced: rows are often in turns (class 0, 1, 2, 0, 1, 2 ...), and a step that divides the turn would see
    some classes only.
    """
    generator = torch.Generator().manual_seed(0)
    return torch.randperm(len(x), generator=generator)[:rows].to(x.device)


def bfloat16_slack(width: int) -> float:
    """Both rows are rounded to 8 bits and so is their product, which float32 sums: 2 * 2^-8 + 2^-16 + 2^-8."""
    return 3.05 * 2.0**-8 + (width + 16) * 2.0**-24


def float32_screen(vectors: Vectors) -> Screen:
    """The unit rows themselves."""
    return Screen("float32", vectors.unit_x, vectors.unit_y, vectors.error)


def bfloat16_screen(vectors: Vectors) -> Screen:
    """The unit rows in bfloat16."""
    left = vectors.unit_x.bfloat16()
    right = left if vectors.symmetric else vectors.unit_y.bfloat16()
    return Screen("bfloat16", left, right, bfloat16_slack(left.shape[1]))


def head_screen(
    vectors: Vectors, rotation: Rotation, head: int, dtype: torch.dtype, pool: Executor, share: float = 1.0
) -> Screen:
    """`head` rotated coordinates and the tail norms, times `share`: under 1 the bound is an estimate and may miss
    edges."""
    left = _bounded(vectors.unit_x, rotation, head, share, dtype, pool)
    right = left if vectors.symmetric else _bounded(vectors.unit_y, rotation, head, share, dtype, pool)
    if dtype == torch.float32:
        return Screen("head", left, right, rotation.error + vectors.error)
    return Screen("head_bfloat16", left, right, rotation.error + bfloat16_slack(left.shape[1]))


def _bounded(unit: Tensor, rotation: Rotation, head: int, share: float, dtype: torch.dtype, pool: Executor) -> Tensor:
    out = unit.new_empty(len(unit), head + GROUPS, dtype=dtype)

    def fill(start: int) -> None:
        out[start : start + CHUNK] = bound_columns(unit[start : start + CHUNK] @ rotation.basis, head, share)

    list(pool.map(fill, range(0, len(unit), CHUNK)))
    return out


def bound_columns(rotated: Tensor, head: int, share: float = 1.0) -> Tensor:
    """[n, head + GROUPS]: the head's coordinates, then the norm of each tail group, of rotated rows [n, D]."""
    tail = rotated.shape[1] - head
    group = torch.arange(tail, device=rotated.device) * GROUPS // max(tail, 1)
    member = torch.nn.functional.one_hot(group, GROUPS).to(rotated.dtype)
    norms = (rotated[:, head:].square() @ member).sqrt()  # a product, as it is ten times faster than eight reductions
    return torch.cat((rotated[:, :head], norms * share**0.5), 1)
