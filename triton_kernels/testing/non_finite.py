"""The property about NaN and infinity: a clear error, or a result that says where they came from."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

import torch
from hypothesis import strategies as st
from torch import Tensor

from .kernel import Inputs, Kernel, each_float, floats
from .property import Property

Documented = Literal["error", "spreads"]
ROUNDING = 1e-9
FACTOR = 1e3
"""How far a number is moved to see what depends on it: far enough to take an activation through its kink."""


def non_finite(documented: Documented | None = None, of: tuple[str, ...] | None = None) -> Property:
    """The property that one NaN or infinity in a floating input (one of `of`) does what is documented:

    - `error`: ValueError, whose message says NaN, inf or finite.
    - `spreads`: outputs that depend on that number may be anything but a finite guess (NaN stays NaN), all others are
      what they were. What depends on it is seen in the reference, by moving the number up and down.
    - None: either. NaN is then also right wherever the reference has it, as for a softmax of one number, which depends
      on nothing; a dense reference that multiplies by 0 has it everywhere, so ask for `spreads` there.
    """

    def check(kernel: Kernel, inputs: Inputs, data: st.DataObject) -> str | None:
        inputs = each_float(inputs, lambda x: x.to(next(iter(kernel.tolerances))))
        names = [name for name, x in floats(inputs).items() if x.numel() and (of is None or name in of)]
        if not names:
            return "no such input has a floating number"
        name = data.draw(st.sampled_from(names))
        place = data.draw(st.integers(0, inputs[name].numel() - 1))
        value = data.draw(st.sampled_from((math.nan, math.inf, -math.inf)))
        bad = _with(inputs[name], place, value)
        try:
            found = kernel.run({**inputs, name: bad})
        except ValueError as error:
            if documented == "spreads":
                raise AssertionError(f"{value} in {name}: raised {error!r}, documented to spread") from error
            if not re.search("nan|inf|finite", str(error), re.IGNORECASE):
                raise AssertionError(f"{value} in {name}: the error does not say so: {error}") from error
            return None
        if documented == "error":
            raise AssertionError(f"{value} in {name} at {place} raised no error")
        like = {} if documented else kernel.expected({**inputs, name: bad})
        _assert_contained(kernel, inputs, (name, place, value), found, like)
        return None

    return Property("non_finite", check)


def _assert_contained(
    kernel: Kernel,
    inputs: Inputs,
    what: tuple[str, int, float],
    found: Mapping[str, Tensor],
    like: Mapping[str, Tensor],
) -> None:
    """`like` is a result whose NaN are right too."""
    name, place, value = what
    before = kernel.expected(inputs)
    changed = _moved(kernel, inputs, name, place)
    for (output, ours), (other, right) in zip(found.items(), before.items(), strict=True):
        ours, moves = ours.detach().cpu(), changed[other]
        # a product with 0 hides from the first what a NaN shows: other numbers in place of the rest bring it to light
        may_move = moves | _moved(kernel, _generic(inputs), name, place)[other]
        if other in like:
            may_move = may_move | like[other].isnan()
        kernel.assert_close({output: ours.where(~may_move, 0)}, {other: right.detach().where(~may_move, 0)})
        if math.isnan(value) and ours.is_floating_point() and not bool(ours[moves].isnan().all()):
            raise AssertionError(f"NaN in {name} at {place} became a finite number in {output}")


def _moved(kernel: Kernel, inputs: Inputs, name: str, place: int) -> dict[str, Tensor]:
    """Bool for every output of the reference: whether it changes with that number."""
    inputs = each_float(inputs, lambda x: x.contiguous())  # one layout, so that rounding does not look like change
    before = kernel.expected(inputs)
    step = FACTOR * (1 + float(inputs[name].abs().max()))
    up, down = (kernel.expected({**inputs, name: _with(inputs[name].double(), place, s)}) for s in (step, -step))
    return {output: _apart(up[output], value) | _apart(down[output], value) for output, value in before.items()}


def _apart(one: Tensor, other: Tensor) -> Tensor:
    """Bool: where outputs differ by more than a product's last bits, which follow where its inputs lie in memory."""
    if not one.is_floating_point():
        return one != other
    return ~torch.isclose(one.double(), other.double(), rtol=ROUNDING, atol=ROUNDING, equal_nan=True)


def _generic(inputs: Inputs) -> dict[str, Any]:
    """Positive numbers in place of all."""
    generator = torch.Generator().manual_seed(0)
    return each_float(inputs, lambda x: torch.rand(x.shape, generator=generator).to(x.dtype) + 0.5)


def _with(x: Tensor, place: int, value: float) -> Any:
    x = x.detach().clone(memory_format=torch.contiguous_format)
    x.view(-1)[place] = value
    return x
