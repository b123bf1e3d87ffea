"""Preprocessed items side by side, on the device of a model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def stacked(rows: Sequence[Tensor], device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """[B, ...] of rows that are alike, on the device and of the dtype.

    For a CUDA device rows of the host are copied once, into memory that the card reads by itself, and already of that
    dtype; nobody waits for the card, and torch keeps the memory until it has been read.
    """
    first = rows[0]
    dtype = first.dtype if dtype is None else dtype
    if device.type != "cuda" or any(not one.is_cpu or one.dtype != first.dtype or one.requires_grad for one in rows):
        return torch.stack(list(rows)).to(device, dtype)
    room = torch.empty(len(rows), *first.shape, dtype=dtype, pin_memory=True)
    return torch.stack(list(rows), out=room).to(device, non_blocking=True)
