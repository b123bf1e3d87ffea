"""Sums of squared per-item gradients of weights and biases, without the gradient of any item.

Of a weight W in ``linear(a, W, b)`` an item's gradient is g_i a_iᵀ, where g_i is that of its row of the output; so the
sum over items of its squares is (g²)ᵀ (a²): two squares and a product of matrices. Of several uses u it is the sum over
u and v of (g_u g_v)ᵀ (a_u a_v). A bias is such a W, with a = 1; so is a vector that a number of each item multiplies.
Source of the one-use form: Goodfellow, "Efficient Per-Example Gradient Computations", arXiv 1510.01799; several uses
and the check: ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear
from torch.overrides import TorchFunctionMode

#: What multiplies.
PRODUCTS = (torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__)
#: How far a whole gradient may be from that of its uses, beside the sum of the sizes of what is added up.
NEAR = 1e-4


class Use(NamedTuple):
    """What went in, [n, in], of a bias or a vector that is multiplied [n, 1]; and what came out, [n, out]."""

    given: Tensor
    out: Tensor


class Uses(TorchFunctionMode):
    """Notes them for some parameters, of tensors of so many rows, or of any number."""

    def __init__(self, parameters: Mapping[str, Tensor], rows: int | None = None) -> None:
        super().__init__()
        self.found: dict[str, list[Use]] = {}
        self._names, self._rows = {id(one): name for name, one in parameters.items()}, rows

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if torch.is_grad_enabled():
            if func is linear:
                self._linear(out, *args, **kwargs)
            elif func in PRODUCTS and len(args) == 2:
                self._product(out, *args)
        return out

    def _linear(self, out: Tensor, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> None:
        if input.ndim == 2 and len(input) == (self._rows or len(input)):
            self._note(weight, input, out)
            self._note(bias, input.new_ones(len(input), 1), out)

    def _product(self, out: Tensor, *factors: object) -> None:
        for one, other in (factors, reversed(factors)):
            vector = isinstance(one, Tensor) and one.ndim == 1
            if vector and isinstance(other, Tensor) and other.shape == (self._rows or len(other), 1):
                self._note(one, other, out)

    def _note(self, parameter: object, given: Tensor, out: Tensor) -> None:
        if (name := self._names.get(id(parameter))) is not None:
            self.found.setdefault(name, []).append(Use(given.detach(), out))


def squares_of_linear(parameters: Mapping[str, Tensor], rows: int, losses: Callable[[], Tensor]) -> dict[str, Tensor]:
    """The sum over items of the squared gradient of the item's own loss, of each parameter for which that is known.

    ``losses()`` gives those of as many items as ``rows``, each a row of its own from the start to the end. Items get
    signs, which squares do not see, and a parameter is left out unless its gradient is, then too, that of the uses that
    were noted: none was missed, or changed in place.
    """
    with Uses(parameters, rows) as noted:
        found = losses()
    if not noted.found:
        return {}
    signs = torch.randint(0, 2, (rows,), generator=torch.Generator().manual_seed(0)) * 2 - 1
    outs = [use.out for every in noted.found.values() for use in every]
    trained = [parameters[name] for name in noted.found]
    lost = (found * signs.to(found)).sum()
    gradients = torch.autograd.grad(lost, [*outs, *trained], materialize_grads=True)
    of_uses, of_parameters = iter(gradients[: len(outs)]), gradients[len(outs) :]
    squares = {}
    for (name, every), whole in zip(noted.found.items(), of_parameters, strict=True):
        uses = [(use.given, next(of_uses)) for use in every]
        if is_sum(whole, uses):
            squares[name] = squares_of_uses(uses).view_as(whole)
    return squares


def is_sum(whole: Tensor, uses: Sequence[tuple[Tensor, Tensor]]) -> bool:
    """Whether ``whole`` is sum_u g_uᵀ a_u, seen along a vector (Freivalds): no product of matrices."""
    width = uses[0][0].shape[1]
    along = torch.rand(width, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(whole) + 0.5
    total = torch.stack([gradient.T @ (given @ along) for given, gradient in uses]).sum(dim=0)
    size = torch.stack([gradient.abs().T @ (given.abs() @ along) for given, gradient in uses]).sum(dim=0)
    return bool(((total - whole.view(-1, width) @ along).abs() <= NEAR * size).all())


def squares_of_uses(uses: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """The sum over rows of squared gradients, of what went in and the gradient of what came out, a row an item."""
    total = torch.zeros(1)
    for first, (given, gradient) in enumerate(uses):
        own = gradient.square().T @ given.square()
        total = own if first == 0 else total + own
        for other, beside in uses[:first]:
            total = total + 2 * ((gradient * beside).T @ (given * other))
    return total
