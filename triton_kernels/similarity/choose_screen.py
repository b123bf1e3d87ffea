"""Which screen is cheapest: estimated from sampled pairs, never from a clock, so that a rerun chooses alike."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

import torch
from torch import Tensor

from .screens import (
    GROUPS,
    Rotation,
    Screen,
    ScreenName,
    bfloat16_screen,
    bfloat16_slack,
    bound_columns,
    float32_screen,
    head_screen,
    sample_rows,
)
from .vectors import Vectors

# In units of one float32 product of all D features of one pair, measured at D = 512
# (docs/benchmarks/kernels.md):
SCAN = 0.08
"""Comparing a pair's product with the threshold."""
VERIFY = 27.0
"""Multiplying a surviving pair again, from scattered rows."""
BFLOAT16 = 0.45
"""A bfloat16 product, where the instructions exist."""
WORTH_SAMPLING = 1 << 24
"""Below so many pairs everything takes milliseconds."""
WORTH_ROTATING = 1 << 27
"""Below so many pairs an eigenbasis costs more than it saves."""
WORTH_IT = 0.9
"""A screen is taken when it is estimated to be cheaper than float32 by this factor."""


@dataclass(frozen=True)
class Candidate:
    """A screen not built yet."""

    name: ScreenName
    head: int = 0
    share: float = 1.0
    """Of the tail's bound; under 1 edges may be missed."""

    def build(self, vectors: Vectors, rotation: Rotation | None, pool: Executor) -> Screen:
        """The screen for all rows."""
        if self.name == "float32":
            return float32_screen(vectors)
        if self.name == "bfloat16":
            return bfloat16_screen(vectors)
        dtype = torch.float32 if self.name == "head" else torch.bfloat16
        return head_screen(vectors, rotation or Rotation.of(vectors), self.head, dtype, pool, self.share)


def has_fast_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware (AVX512-BF16 or AMX)."""
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, bool)()) for name in names)


def choose_screen(
    vectors: Vectors, threshold: float, pool: Executor, name: ScreenName | None = None, recall: float | None = None
) -> Screen:
    """The cheapest screen, or the cheapest called `name`; with `recall`, one that may miss so many sampled edges."""
    pairs = vectors.pairs // (2 if vectors.symmetric else 1)
    if name in ("float32", "bfloat16"):
        return Candidate(name).build(vectors, None, pool)
    if name is None and recall is None and pairs < WORTH_SAMPLING:
        return float32_screen(vectors)
    heads = name is not None or recall is not None or pairs >= WORTH_ROTATING
    rotation = Rotation.of(vectors) if heads else None
    sample = Sample.of(vectors, threshold, rotation)
    plain = 1.0 + SCAN + sample.rate(vectors.error)
    costs = {
        candidate: cost
        for candidate in _candidates(vectors.x.shape[1], heads, recall is not None)
        if name in (None, candidate.name) and (cost := sample.cost(candidate, recall)) is not None
    }
    best = min(costs, key=lambda candidate: costs[candidate], default=None)
    if best is None or (name is None and recall is None and costs[best] > WORTH_IT * plain):
        return float32_screen(vectors)
    return best.build(vectors, rotation, pool)


def _candidates(width: int, heads: bool, approximate: bool) -> Iterator[Candidate]:
    fast = has_fast_bfloat16()
    if fast:
        yield Candidate("bfloat16")
    if not heads:
        return
    for head in sorted({max(1, width * eighths // 8 - GROUPS) for eighths in (1, 2, 3, 4, 5)}):
        for share in (1.0, 0.8, 0.65, 0.5, 0.35, 0.2) if approximate else (1.0,):
            yield Candidate("head", head, share)
            if fast:
                yield Candidate("head_bfloat16", head, share)


@dataclass(frozen=True)
class Sample:
    """Some rows against some rows: their cosines, and their rotated coordinates."""

    cosine: Tensor
    """float32 [n, m], NaN where a row meets itself."""
    rotated: tuple[Tensor, Tensor] | None
    threshold: float
    error: float
    """Of products of rotated rows."""
    width: int

    @classmethod
    def of(cls, vectors: Vectors, threshold: float, rotation: Rotation | None) -> Sample:
        """256 rows against 2048."""
        left = vectors.unit_x[sample_rows(vectors.unit_x, 256)]
        right = vectors.unit_y[sample_rows(vectors.unit_y, 2048)]
        cosine = left @ right.T
        if vectors.symmetric:  # the same random order on both sides
            cosine.fill_diagonal_(torch.nan)
        rotated = None if rotation is None else (left @ rotation.basis, right @ rotation.basis)
        return cls(cosine, rotated, threshold, rotation.error if rotation else 0.0, vectors.x.shape[1])

    def rate(self, slack: float, values: Tensor | None = None) -> float:
        """The share of sampled pairs whose product passes a screen with this slack."""
        values = self.cosine if values is None else values.where(self.cosine.isfinite(), torch.nan)
        return float((values >= self.threshold - slack).float().mean())

    def cost(self, candidate: Candidate, recall: float | None) -> float | None:
        """Estimated cost a pair; None if it would miss more of the sampled edges than `recall` allows."""
        rate = BFLOAT16 if candidate.name.endswith("bfloat16") else 1.0
        slack = bfloat16_slack(self.width) if rate < 1 else 0.0
        if not candidate.head:
            return rate + SCAN + VERIFY * self.rate(slack)
        assert self.rotated is not None
        left, right = (bound_columns(rows, candidate.head, candidate.share) for rows in self.rotated)
        values = left @ right.T
        if recall is not None and candidate.share < 1:
            edges = values[self.cosine >= self.threshold]
            kept = float((edges >= self.threshold - slack - self.error).float().mean()) if len(edges) else 0.0
            if kept < recall + (1 - recall) / 2:  # a margin, as the sample is small
                return None
        return rate * left.shape[1] / self.width + SCAN + VERIFY * self.rate(slack + self.error, values)
