"""How far a kernel may be from its reference: one table for all kernels and properties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Tolerance:
    """`|found - expected| <= relative * (the row's largest |expected|) + absolute`, a row being the last dimension.

    The largest of the row rather than the number itself, as a sum's rounding is as large as its terms.
    """

    relative: float
    absolute: float


TOLERANCES: Mapping[torch.dtype, Tolerance] = {
    torch.float64: Tolerance(1e-11, 1e-12),
    torch.float32: Tolerance(2e-5, 1e-6),
    torch.float16: Tolerance(2**-6, 1e-3),
    torch.bfloat16: Tolerance(2**-4, 1e-2),
}
"""By the dtype of what is compared. The keys are the dtypes that a kernel is run in."""


def difference(
    found: Tensor, expected: Tensor, tolerances: Mapping[torch.dtype, Tolerance], size: Tensor | float = 1.0
) -> str | None:
    """In words, the worst place where `found` is not `expected`; None where there is none.

    Booleans and integers are compared exactly, floating numbers by the tolerance of `found`'s dtype, to which
    `expected` (usually float64) is rounded first; NaN equals NaN, and an infinity the same infinity. `size` multiplies
    the absolute tolerance, where the terms of a sum are known to be that large.
    """
    if found.shape != expected.shape:
        return f"shape {list(found.shape)}, expected {list(expected.shape)}"
    if found.is_floating_point() != expected.is_floating_point():
        return f"{found.dtype}, expected {expected.dtype}"
    if found.numel() == 0:
        return None
    excess = _excess(found, expected, tolerances, size)
    if not bool((excess > 0).any()):
        return None
    worst = int(excess.flatten().argmax())
    place = tuple(int(i) for i in torch.unravel_index(torch.tensor(worst), found.shape))
    wrong = int((excess > 0).sum())
    return f"{found[place].item()} at {list(place)}, expected {expected[place].item()} ({wrong} of {excess.numel()})"


def _excess(
    found: Tensor, expected: Tensor, tolerances: Mapping[torch.dtype, Tolerance], size: Tensor | float
) -> Tensor:
    """float64: how far each number is outside its tolerance; 0 or less inside."""
    if not found.is_floating_point():
        return (found != expected).double()
    tolerance = tolerances.get(found.dtype, TOLERANCES[torch.float64])
    ours, right = found.double(), expected.to(found.dtype).double()
    largest = right.abs().where(right.isfinite(), 0)
    largest = largest.amax(-1, keepdim=True) if largest.ndim else largest
    excess = (ours - right).abs() - tolerance.relative * largest - tolerance.absolute * size
    same = (ours == right) | (ours.isnan() & right.isnan())
    return excess.nan_to_num(torch.inf, torch.inf).where(~same, -1.0)
