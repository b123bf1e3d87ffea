"""Every configuration of a kernel that ships, as a call that launches it: what `compile_evidence` compiles.

Sizes are small; types, alignments and constants are those of real calls. Import it where Triton is not interpreted.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...triton_kernels.bottleneck.triton_bottleneck import tail
from ...triton_kernels.message_passing.triton_propagate import sddmm, spmm
from ...triton_kernels.similarity.triton_similarity import _survivors_kernel

WIDTHS = (16, 64, 128, 256)
"""Features a node."""
N, EDGES = 4096, 8192


def calls() -> dict[str, Callable[[], object]]:
    """Name to call; a call may launch several kernels."""
    return {**_messages(), **_adapters(), **_similarities()}


def _csr() -> tuple[Tensor, Tensor]:
    return torch.zeros(N + 1, dtype=torch.int32), torch.zeros(EDGES, dtype=torch.int32)


def _messages() -> dict[str, Callable[[], object]]:
    (rowptr, col), value = _csr(), torch.zeros(EDGES)
    made: dict[str, Callable[[], object]] = {}
    for width in WIDTHS:
        h = torch.zeros(N, width)
        made[f"messages r={width}"] = lambda h=h: spmm(rowptr, col, value, h)  # type: ignore[misc]
    made["edge products r=64"] = lambda: sddmm(col, col, torch.zeros(N, 64), torch.zeros(N, 64))
    return made


def _adapters() -> dict[str, Callable[[], object]]:
    (rowptr, col), value = _csr(), torch.zeros(EDGES)
    x, state, up = torch.zeros(N, 512), torch.zeros(N, 64), torch.zeros(512, 64)
    small, wide = torch.zeros(64), torch.zeros(512)
    return {"adapter 512-64-512": lambda: tail(rowptr, col, value, state, None, x, small, up, wide, "gelu", 1.0)}


def _similarities() -> dict[str, Callable[[], object]]:
    low, keys = torch.zeros(N, 512, dtype=torch.float16), torch.zeros(N, dtype=torch.int64)
    sizes = (100_000, 100_000, 512, 0.7, 4_800_000, 782, 782)
    blocks = {"SYMMETRIC": True, "BLOCK": 128, "K": 64, "GROUP": 8}
    return {"graph 512": lambda: _survivors_kernel[(8,)](low, low, keys, keys, *sizes, **blocks)}
