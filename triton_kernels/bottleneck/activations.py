"""The activations that the fused adapter knows, and their derivatives."""

from typing import Literal, cast

import torch
from torch import Tensor
from torch.nn import functional

Activation = Literal["relu", "gelu", "tanh"]


def activate(name: Activation, x: Tensor) -> Tensor:
    """phi(x); raises ValueError for a name that is none."""
    if name == "gelu":
        return functional.gelu(x)
    if name == "relu":
        return torch.relu(x)
    if name == "tanh":
        return torch.tanh(x)
    raise ValueError(f"activation must be 'relu', 'gelu' or 'tanh', got {name!r}")


def activation_gradient(name: Activation, gradient: Tensor, x: Tensor) -> Tensor:
    """gradient * phi'(x), with torch's own kernels."""
    if name == "gelu":
        return cast(Tensor, torch.ops.aten.gelu_backward(gradient, x))
    if name == "relu":
        return cast(Tensor, torch.ops.aten.threshold_backward(gradient, x, 0))
    return cast(Tensor, torch.ops.aten.tanh_backward(gradient, x.tanh()))
