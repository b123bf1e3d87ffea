"""Products of chosen pairs of rows (a sampled dense-dense product): what verifies pairs and what edge gradients are."""

import torch
from torch import Tensor


def pair_products(a: Tensor, b: Tensor, row: Tensor, col: Tensor) -> Tensor:
    """[E]: a[row] · b[col], for a [N, D] and b [M, D] of one dtype, row and col integer [E]; no [E, D] in between
    on a CPU.

    On a CPU this is the kernel that `embedding_bag` uses for the gradient of its weights: ten times faster than
    gathering both sides, and its summation order depends on D alone. Elsewhere pairs are gathered in chunks.
    """
    if a.device.type != "cpu":
        return _gathered(a, b, row, col)
    row, col = row.to(col.dtype), col.contiguous()
    offsets = col.new_zeros(1)  # which row each pair belongs to is given, so the offsets are not looked at
    return torch.ops.aten._embedding_bag_per_sample_weights_backward(  # type: ignore[no-any-return]
        a.contiguous(), b.contiguous(), col, offsets, row.contiguous(), 0, -1
    )


def _gathered(a: Tensor, b: Tensor, row: Tensor, col: Tensor, pairs: int = 1 << 16) -> Tensor:
    chunks = [(a[r] * b[c]).sum(1) for r, c in zip(torch.split(row, pairs), torch.split(col, pairs), strict=True)]
    return torch.cat([a.new_empty(0), *chunks])
