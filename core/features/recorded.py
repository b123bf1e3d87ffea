"""What a model computes for several members at once, recorded as operators that need no ``vmap`` when they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn.functional import linear
from torch.overrides import TorchFunctionMode

from ..graph.nodes import Nodes
from .model import FeatureModel

#: What several seeds have side by side: tensors [members, …] by name.
Tensors = dict[str, Tensor]


class NotStacked(Exception):
    """Why seeds are trained one by one, in words."""


def recorded(model: FeatureModel, state: Tensors, items: Tensors) -> Callable[[Tensors, Tensors], Tensor]:
    """Logits [members, n, C] from ``state``, parameters and buffers, and from ``items`` of those shapes.

    Raises what ``vmap`` raises where the model looks at a number, or draws.
    """
    from torch.fx.experimental.proxy_tensor import make_fx  # dear to import

    def logits(state: Tensors, items: Tensors) -> Tensor:
        aggregated = tuple(one for name, one in items.items() if name.isdecimal())
        nodes = Nodes(items["x"], zero_shot=items.get("zero_shot"), aggregated=aggregated)
        with _Linears():
            given: Tensor = functional_call(model, state, (nodes,))
        return given

    def of_members(state: Tensors, items: Tensors) -> Tensor:
        given: Tensor = vmap(logits, randomness="error")(state, items)
        return given

    found: Callable[[Tensors, Tensors], Tensor] = make_fx(of_members)(state, items)
    return found


class _Linears(TorchFunctionMode):
    """Linear layers by ``_Linear``: ``vmap`` makes a product, two scalings and a sum of each."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is linear and not kwargs and args[0].ndim == 2:
            return _Linear.apply(*args, *(None,) * (3 - len(args)))  # type: ignore[no-untyped-call]
        return func(*args, **(kwargs or {}))


class _Linear(torch.autograd.Function):
    """x W' + b of each member, by one batched product."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Of none."""
        raise NotStacked("a linear layer is the same for every seed")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing is kept: what ``vmap`` calls has gradients of its own."""

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *given: Tensor | None) -> tuple[Tensor, int]:
        """Of rows [members, n, d], weights [members, m, d] and biases [members, m]."""
        x, weight, bias = (
            one if one is None else one.expand(info.batch_size, *one.shape) if at is None else one.movedim(at, 0)
            for one, at in zip(given, in_dims, strict=True)
        )
        assert x is not None
        assert weight is not None
        return (x @ weight.mT if bias is None else torch.baddbmm(bias.unsqueeze(1), x, weight.mT)), 0
