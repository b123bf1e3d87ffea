"""The fused adapter on a GPU: gather -> activation -> up-projection -> residual, a block of rows a program.

The state before the activation is written once, for the backward pass; the messages and the projected rows never are.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..message_passing.triton_propagate import HEAVY, sum_heavy_rows
from .activations import Activation

ROWS = 16
"""Rows a program has: the least that a tensor core multiplies."""
OUT = 64
"""Columns of the up-projection at once."""


@triton.jit  # type: ignore[untyped-decorator]
def _activated(x, ACTIVATION: tl.constexpr):  # type: ignore[no-untyped-def]
    if ACTIVATION == "relu":
        return tl.where(x < 0, 0.0, x)  # compiled, tl.maximum would turn NaN into 0
    if ACTIVATION == "gelu":
        return 0.5 * x * (1.0 + tl.erf(x * 0.7071067811865476))
    e = tl.exp(-2.0 * tl.abs(x))  # tanh, without overflow
    return tl.where(x < 0, -1.0, 1.0) * (1.0 - e) / (1.0 + e)


@triton.jit  # type: ignore[untyped-decorator]
def _tail_kernel(  # type: ignore[no-untyped-def]
    rowptr, col, value, message, own, x, b_gcn, w_up, b_up, state, out, n, r, d, scale,
    HAS_VALUE: tl.constexpr, HAS_OWN: tl.constexpr, HAS_B: tl.constexpr, HAS_UP: tl.constexpr,
    ACTIVATION: tl.constexpr, M: tl.constexpr, R: tl.constexpr, D: tl.constexpr, LIMIT: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * M + tl.arange(0, M)
    feature = tl.arange(0, R)
    here, wide = row < n, feature < r
    start = tl.load(rowptr + row, mask=here, other=0).to(tl.int64)
    end = tl.load(rowptr + row + 1, mask=here, other=0).to(tl.int64)
    heavy = end - start > LIMIT  # these were summed in segments already
    place = row[:, None] * r + feature[None, :]
    total = tl.load(state + place, mask=heavy[:, None] & wide[None, :], other=0)
    longest = tl.max(tl.where(heavy, 0, end - start), axis=0)
    step = tl.zeros([], dtype=tl.int64)
    while step < longest:
        edge = start + step
        inside = (edge < end) & (end - start <= LIMIT)
        sender = tl.load(col + edge, mask=inside, other=0).to(tl.int64)
        tile = tl.load(message + sender[:, None] * r + feature[None, :], mask=inside[:, None] & wide[None, :], other=0)
        if HAS_VALUE:
            tile *= tl.load(value + edge, mask=inside, other=0)[:, None]
        total += tile
        step += 1
    if HAS_OWN:
        total += tl.load(own + place, mask=here[:, None] & wide[None, :], other=0)
    if HAS_B:
        total += tl.load(b_gcn + feature, mask=wide, other=0)[None, :]
    tl.store(state + place, total, mask=here[:, None] & wide[None, :])
    active = tl.where(wide[None, :], _activated(total, ACTIVATION), 0.0)
    first = 0
    while first < d:
        column = first + tl.arange(0, D)
        up = tl.load(w_up + column[None, :] * r + feature[:, None], mask=(column < d)[None, :] & wide[:, None], other=0)
        change = tl.dot(active, up, input_precision="ieee")
        if HAS_UP:
            change += tl.load(b_up + column, mask=column < d, other=0)[None, :]
        at, mask = row[:, None] * d + column[None, :], here[:, None] & (column < d)[None, :]
        tl.store(out + at, tl.load(x + at, mask=mask, other=0) + scale * change, mask=mask)
        first += D


def tail(
    rowptr: Tensor, col: Tensor, value: Tensor | None, message: Tensor, own: Tensor | None, x: Tensor,
    b_gcn: Tensor | None, w_up: Tensor, b_up: Tensor | None, activation: Activation, scale: float,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """`plain_tail` and the state before the activation; float32, any strides."""
    message, x, w_up = (tensor.contiguous() for tensor in (message, x, w_up))
    extras = [None if tensor is None else tensor.contiguous() for tensor in (own, b_gcn, b_up)]
    (n, d), r = x.shape, message.shape[1]
    out, state = torch.empty_like(x), torch.empty_like(message)
    if n == 0:
        return out, state
    sum_heavy_rows(rowptr, col, value, message, state)
    values, own, b_gcn, b_up = (x if tensor is None else tensor for tensor in (value, *extras))
    block = max(16, triton.next_power_of_2(r))
    _tail_kernel[(triton.cdiv(n, ROWS),)](
        rowptr, col, values, message, own, x, b_gcn, w_up, b_up, state, out, n, r, d, scale,
        HAS_VALUE=value is not None, HAS_OWN=extras[0] is not None, HAS_B=extras[1] is not None,
        HAS_UP=extras[2] is not None, ACTIVATION=activation, M=ROWS, R=block, D=OUT, LIMIT=HEAVY,
    )  # fmt: skip
    return out, state
