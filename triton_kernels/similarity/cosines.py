"""What the cosine of two rows is, to the last bit: the float64 value rounded to float32, and 0 below ORTHOGONAL.

A float32 product only screens. Pairs that it places close to a decision (an edge or not, among the k largest or not)
are decided by these functions, so a graph does not depend on tiles, threads, batches or the device that screened.
"""

import torch
from torch import Tensor

ORTHOGONAL = 1e-12
"""Cosines closer to 0 are 0: float64 rounding gives orthogonal rows some 1e-17 of either sign, and 0 is a threshold."""
_TINY = torch.finfo(torch.float64).tiny


def screening_error(width: int) -> float:
    """How far a float32 product of two float32-rounded unit rows of this width can lie from their cosine.

    Every term is rounded by half an ulp (2^-24) at most `width` times, the rows once each; the rest is margin.
    """
    return (width + 16) * 2.0**-24


def unit_rows(x: Tensor) -> Tensor:
    """Rows of x (floating [n, D]) at length 1, in float64; a zero row stays zero, a row with NaN or inf becomes NaN."""
    wide = x.double()
    if x.dtype == torch.float64:  # squares of narrower types neither overflow nor vanish in float64
        wide = wide / wide.abs().amax(1, keepdim=True).clamp_min(_TINY)
    norm: Tensor = torch.linalg.vector_norm(wide, dim=1, keepdim=True)
    return wide / norm.clamp_min(_TINY)


def cosine_block(x: Tensor, y: Tensor) -> Tensor:
    """float32 [n, m]: the cosine of each row of x [n, D] with each row of y [m, D]."""
    return rounded(unit_rows(x) @ unit_rows(y).T)


def cosine_pairs(x: Tensor, y: Tensor) -> Tensor:
    """float32 [n]: the cosine of each row of x [n, D] with the same row of y [n, D]."""
    return rounded((unit_rows(x) * unit_rows(y)).sum(1))


def rounded(cosine: Tensor) -> Tensor:
    """A float64 cosine as the float32 that decisions are taken on."""
    return cosine.where(cosine.abs() >= ORTHOGONAL, 0).float()
