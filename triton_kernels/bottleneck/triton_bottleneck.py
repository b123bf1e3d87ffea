"""The adapter on a GPU: the library's products, and between them kernels that touch every number once.

Forward, four launches: H = X Wd' + bd; M = Â H; S = M Wg' + bg (+ H W0'); and the way up, which activates S as it reads
it, multiplies, and adds bias and residual. Â (H Wg') is (Â H) Wg', so that no small product of weights stands before.
Exact float32 products are the library's on the way up as well, which is two launches more: on an H100 the kernel, which
has no tensor core for them, took longer than the rest of the forward pass.
Backward, nine: M and the activated states are written with a column of ones behind them, so that one product gives the
gradient of weights and of a bias. Kept are X, H where W0 needs it, M and S. No blocks: what a cache would keep on a CPU
is bandwidth here.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, cast

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional

from ..configurations import cdiv, configuration, next_power_of_2
from ..device import compiled_or
from ..message_passing.normalise import Norm, operator
from ..message_passing.propagate import propagate
from ..message_passing.triton_propagate import spmm
from ..sparse.sparse_graph import SparseGraph
from .activations import Activation, activate

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
WIDEST = 256
"""Features of a bottleneck that one program multiplies."""
SMALL, LARGE = {"BM": 64, "BN": 64, "num_warps": 8}, {"BM": 128, "BN": 128, "num_warps": 8}
"""How the way up is cut, in float32 and in half precision: no spills on sm_80 and sm_90; not timed."""
BLOCK = 1024
"""Numbers that a program of the activation's derivative has."""
Settings = tuple[Norm, Activation, float]


@triton.jit  # type: ignore[untyped-decorator]
def _activated(x, ACTIVATION: tl.constexpr):  # type: ignore[no-untyped-def]
    if ACTIVATION == "relu":
        return tl.where(x < 0, 0.0, x)  # compiled, tl.maximum would turn NaN into 0
    if ACTIVATION == "gelu":
        return 0.5 * x * (1.0 + tl.erf(x * 0.7071067811865476))
    e = tl.exp(-2.0 * tl.abs(x))  # tanh, without overflow
    return tl.where(x < 0, -1.0, 1.0) * (1.0 - e) / (1.0 + e)


@triton.jit  # type: ignore[untyped-decorator]
def _slope(x, ACTIVATION: tl.constexpr):  # type: ignore[no-untyped-def]
    """phi'(x); NaN where x is."""
    if ACTIVATION == "relu":
        return tl.where(x <= 0, 0.0, 1.0)
    if ACTIVATION == "gelu":
        return 0.5 * (1.0 + tl.erf(x * 0.7071067811865476)) + x * 0.3989422804014327 * tl.exp(-0.5 * x * x)
    t = _activated(x, ACTIVATION)
    return 1.0 - t * t


@triton.jit(do_not_specialize=["n"])  # type: ignore[untyped-decorator]
def _up_kernel(  # type: ignore[no-untyped-def]
    state, w_up, b_up, x, out, n, r, d, scale,
    HAS_B: tl.constexpr, ACTIVATION: tl.constexpr, PRECISION: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
    R: tl.constexpr,
):  # fmt: skip
    """out = x + scale (phi(state) w_up' + b_up); the columns of a row of blocks come after each other."""
    row = tl.program_id(0) // tl.cdiv(d, BN) * BM + tl.arange(0, BM)
    column = tl.program_id(0) % tl.cdiv(d, BN) * BN + tl.arange(0, BN)
    start = row.to(tl.int64)[:, None]
    k = tl.arange(0, R)
    inside = (row < n)[:, None] & (k < r)[None, :]
    s = tl.load(state + start * r + k[None, :], mask=inside, other=0)
    active = tl.where((k < r)[None, :], _activated(s.to(tl.float32), ACTIVATION), 0.0).to(s.dtype)
    up = tl.load(w_up + column[None, :] * r + k[:, None], mask=(column < d)[None, :] & (k < r)[:, None], other=0)
    change = tl.dot(active, up, input_precision=PRECISION)
    if HAS_B:
        change += tl.load(b_up + column, mask=column < d, other=0).to(tl.float32)[None, :]
    at, mask = start * d + column[None, :], (row < n)[:, None] & (column < d)[None, :]
    residual = tl.load(x + at, mask=mask, other=0)  # after the product: before, it would take its registers
    tl.store(out + at, (residual.to(tl.float32) + scale * change).to(out.dtype.element_ty), mask=mask)


