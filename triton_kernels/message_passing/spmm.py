"""Sparse times dense, and everything that its derivatives are made of: never a dense [N, M]."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from ..sparse.structure import Structure
from . import library


def spmm(structure: Structure, value: Tensor, h: Tensor) -> Tensor:
    """[N, r]: out_i = sum_e value_e h[col_e] over row i's edges; value [E] and h [M, r] of one floating dtype.

    Differentiable with respect to both any number of times and in forward mode: with respect to h it is `spmm` of the
    transpose, with respect to the values `sddmm`, and these two are each other's derivatives.
    """
    if torch.compiler.is_compiling():  # which cannot trace a function with a forward mode
        back = structure.transpose().compact
        row, order = structure.compact_row, structure.order
        return library.weighted_pass(*structure.compact, row, value.contiguous(), order, back, h.contiguous())
    return cast(Tensor, library.applied(_Spmm, value, h, structure))


def sddmm(structure: Structure, a: Tensor, b: Tensor) -> Tensor:
    """[E]: a[row_e] · b[col_e] at every edge; a [N, r] and b [M, r]."""
    return cast(Tensor, library.applied(_Sddmm, a, b, structure))


class _Spmm(torch.autograd.Function):
    @staticmethod
    def forward(value: Tensor, h: Tensor, structure: Structure) -> Tensor:
        return library.spmm(*structure.compact, value.contiguous(), h.contiguous())

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Structure], output: Tensor) -> None:
        value, h, ctx.structure = inputs
        ctx.save_for_backward(value, h)
        ctx.save_for_forward(value, h)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        value, h = ctx.saved_tensors
        structure: Structure = ctx.structure
        need_value, need_h, _ = ctx.needs_input_grad
        gradient_value = sddmm(structure, gradients[0], h) if need_value else None
        gradient_h = spmm(structure.transpose(), value[structure.order], gradients[0]) if need_h else None
        return gradient_value, gradient_h, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        value, h = ctx.saved_tensors
        parts = [spmm(ctx.structure, tangents[0], h)] if tangents[0] is not None else []
        parts += [spmm(ctx.structure, value, tangents[1])] if tangents[1] is not None else []
        return sum(parts[1:], parts[0])

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], value: Tensor, h: Tensor, structure: Structure) -> tuple[Tensor, int]:
        if in_dims[0] is not None:  # every example has weights of its own: nothing to share
            many = [
                spmm(structure, value.select(in_dims[0], i), h if in_dims[1] is None else h.select(in_dims[1], i))
                for i in range(info.batch_size)
            ]
            return torch.stack(many), 0
        h = h.movedim(in_dims[1], 1)  # [M, B, r]: a batch is only more features
        out = spmm(structure, value, h.flatten(1))
        return out.reshape(len(out), *h.shape[1:]), 1


class _Sddmm(torch.autograd.Function):
    @staticmethod
    def forward(a: Tensor, b: Tensor, structure: Structure) -> Tensor:
        return library.sddmm(structure.compact_row, structure.compact[1], a.contiguous(), b.contiguous())

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Structure], output: Tensor) -> None:
        a, b, ctx.structure = inputs
        ctx.save_for_backward(a, b)
        ctx.save_for_forward(a, b)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        a, b = ctx.saved_tensors
        structure: Structure = ctx.structure
        gradient_a = spmm(structure, gradients[0], b) if ctx.needs_input_grad[0] else None
        turned = gradients[0][structure.order] if ctx.needs_input_grad[1] else None
        return gradient_a, None if turned is None else spmm(structure.transpose(), turned, a), None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        a, b = ctx.saved_tensors
        parts = [sddmm(ctx.structure, tangents[0], b)] if tangents[0] is not None else []
        parts += [sddmm(ctx.structure, a, tangents[1])] if tangents[1] is not None else []
        return sum(parts[1:], parts[0])

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], a: Tensor, b: Tensor, structure: Structure) -> tuple[Tensor, int]:
        pick = [lambda i, t=t, d=d: t if d is None else t.select(d, i) for t, d in zip((a, b), in_dims, strict=False)]
        return torch.stack([sddmm(structure, pick[0](i), pick[1](i)) for i in range(info.batch_size)]), 0
