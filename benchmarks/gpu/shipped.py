"""Every configuration of a kernel that ships, as a call that launches it: what `compile_evidence` compiles.

Sizes are small; types, alignments and constants are those of real calls. Import it where Triton is not interpreted.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from ...triton_kernels.bottleneck.triton_bottleneck import through_activation, up
from ...triton_kernels.configurations import configuration
from ...triton_kernels.message_passing.triton_normalise import normalised_values
from ...triton_kernels.message_passing.triton_propagate import sddmm, spmm
from ...triton_kernels.similarity.triton_compact import count_bits, fill
from ...triton_kernels.similarity.triton_rows import low_rows
from ...triton_kernels.similarity.triton_screen import defaults as screen_defaults
from ...triton_kernels.similarity.triton_screen import screen
from ...triton_kernels.similarity.triton_similarity import Room
from ...triton_kernels.similarity.triton_verify import launch_rows, verified

WIDTHS = (16, 64, 128, 256)
"""Features a node."""
N, EDGES = 4096, 8192


def calls() -> dict[str, Callable[[], object]]:
    """Name to call; a call may launch several kernels."""
    return {**_messages(), **_adapters(), **_similarities()}


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


def _adapters() -> dict[str, Callable[[], object]]:
    made: dict[str, Callable[[], object]] = {}
    for dtype in (torch.float32, torch.bfloat16):
        x, state, up_weight = (torch.zeros(N, n, dtype=dtype) for n in (512, 64, 64))
        bias = torch.zeros(512, dtype=dtype)
        name = f"512-64-512 {str(dtype)[6:]}"
        made[f"adapter's way up {name}"] = partial(_up, state, up_weight[:512], bias, x)
        if dtype != torch.float32:
            wide = torch.zeros(N, 512)
            made[f"adapter's way up {name}, autocast"] = partial(up, state, up_weight[:512], bias, wide, "gelu", 1.0)
        made[f"adapter's activation {name}"] = partial(through_activation, state, state, "gelu", 1.0)
    return made


def _up(state: Tensor, w_up: Tensor, b_up: Tensor, x: Tensor) -> Tensor:
    """In float32 as tf32: exact products are torch's own."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        return up(state, w_up, b_up, x, "gelu", 1.0)
    finally:
        torch.set_float32_matmul_precision(before)


def _screen(low: Tensor, scale: Tensor, mask: Tensor, tma: bool) -> None:
    """Cut as the card's configuration says, where that is of this way."""
    width, default = str(low.shape[1]), screen_defaults(tma)
    chosen = configuration("screen", width, {"INTEGER": 0, **default}, low.device)
    cut = {name: value for name, value in chosen.items() if name != "INTEGER"} if chosen["TMA"] == tma else default
    screen((low, low), (scale, scale), scale[:1], 0.7, True, mask, 0, 0, cut)


def _similarities() -> dict[str, Callable[[], object]]:
    rows, words, width = 512, 16, 512
    x, counts = torch.zeros(rows, width), Room.of(rows, torch.device("cpu"))
    mask, pairs = torch.zeros(rows, words, dtype=torch.int32), torch.zeros(EDGES, dtype=torch.int32)
    inverse, scale = torch.zeros(rows, dtype=torch.float64), torch.zeros(rows)
    made: dict[str, Callable[[], object]] = {}
    for dtype in (torch.float16, torch.int8):
        name, low = str(dtype)[6:], torch.zeros(rows, width, dtype=dtype)
        made[f"rows 512 to {name}"] = partial(low_rows, x, dtype, counts.facts, 2)
        for tma in (False, True):
            made[f"screen {name}{' by TMA' if tma else ''}"] = partial(_screen, low, scale, mask, tma)
    made["counts of bits"] = partial(count_bits, mask, pairs, True, 128)
    made["columns of bits"] = partial(fill, mask, counts.offset, pairs, 0, True, 128)
    made["verification 512"] = partial(verified, x, x, (inverse, inverse), counts.offset, pairs, 0.7, counts.many)
    made["sparse rows"] = partial(launch_rows, counts.offset, pairs, scale, torch.zeros(2, rows + 1).long(), rows)
    return made