@triton.jit(do_not_specialize=["n"])  # type: ignore[untyped-decorator]
def _slope_kernel(  # type: ignore[no-untyped-def]
    gradient, state, active, n, r, stride, scale, ACTIVATION: tl.constexpr, ROWS: tl.constexpr, R: tl.constexpr
):
    """gradient <- scale gradient phi'(state); active <- scale [phi(state), 1]."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    k = tl.arange(0, R)
    start = row.to(tl.int64)[:, None]
    mask = (row < n)[:, None] & (k < r)[None, :]
    s = tl.load(state + start * r + k[None, :], mask=mask, other=0).to(tl.float32)
    g = tl.load(gradient + start * r + k[None, :], mask=mask, other=0).to(tl.float32)
    turned = (scale * g * _slope(s, ACTIVATION)).to(gradient.dtype.element_ty)
    tl.store(gradient + start * r + k[None, :], turned, mask=mask)
    value = tl.where((k < r)[None, :], scale * _activated(s, ACTIVATION), scale).to(active.dtype.element_ty)
    tl.store(active + start * stride + k[None, :], value, mask=(row < n)[:, None] & (k <= r)[None, :])


def fused(
    x: Tensor, graph: SparseGraph, weights: tuple[Tensor, Tensor, Tensor],
    biases: tuple[Tensor | None, Tensor | None, Tensor | None], w_self: Tensor | None, settings: Settings,
) -> Tensor:  # fmt: skip
    """`gcn_bottleneck` where `fuses`; weights and biases of down, gcn and up."""
    low, kind = _multiplied(x), x.device.type
    given = (one if one is None or one.dtype == low else one.to(low) for one in (*weights, *biases, w_self))
    with torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext():
        return cast(Tensor, _Adapter.apply(x, *given, graph, settings))  # type: ignore[no-untyped-call]


def _multiplied(x: Tensor) -> torch.dtype:
    """What products are of: autocast's dtype where it is on."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


def fuses(x: Tensor, *weights: Tensor | None) -> bool:
    """Whether the kernels take these: dtypes that they know, one for all where autocast is off, something in every
    dimension, no transform, and a bottleneck that a program holds."""
    there = [one for one in weights if one is not None]
    low = _multiplied(x)
    if low not in DTYPES or there[0].shape[0] > WIDEST:
        return False
    known = (low,) if not torch.is_autocast_enabled(x.device.type) else (torch.float32, low)
    wrapped = torch._C._functorch.is_functorch_wrapped_tensor
    return not any(one.dtype not in known or not one.numel() or wrapped(one) for one in (x, *there))


def up(
    state: Tensor, w_up: Tensor, b_up: Tensor | None, x: Tensor, activation: Activation, scale: float, **cut: int
) -> Tensor:
    """x + scale (phi(state) w_up' + b_up), [N, d]; all but x of one dtype, state [N, r] and x contiguous."""
    (n, d), r = x.shape, state.shape[1]
    out, w_up = torch.empty_like(x), w_up.contiguous()
    precision = "ieee" if _exact_products() else "tf32"
    kind = precision if state.dtype == torch.float32 else str(state.dtype)[6:]
    meta = configuration("up", f"{r} {kind}", SMALL if state.dtype == torch.float32 else LARGE, x.device) | cut
    programs = cdiv(n, meta["BM"]) * cdiv(d, meta["BN"])
    _up_kernel[(programs,)](
        state, w_up, w_up if b_up is None else b_up.contiguous(), x, out, n, r, d, scale,
        HAS_B=b_up is not None, ACTIVATION=activation, PRECISION=precision, R=max(16, next_power_of_2(r)),
        **meta,
    )  # fmt: skip
    return out


def up_by_torch(
    state: Tensor, w_up: Tensor, b_up: Tensor | None, x: Tensor, activation: Activation, scale: float
) -> Tensor:
    """The same by torch's own product, all of one dtype; beside the result it has phi(state), [N, r]."""
    change = functional.linear(activate(activation, state), w_up, b_up)
    return torch.add(x, change, alpha=scale, out=change)


def _exact_products() -> bool:
    return torch.get_float32_matmul_precision() == "highest"


