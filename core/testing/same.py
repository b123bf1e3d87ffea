"""Compare what two runs gave, to the bit or nearly, and say where they differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def difference(a: Any, b: Any, tolerance: float = 0.0, where: str = "the result") -> str | None:
    """How ``a`` differs from ``b`` in words; ``None`` where they are the same. NaN is the same as NaN."""
    if type(a) is not type(b):
        return f"{where} is a {type(a).__name__} and a {type(b).__name__}"
    if isinstance(a, Tensor):
        return _of_tensors(a, b, tolerance, where)
    if dataclasses.is_dataclass(a) and not isinstance(a, type):
        names = [field.name for field in dataclasses.fields(a) if field.compare]
        return _of_parts(((f"{where}.{name}", getattr(a, name), getattr(b, name)) for name in names), tolerance)
    if isinstance(a, Mapping):
        if list(a) != list(b):
            return f"{where} has the keys {list(a)} and {list(b)}"
        return _of_parts(((f"{where}[{key!r}]", a[key], b[key]) for key in a), tolerance)
    if isinstance(a, Sequence) and not isinstance(a, str | bytes):
        if len(a) != len(b):
            return f"{where} has {len(a)} and {len(b)} parts"
        return _of_parts(
            ((f"{where}[{number}]", one, other) for number, (one, other) in enumerate(zip(a, b, strict=True))),
            tolerance,
        )
    if isinstance(a, float) and (abs(a - b) <= tolerance or (a != a and b != b)):
        return None
    return None if a == b else f"{where} is {a!r} and {b!r}"


def _of_parts(parts: Any, tolerance: float) -> str | None:
    return next((found for where, a, b in parts if (found := difference(a, b, tolerance, where))), None)


def _of_tensors(a: Tensor, b: Tensor, tolerance: float, where: str) -> str | None:
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return f"{where} is {a.dtype} {list(a.shape)} and {b.dtype} {list(b.shape)}"
    if torch.equal(a, b) or torch.allclose(a.double(), b.double(), rtol=tolerance, atol=tolerance, equal_nan=True):
        return None
    return f"{where} differs by up to {float((a.double() - b.double()).abs().max()):.3g}"


def assert_same(a: Any, b: Any, told: str, tolerance: float = 0.0) -> None:
    """Raises ``AssertionError`` with ``told`` and where they differ."""
    found = difference(a, b, tolerance)
    assert found is None, f"{told}: {found}"
