"""The two primitives as torch.library operators, by device: `graftwork::spmm` and `graftwork::sddmm`.

Every derivative of message passing is one of the two on another structure, so the operators have no autograd formula of
their own to get wrong: `spmm.py` has them, for eager mode and `torch.func`, and `message_pass` below for
`torch.compile`.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch._functorch.utils import unwrap_dead_wrappers
from torch.nn import functional

from ..device import compiled_or, runs_triton
from .sddmm import pair_products


def applied(function: type[torch.autograd.Function], *given: Any) -> Any:
    """``function.apply`` of arguments that are all there, in order: torch would bind them to the signature of
    ``forward``, at each call, which takes longer than a launch."""
    if torch._C._are_functorch_transforms_active():
        return function.apply(*given)  # type: ignore[no-untyped-call]
    return super(torch.autograd.Function, function).apply(*unwrap_dead_wrappers(given))  # type: ignore[misc]


def _spmm_here(rowptr: Tensor, col: Tensor, value: Tensor | None, h: Tensor) -> Tensor:
    if runs_triton(h):
        return compiled_or(
            "propagate", h, lambda: _triton_spmm(rowptr, col, value, h), lambda: _by_bags(rowptr, col, value, h)
        )
    return _by_bags(rowptr, col, value, h)


def _triton_spmm(rowptr: Tensor, col: Tensor, value: Tensor | None, h: Tensor) -> Tensor:
    from .triton_propagate import spmm as triton_spmm

    return triton_spmm(rowptr, col, value, h)


def _by_bags(rowptr: Tensor, col: Tensor, value: Tensor | None, h: Tensor) -> Tensor:
    if h.dtype in (torch.float16, torch.bfloat16):
        return _by_bags(rowptr, col, value, h.float()).to(h.dtype)
    if h.shape[1] == 0:  # which embedding_bag refuses on more than one thread
        return h.new_empty(rowptr.shape[0] - 1, 0)
    # embedding_bag is a fused CPU SpMM
    return functional.embedding_bag(col, h, rowptr, mode="sum", per_sample_weights=value, include_last_offset=True)


_spmm = torch.library.custom_op("graftwork::spmm", mutates_args=())(_spmm_here)


@_spmm.register_fake
def _(rowptr: Tensor, col: Tensor, value: Tensor | None, h: Tensor) -> Tensor:
    return h.new_empty(rowptr.shape[0] - 1, h.shape[1])


def _sddmm_here(row: Tensor, col: Tensor, a: Tensor, b: Tensor) -> Tensor:
    def with_triton() -> Tensor:
        from .triton_propagate import sddmm as triton_sddmm

        return triton_sddmm(row, col, a, b)

    def without() -> Tensor:
        return pair_products(a, b, row, col)

    return compiled_or("edge products", a, with_triton, without) if runs_triton(a) else without()


_sddmm = torch.library.custom_op("graftwork::sddmm", mutates_args=())(_sddmm_here)


@_sddmm.register_fake
def _(row: Tensor, col: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return a.new_empty(col.shape[0])


def spmm(rowptr: Tensor, col: Tensor, value: Tensor | None, h: Tensor) -> Tensor:
    """[N, r]: out_i = sum_e value_e h[col_e] over row i's edges; by the operator where `torch.compile` looks.

    Args:
        rowptr: int32 or int64 [N + 1].
        col: the same integers [E].
        value: h's dtype [E] (float32 for a narrower one), or None for ones.
        h: floating [M, r], contiguous; float16 and bfloat16 are summed in float32 and rounded once.
    """
    if _directly(h):
        return _spmm_here(rowptr, col, value, h)
    return cast(Tensor, _spmm(rowptr, col, value, h))


def sddmm(row: Tensor, col: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """[E]: a[row_e] · b[col_e]; a [N, r] and b [M, r] float32 or float64."""
    return _sddmm_here(row, col, a, b) if _directly(a) else cast(Tensor, _sddmm(row, col, a, b))


def _directly(features: Tensor) -> bool:
    """Whether nobody looks at operators: one of ours costs three times the work itself."""
    return type(features) is Tensor and not torch.compiler.is_compiling()


@torch.library.custom_op("graftwork::weighted_pass", mutates_args=())
def _weighted_pass(
    rowptr: Tensor, col: Tensor, row: Tensor, value: Tensor, order: Tensor, back_rowptr: Tensor, back_col: Tensor,
    h: Tensor,
) -> Tensor:  # fmt: skip
    return spmm(rowptr, col, value, h)


@_weighted_pass.register_fake
def _(
    rowptr: Tensor, col: Tensor, row: Tensor, value: Tensor, order: Tensor, back_rowptr: Tensor, back_col: Tensor,
    h: Tensor,
) -> Tensor:  # fmt: skip
    return h.new_empty(rowptr.shape[0] - 1, h.shape[1])


def _remember_weighted(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, *saved = inputs
    ctx.save_for_backward(*saved)


def _weighted_pass_back(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
    col, row, value, order, back_rowptr, back_col, h = ctx.saved_tensors
    gradient = gradient.contiguous()
    gradient_value = sddmm(row, col, gradient, h) if ctx.needs_input_grad[3] else None
    gradient_h = spmm(back_rowptr, back_col, value[order], gradient) if ctx.needs_input_grad[7] else None
    return None, None, None, gradient_value, None, None, None, gradient_h


_weighted_pass.register_autograd(_weighted_pass_back, setup_context=_remember_weighted)


def weighted_pass(
    rowptr: Tensor, col: Tensor, row: Tensor, value: Tensor, order: Tensor, back: tuple[Tensor, Tensor], h: Tensor
) -> Tensor:
    """`spmm(rowptr, col, value, h)`, once differentiable with respect to value and h: what `torch.compile` traces.

    `row` is the row of each edge, `back` the transpose's row pointers and columns, `order` its permutation.
    """
    return cast(Tensor, _weighted_pass(rowptr, col, row, value, order, *back, h))


@torch.library.custom_op("graftwork::message_pass", mutates_args=())
def _message_pass(
    rowptr: Tensor, col: Tensor, value: Tensor | None, back_rowptr: Tensor, back_col: Tensor, back_value: Tensor | None,
    h: Tensor,
) -> Tensor:  # fmt: skip
    return spmm(rowptr, col, value, h)


@_message_pass.register_fake
def _(
    rowptr: Tensor, col: Tensor, value: Tensor | None, back_rowptr: Tensor, back_col: Tensor, back_value: Tensor | None,
    h: Tensor,
) -> Tensor:  # fmt: skip
    return h.new_empty(rowptr.shape[0] - 1, h.shape[1])


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:6])


def _message_pass_back(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
    rowptr, col, value, *back = ctx.saved_tensors
    return None, None, None, None, None, None, _message_pass(*back, rowptr, col, value, gradient.contiguous())


_message_pass.register_autograd(_message_pass_back, setup_context=_remember)


def message_pass(
    forward: tuple[Tensor, Tensor, Tensor | None], backward: tuple[Tensor, Tensor, Tensor | None], h: Tensor
) -> Tensor:
    """`spmm(*forward, h)`, whose gradient with respect to h is `spmm(*backward, gradient)`: what `torch.compile`
    traces."""
    return cast(Tensor, _message_pass(*forward, *backward, h))