def through_activation(gradient: Tensor, state: Tensor, activation: Activation, scale: float) -> Tensor:
    """Turns the gradient of scale phi(state) into that of state, in place; gives scale [phi(state), 1], padded."""
    n, r = state.shape
    active = state.new_empty(n, (r // 8 + 1) * 8)
    block = next_power_of_2(r + 1)
    rows = max(1, BLOCK // block)
    _slope_kernel[(cdiv(n, rows),)](
        gradient, state, active, n, r, active.shape[1], scale, ACTIVATION=activation, ROWS=rows, R=block
    )
    return active


class _Adapter(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, w_down: Tensor, w_gcn: Tensor, w_up: Tensor, b_down: Tensor | None, b_gcn: Tensor | None,
        b_up: Tensor | None, w_self: Tensor | None, graph: SparseGraph, settings: Settings,
    ) -> Tensor:  # fmt: skip
        norm, activation, scale = settings
        x = x.contiguous()
        low = x.to(w_down.dtype)
        hidden = functional.linear(low, w_down, b_down)
        heard = spmm(*operator(graph, norm, False, torch.float32), hidden, ones=True)
        state = functional.linear(heard[:, : w_gcn.shape[1]], w_gcn, b_gcn)
        state = state if w_self is None else torch.addmm(state, hidden, w_self.T)
        ctx.save_for_backward(x, w_down, w_gcn, w_up, b_down, b_gcn, b_up, w_self)
        ctx.kept = (low, hidden if w_self is not None else None, heard, state)
        ctx.graph, ctx.settings = graph, settings
        way_up = up_by_torch if state.dtype == torch.float32 and _exact_products() else up
        return way_up(state, w_up, b_up, x, activation, scale)

    @staticmethod
    def backward(ctx: Any, ahead: Tensor) -> Any:
        need = ctx.needs_input_grad[:8]
        if torch.is_grad_enabled() or _transformed(ahead):  # second derivatives follow, or many gradients at once
            return *_differentiable(ctx, ahead, need), None, None
        found = compiled_or(
            "gcn_bottleneck's gradients",
            ahead,
            lambda: _gradients(ctx, ahead.contiguous(), need),
            lambda: _differentiable(ctx, ahead, need),
        )
        return *(one if wants else None for one, wants in zip(found, need, strict=True)), None, None


def _gradients(ctx: Any, ahead: Tensor, need: Sequence[bool]) -> list[Tensor | None]:
    """Of x, the weights down, gcn and up, their biases, and W0; None where not needed."""
    _, w_down, w_gcn, w_up, *_, w_self = ctx.saved_tensors
    low, hidden, heard, state = ctx.kept
    norm, activation, scale = ctx.settings
    found: list[Tensor | None] = [None] * 8
    small = ahead.to(low.dtype)
    through = small @ w_up
    active = through_activation(through, state, activation, scale)
    if need[3] or need[6]:
        found[3], found[6] = _with_bias(small.T @ active, w_up.shape[1])
    if need[2] or need[5]:
        found[2], found[5] = _with_bias(through.T @ heard, w_gcn.shape[1])
    if need[7]:
        found[7] = through.T @ hidden
    if not (need[0] or need[1] or need[4]):
        return found
    lower = spmm(*operator(ctx.graph, norm, True, torch.float32), through @ w_gcn)
    lower = lower if w_self is None else torch.addmm(lower, through, w_self)
    found[1] = lower.T @ low if need[1] else None
    found[4] = lower.sum(0) if need[4] else None
    if need[0]:
        found[0] = torch.addmm(ahead, lower, w_down) if small is ahead else ahead + lower @ w_down
    return found


def _with_bias(product: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """A product with a column of ones in place: what stands before it, and its own column."""
    return product[:, :width], product[:, width]


def _differentiable(ctx: Any, ahead: Tensor, need: Sequence[bool]) -> list[Tensor | None]:
    """The same from plain steps, that torch can differentiate again."""
    inputs: tuple[Any, ...] = ctx.saved_tensors
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        out = _plain(ctx.graph, ctx.settings, *inputs)
        wanted = [one for one, wants in zip(inputs, need, strict=True) if wants]
        found = iter(torch.autograd.grad(out, wanted, ahead, create_graph=again))
    return [next(found) if wants else None for wants in need]


def _plain(
    graph: SparseGraph, settings: Settings, x: Tensor, w_down: Tensor, w_gcn: Tensor, w_up: Tensor,
    b_down: Tensor | None, b_gcn: Tensor | None, b_up: Tensor | None, w_self: Tensor | None,
) -> Tensor:  # fmt: skip
    norm, activation, scale = settings
    hidden = functional.linear(x.to(w_down.dtype), w_down, b_down)
    state = functional.linear(propagate(graph, hidden, norm=norm), w_gcn, b_gcn)
    state = state if w_self is None else state + functional.linear(hidden, w_self)
    return x + scale * functional.linear(activate(activation, state), w_up, b_up)


def _transformed(tensor: Tensor) -> bool:
    return bool(torch._C._functorch.is_functorch_wrapped_tensor(tensor))
