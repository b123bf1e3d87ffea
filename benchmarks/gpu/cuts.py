"""What a day with a GPU tries: ways to cut each kernel into programs. Those that spill somewhere show as slow."""

from __future__ import annotations

import torch

Cut = dict[str, int]
#: (ROWS, EDGES, warps) by the block of features, four bytes a feature and two.
_MESSAGES = {
    (16, 4): ((8, 8, 1), (8, 4, 1), (32, 4, 4), (16, 4, 2), (2, 8, 1)),
    (64, 4): ((2, 8, 1), (4, 8, 2), (8, 8, 4), (8, 4, 4), (4, 8, 1), (2, 4, 1)),
    (128, 4): ((1, 8, 1), (2, 8, 2), (4, 8, 4), (4, 4, 4), (2, 8, 1), (1, 16, 1)),
    (64, 2): ((4, 8, 1), (2, 8, 1), (8, 8, 4), (4, 4, 1)),
    (128, 2): ((1, 8, 1), (2, 8, 1), (4, 8, 4), (1, 16, 1)),
}
#: (BM, BN, warps, stages) of the screen.
_SCREENS = ((128, 128, 8, 3), (128, 128, 4, 3), (128, 256, 8, 3), (128, 256, 8, 4), (256, 128, 8, 3))
#: (BM, BN, warps) of the way up.
_UPS = {4: ((64, 64, 8), (32, 64, 4), (32, 64, 8)), 2: ((128, 128, 8), (64, 128, 4), (64, 64, 4))}


def messages(block: int, itemsize: int) -> list[Cut]:
    """Of features of so many bytes."""
    many = _MESSAGES.get((block, itemsize), ())
    return [{"R": block, "ROWS": rows, "EDGES": edges, "num_warps": warps} for rows, edges, warps in many]


def screens(integer: bool, tma: bool) -> list[Cut]:
    """Of float16 or int8 rows."""
    common = {"INTEGER": int(integer), "TMA": int(tma), "GROUP": 8}
    return [{**common, "BM": bm, "BN": bn, "num_warps": warps, "STAGES": st} for bm, bn, warps, st in _SCREENS]


def ups(dtype: torch.dtype) -> list[Cut]:
    """Of one dtype."""
    return [{"BM": bm, "BN": bn, "num_warps": warps} for bm, bn, warps in _UPS[dtype.itemsize]]
