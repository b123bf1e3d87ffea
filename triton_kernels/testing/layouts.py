"""The same numbers, laid out in memory in every way that a caller's tensor may be."""

from __future__ import annotations

import mmap
import sys

import torch
from torch import Tensor

LAYOUTS = ("plain", "transposed", "strided", "offset", "far")
"""Contiguous; last two dimensions exchanged; every second number of a row; not at the start of its storage; rows so far
apart that the last one's offset passes 2^31 numbers."""
_NORESERVE = 0x4000  # Linux's MAP_NORESERVE, which Python's mmap does not name everywhere


def relaid(x: Tensor, layout: str) -> Tensor:
    """A copy of x in one of `LAYOUTS`; contiguous where it has too few dimensions or rows, or "far" has no room."""
    if layout == "transposed" and x.ndim > 1:
        return x.mT.clone(memory_format=torch.contiguous_format).mT
    if layout == "strided" and x.ndim:
        return x.repeat_interleave(2, dim=-1)[..., ::2]
    if layout == "offset" and x.ndim and len(x):
        return torch.cat((x[:1], x))[1:]
    if layout == "far" and x.ndim == 2 and len(x) > 1 and x.device.type == "cpu" and sys.platform == "linux":
        return _far(x)
    return x.clone(memory_format=torch.contiguous_format)


def _far(x: Tensor) -> Tensor:
    stride = 2**31 // (len(x) - 1) + 1
    out = unbacked((len(x) - 1) * stride + x.shape[1], dtype=x.dtype)
    return out.as_strided(x.shape, (stride, 1)).copy_(x)


def unbacked(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Zeros that take memory only where they are written: tensors of more than 2^31 numbers on a small machine.

    Linux only, on the CPU; raises OSError where the system gives no address space.
    """
    count = torch.Size(shape).numel()
    room = max(count, 1) * torch.empty(0, dtype=dtype).element_size()
    pages = mmap.mmap(-1, room, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE)
    return torch.frombuffer(pages, dtype=dtype, count=max(count, 1))[:count].view(shape)
