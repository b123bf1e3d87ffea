"""Every configuration of a kernel that ships, as a call that launches it: what `compile_evidence` compiles.

Sizes are small; types, alignments and constants are those of real calls. Import it where Triton is not interpreted.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from ...triton_kernels.message_passing.triton_normalise import normalised_values
from ...triton_kernels.message_passing.triton_propagate import sddmm, spmm
from ...triton_kernels.similarity.triton_similarity import _survivors_kernel

WIDTHS = (16, 64, 128, 256)
"""Features a node."""
N, EDGES = 4096, 8192


def calls() -> dict[str, Callable[[], object]]:
    """Name to call; a call may launch several kernels."""
    return {**_messages(), **_similarities()}


def _csr() -> tuple[Tensor, Tensor]:
    return torch.zeros(N + 1, dtype=torch.int32), torch.zeros(EDGES, dtype=torch.int32)


def _messages() -> dict[str, Callable[[], object]]:
    rowptr, col = _csr()
    made: dict[str, Callable[[], object]] = {}
    heavy = torch.arange(N + 1, dtype=torch.int32).clamp(max=1) * EDGES  # one row has all edges
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        value = torch.zeros(EDGES, dtype=torch.promote_types(dtype, torch.float32))
        for width in WIDTHS if dtype == torch.float32 else (16, 64, 256):
            h = torch.zeros(N, width, dtype=dtype)
            made[f"messages {str(dtype)[6:]} r={width}"] = partial(spmm, rowptr, col, value, h)
    made["messages float32 r=100, heavy rows"] = partial(spmm, heavy, col, None, torch.zeros(N, 100))
    pairs = torch.zeros(N, 64)
    made["edge products float32 r=64"] = partial(sddmm, col, col, pairs, pairs)
    weight, scale = torch.zeros(EDGES), torch.zeros(N, dtype=torch.float64)
    made["normalisation"] = partial(normalised_values, rowptr, col, weight, scale, scale, torch.float32)
    return made


def _similarities() -> dict[str, Callable[[], object]]:
    low, keys = torch.zeros(N, 512, dtype=torch.float16), torch.zeros(N, dtype=torch.int64)
    sizes = (100_000, 100_000, 512, 0.7, 4_800_000, 782, 782)
    blocks = {"SYMMETRIC": True, "BLOCK": 128, "K": 64, "GROUP": 8}
    return {"graph 512": lambda: _survivors_kernel[(8,)](low, low, keys, keys, *sizes, **blocks)}
