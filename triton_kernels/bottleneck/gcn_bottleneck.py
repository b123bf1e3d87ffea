"""GA-Net's adapter as one operation: project, message, activate, project back, add."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional

from ..device import compiled_or, runs_triton
from ..message_passing.library import applied
from ..message_passing.normalise import Norm
from ..message_passing.propagate import message_pass, propagate
from ..sparse.sparse_graph import SparseGraph
from .activations import Activation, activate, activation_gradient

Settings = tuple[Norm, Activation, float]
BLOCK = 2**20
"""Numbers of x that the way back up takes at a time: in float32 4 MB, which the last-level cache keeps."""


def gcn_bottleneck(
    x: Tensor,
    graph: SparseGraph,
    w_down: Tensor,
    w_gcn: Tensor,
    w_up: Tensor,
    *,
    b_down: Tensor | None = None,
    b_gcn: Tensor | None = None,
    b_up: Tensor | None = None,
    w_self: Tensor | None = None,
    norm: Norm = "sym",
    activation: Activation = "gelu",
    scale: float = 1.0,
) -> Tensor:
    """Z = X + a (phi(Â H Wg' + H W0' + bg) Wu' + bu) with H = X Wd' + bd; weights as `nn.Linear` has them.

    Without `w_self` the first two projections are one: Â (X Wd' + bd) Wg' = Â (X (Wg Wd)' + Wg bd), so x is read once.
    What follows is one autograd function that keeps the state before the activation and nothing else. Cheng & Lu,
    arXiv 2408.00290, for the adapter; the arrangement is ours. `reference.gcn_bottleneck` is the same in plain steps.
    Differentiable with respect to everything, twice too; forward mode goes by the plain steps. Under autocast the
    products have its dtype and messages are summed in float32.

    Args:
        x: floating [N, d]; on a CPU float16 and bfloat16 go by the plain steps, on a GPU float64 does.
        graph: square, [N, N], self-loops included (`graph.with_self_loops()`).
        w_down: [r, d].
        w_gcn: [r, r].
        w_up: [d, r].
        b_down: [r]; biases default to none.
        b_gcn: [r].
        b_up: [d].
        w_self: [r, r], W0: weights of a node's own state; none by default (the plain GCN).
        norm: how Â is normalised, see `propagate`.
        activation: phi.
        scale: the factor a.

    Returns:
        [N, d], of x's dtype (under autocast that of its addition).

    Raises:
        ValueError: as `propagate`, and for an activation of another name.
    """
    settings, weights, biases = (norm, activation, scale), (w_down, w_gcn, w_up), (b_down, b_gcn, b_up)

    def with_triton() -> Tensor:
        from .triton_bottleneck import fused

        return fused(x, graph, weights, biases, w_self, settings)

    def without() -> Tensor:
        return _in_blocks(x, graph, weights, biases, w_self, settings)

    if _fuses_on_gpu(x, graph, *weights, *biases, w_self):
        return compiled_or("gcn_bottleneck", x, with_triton, without)
    return without()


def _in_blocks(
    x: Tensor, graph: SparseGraph, weights: tuple[Tensor, Tensor, Tensor],
    biases: tuple[Tensor | None, Tensor | None, Tensor | None], w_self: Tensor | None, settings: Settings,
) -> Tensor:  # fmt: skip
    (w_down, w_gcn, w_up), (b_down, b_gcn, b_up) = weights, biases
    if w_self is None:
        message = functional.linear(x, w_gcn @ w_down, None if b_down is None else w_gcn @ b_down)
        own = None
    else:
        hidden = functional.linear(x, w_down, b_down)
        message, own = functional.linear(hidden, w_gcn), functional.linear(hidden, w_self)
    if not _fuses(x, message, graph):
        return plain_tail(graph, message, own, x, b_gcn, w_up, b_up, *settings)
    return cast(Tensor, applied(_Tail, message, own, x, b_gcn, w_up, b_up, graph, settings)[0])


def plain_tail(
    graph: SparseGraph,
    message: Tensor,
    own: Tensor | None,
    x: Tensor,
    b_gcn: Tensor | None,
    w_up: Tensor,
    b_up: Tensor | None,
    norm: Norm,
    activation: Activation,
    scale: float,
) -> Tensor:
    """X + a (phi(Â M + O + bg) Wu' + bu), step by step."""
    state = propagate(graph, message, norm=norm)
    state = state if own is None else state + own
    state = state if b_gcn is None else state + b_gcn
    return x + scale * functional.linear(activate(activation, state), w_up, b_up)


def _fuses_on_gpu(x: Tensor, graph: SparseGraph, *weights: Tensor | None) -> bool:
    there = [one for one in weights if one is not None]
    if torch.compiler.is_compiling() or not runs_triton(x) or _learned(graph) or _forward_mode(x, *there):
        return False
    from .triton_bottleneck import fuses

    return fuses(x, *weights)


def _learned(graph: SparseGraph) -> bool:
    return graph.weight is not None and graph.weight.requires_grad


def _fuses(x: Tensor, message: Tensor, graph: SparseGraph) -> bool:
    same = x.dtype == message.dtype and x.dtype in (torch.float32, torch.float64)
    return same and not _learned(graph) and not torch.compiler.is_compiling() and not _forward_mode(x, message)


def _forward_mode(*tensors: Tensor) -> bool:
    if forward_ad._current_level < 0:
        return False
    return any(forward_ad.unpack_dual(tensor).tangent is not None for tensor in tensors)  # type: ignore[no-untyped-call]


def _up(x: Tensor, state: Tensor, w_up: Tensor, b_up: Tensor | None, activation: Activation, scale: float) -> Tensor:
    """X + a (phi(S) Wu' + bu), a block of rows at a time: the product never leaves the cache."""
    w_up, b_up = _times(scale, w_up), None if b_up is None else _times(scale, b_up)
    if len(x) <= (rows := _block(x)):
        return x + functional.linear(activate(activation, state), w_up, b_up)
    out = torch.empty_like(x)
    for place, residual, here in zip(*(torch.split(tensor, rows) for tensor in (out, x, state)), strict=True):
        torch.add(residual, functional.linear(activate(activation, here), w_up, b_up), out=place)
    return out


def _up_back(
    ahead: Tensor, state: Tensor, w_up: Tensor, wanted: Sequence[bool], activation: Activation, scale: float
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """The gradients of S, and of Wu and bu where wanted: [N, r], [d, r], [d]."""
    through = activation_gradient(activation, functional.linear(ahead, _times(scale, w_up.T)), state)
    up = _times(scale, ahead.T @ activate(activation, state)) if wanted[0] else None
    return through, up, _times(scale, ahead.sum(0)) if wanted[1] else None


def _times(scale: float, x: Tensor) -> Tensor:
    return x if scale == 1 else scale * x


def _up_back_in_blocks(
    ahead: Tensor, state: Tensor, w_up: Tensor, wanted: Sequence[bool], activation: Activation, scale: float
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """`_up_back`, with a block of rows in the cache at a time; written in place, so not to be differentiated."""
    if len(ahead) <= (rows := _block(ahead)):
        return _up_back(ahead, state, w_up, wanted, activation, scale)
    through, sums = ahead.new_empty(state.shape), None
    for place, some, here in zip(*(torch.split(tensor, rows) for tensor in (through, ahead, state)), strict=True):
        part, *more = _up_back(some, here, w_up, wanted, activation, scale)
        place.copy_(part)
        pairs = zip(sums or (None, None), more, strict=True)
        sums = [one if total is None or one is None else total + one for total, one in pairs]
    return through, *(sums or (None, None))


def _block(x: Tensor) -> int:
    """How many rows of x are BLOCK numbers; the same on any number of threads, as sums are taken by blocks."""
    return max(64, BLOCK // max(1, x.shape[1]) // 64 * 64)


class _Tail(torch.autograd.Function):
    """`plain_tail`, keeping only the state before the activation, which is an output so that second derivatives
    hold."""

    @staticmethod
    def forward(
        message: Tensor, own: Tensor | None, x: Tensor, b_gcn: Tensor | None, w_up: Tensor, b_up: Tensor | None,
        graph: SparseGraph, settings: tuple[Norm, Activation, float],
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        norm, activation, scale = settings
        state = propagate(graph, message, norm=norm)
        for term in (own, b_gcn):
            state = state if term is None else state.add_(term)
        return _up(x, state, w_up, b_up, activation, scale), state

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.graph, ctx.settings = inputs[6:]
        ctx.save_for_backward(inputs[4], output[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        ahead, state_gradient = gradients
        w_up, state = ctx.saved_tensors
        norm, activation, scale = ctx.settings
        need = ctx.needs_input_grad
        up_gradient = up_bias = None
        if ahead is not None:
            back = _up_back if torch.is_grad_enabled() else _up_back_in_blocks  # enabled: second derivatives follow
            through, up_gradient, up_bias = back(ahead, state, w_up, need[4:6], activation, scale)
            state_gradient = through if state_gradient is None else through + state_gradient
        if state_gradient is None:
            return (None,) * 8
        message = message_pass(ctx.graph, state_gradient, norm, transposed=True) if need[0] else None
        own = state_gradient if need[1] else None
        bias = state_gradient.sum(0) if need[3] else None
        return message, own, ahead if need[2] else None, bias, up_gradient, up_bias, None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        *tensors, graph, (norm, activation, scale) = inputs

        def step(*tensors: Any) -> tuple[Tensor, Tensor]:
            message, own, x, b_gcn, w_up, b_up = tensors
            state = propagate(graph, message, norm=norm)
            for term in (own, b_gcn):
                state = state if term is None else state + term
            return x + scale * functional.linear(activate(activation, state), w_up, b_up), state

        return torch.func.vmap(step, in_dims=in_dims[:6])(*tensors), (0, 0)
