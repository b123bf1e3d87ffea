"""Edge weights that know where they come from: the gradient of a cosine with respect to both of its rows."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from ..message_passing.library import applied
from ..message_passing.spmm import spmm
from ..sparse.sparse_graph import SparseGraph
from ..sparse.structure import Structure


def edge_cosines(graph: SparseGraph, x: Tensor, y: Tensor) -> Tensor:
    """The graph's weights again, as a function of x [N, D] and y [M, D], whose rows' cosines they are.

    The gradient is message passing with the edges' gradients G as weights, dL/du = G v and dL/dv = G' u for the unit
    rows u and v, and then the normalisation's Jacobian. The threshold's own effect (which edges there are) has none.
    A zero row gets gradient 0. Differentiable again.
    """
    assert graph.weight is not None
    wide = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    left = x.to(wide)
    right = left if y is x else y.to(wide)
    return cast(Tensor, applied(_EdgeCosines, left, right, graph.weight, graph.structure))


class _EdgeCosines(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, y: Tensor, weight: Tensor, structure: Structure) -> Tensor:
        return weight.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, Structure], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])
        ctx.structure = inputs[3]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        x, y = ctx.saved_tensors
        structure: Structure = ctx.structure
        u, v = _unit(x), _unit(y)
        gradient = gradients[0].to(u.dtype)
        gradient_u = spmm(structure, gradient, v) if ctx.needs_input_grad[0] else None
        gradient_v = spmm(structure.transpose(), gradient[structure.order], u) if ctx.needs_input_grad[1] else None
        return _through_norm(x, u, gradient_u), _through_norm(y, v, gradient_v), None, None


def _unit(x: Tensor) -> Tensor:
    return x * _inverse_norm(x)


def _inverse_norm(x: Tensor) -> Tensor:
    norm = torch.linalg.vector_norm(x.detach() if not x.requires_grad else x, dim=1, keepdim=True)
    return torch.where(norm > 0, 1 / norm.where(norm > 0, 1), 0)


def _through_norm(x: Tensor, unit: Tensor, gradient: Tensor | None) -> Tensor | None:
    """(I - u u') g / |x|."""
    if gradient is None:
        return None
    tangent = gradient - unit * (unit * gradient).sum(1, keepdim=True)
    return tangent * _inverse_norm(x)
