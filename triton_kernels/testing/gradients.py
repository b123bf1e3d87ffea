"""Properties about derivatives: the reference's, and those of finite differences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError

from .kernel import Inputs, Kernel, each_float, floats, outputs
from .property import Property

NUMBERS = 200
"""Finite differences take two runs a number of the inputs."""
NOTHING = "no output depends differentiably on an input"


def _gradients(kernel: Kernel, inputs: Inputs, data: st.DataObject) -> str | None:
    names = sorted(floats(inputs))
    if not names:
        return NOTHING
    wanted = data.draw(st.sets(st.sampled_from(names), min_size=1))  # frozen inputs take paths of their own
    dtype = data.draw(st.sampled_from(list(kernel.tolerances)))
    plain = each_float(inputs, lambda x: x.detach().to(dtype))
    ours = {name: plain[name].to(kernel.device).detach().requires_grad_() for name in sorted(wanted)}
    right = {name: plain[name].double().requires_grad_() for name in sorted(wanted)}
    found, expected = kernel.run({**plain, **ours}), kernel.expected({**plain, **right})
    differentiable = [value.requires_grad for value in found.values()]
    if differentiable != [value.requires_grad for value in expected.values()]:
        raise AssertionError(f"of the outputs {list(found)}, {differentiable} have a gradient, the reference's differ")
    if not any(differentiable):
        return NOTHING
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**20)))
    ahead = [torch.randn(value.shape, generator=generator).to(value.dtype) for value in found.values()]
    ours_back = pulled_back(found, ours, [g.to(kernel.device) for g in ahead])
    sizes = [_size(expected, ahead, x.detach()) for x in right.values()]
    right_back = pulled_back(expected, right, [g.double() for g in ahead])
    kernel.assert_close(ours_back, right_back, dict(zip(ours_back, sizes, strict=True)))
    return None


gradients = Property("gradients", _gradients)
"""The reference's, with respect to some of the floating inputs (the rest are frozen), for a random gradient of the
outputs, in every dtype of the tolerance table."""


def _size(out: Mapping[str, Tensor], ahead: list[Tensor], x: Tensor) -> Tensor:
    """Of a gradient's terms, a row of x: the gradient times x is as large as the outputs times theirs."""
    largest, steepest = _largest(out.values()), _largest(ahead)
    row = x.square().mean(-1, keepdim=True).sqrt() if x.ndim else x.abs()
    return (largest * steepest / row.where(row > 0, torch.inf)).clamp_min(1)


def _largest(tensors: Iterable[Tensor]) -> float:
    return max(float(x.detach().double().abs().amax()) if x.numel() else 0.0 for x in tensors)


def pulled_back(out: Mapping[str, Tensor], leaves: Mapping[str, Tensor], ahead: list[Tensor]) -> dict[str, Tensor]:
    """The gradient with respect to each leaf; zeros where there is none."""
    pairs = [(value, g) for value, g in zip(out.values(), ahead, strict=True) if value.requires_grad]
    results, gradient = zip(*pairs, strict=True)
    found = torch.autograd.grad(
        results, list(leaves.values()), [g.to(y.dtype) for g, y in zip(gradient, results, strict=True)],
        allow_unused=True, materialize_grads=True,
    )  # fmt: skip
    return {f"the gradient of {name}": value for name, value in zip(leaves, found, strict=True)}


def finite_differences(*, second: bool = False, forward: bool = False, batched: bool = False) -> Property:
    """The property that derivatives in float64 are those of finite differences (`torch.autograd.gradcheck`).

    `second` adds second derivatives, `forward` forward mode, `batched` gradients of many outputs at once (vmap).
    """

    def check(kernel: Kernel, inputs: Inputs, data: st.DataObject) -> str | None:
        if torch.float64 not in kernel.tolerances:
            return "float64 is not among the dtypes"
        wide = each_float(kernel.moved(inputs), lambda x: x.detach().double().contiguous().requires_grad_())
        leaves = floats(wide)
        if sum(x.numel() for x in leaves.values()) > NUMBERS:
            return f"more than {NUMBERS} numbers"
        out = kernel.run(wide)
        smooth = [name for name, value in out.items() if value.requires_grad]
        if not smooth:
            return NOTHING
        if any(out[name].dtype != torch.float64 for name in smooth):
            return "outputs are rounded to less than float64"

        def op(*tensors: Tensor) -> Any:
            result = outputs(kernel.op(**{**wide, **dict(zip(leaves, tensors, strict=True))}))
            return tuple(result[name] for name in smooth)

        tensors = tuple(leaves.values())
        try:
            torch.autograd.gradcheck(op, tensors, check_forward_ad=forward, check_batched_grad=batched)
            if second:
                torch.autograd.gradgradcheck(op, tensors)
        except GradcheckError as error:
            raise AssertionError(str(error)) from error
        return None

    return Property("finite_differences", check)
