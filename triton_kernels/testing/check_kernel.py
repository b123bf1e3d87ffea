"""Run a kernel against its reference on drawn inputs, property by property."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from .agreement import layouts, same_dtype, values
from .determinism import inputs_kept, reruns, settings_kept, threads
from .gradients import finite_differences, gradients
from .kernel import Inputs, Kernel, Operation, describe
from .non_finite import non_finite
from .property import Property
from .tolerances import TOLERANCES, Tolerance

PROPERTIES: tuple[Property, ...] = (
    values,
    same_dtype,
    layouts,
    gradients,
    finite_differences(),
    non_finite(),
    reruns,
    threads,
    inputs_kept,
    settings_kept,
)
"""What is checked unless asked otherwise. `permutation` is not: which dimensions are nodes is the kernel's to say."""


class PropertyFailed(AssertionError):
    """Which property does not hold, on which device, for which input (the smallest that was found), and how."""

    def __init__(self, name: str, device: torch.device, detail: str, inputs: Inputs) -> None:
        super().__init__(f"property {name!r} does not hold on {device}: {detail}\non the input\n{describe(inputs)}")
        self.property = name
        self.inputs = dict(inputs)


@dataclass(frozen=True)
class Checked:
    """One property that held."""

    property: str
    device: str
    examples: int
    """On how many inputs it was checked."""
    skipped: tuple[str, ...] = ()
    """Why it did not apply to others; where `examples` is 0, to all of them."""


def check_kernel(
    op: Operation,
    reference: Operation,
    strategy: st.SearchStrategy[Any],
    *,
    properties: Sequence[Property] = PROPERTIES,
    tolerances: Mapping[torch.dtype, Tolerance] = TOLERANCES,
    devices: Sequence[str] | None = None,
    examples: int = 50,
    shrink: bool = True,
) -> list[Checked]:
    """Check that `op` does what `reference` does, and whatever else is promised of a kernel.

    The strategy draws one call's keyword arguments as a dict: tensors, SparseGraphs and options. Both functions give a
    tensor, a SparseGraph, or a tuple, list or dict of these. The reference gets floating tensors in float64 on the CPU;
    where it takes a graph densely, `dense_adjacency` makes it so. A kernel that runs in fewer dtypes gets a smaller
    tolerance table. Triton kernels are interpreted on the CPU where TRITON_INTERPRET=1 was set before triton's import.

    Args:
        op: the kernel.
        reference: a few lines of dense torch that are plainly right.
        strategy: of `dict[str, Any]`; see `embeddings`, `sparse_graphs`, `heavy_graphs`, `thresholds`.
        properties: what to check, in this order.
        tolerances: by dtype; its keys are the dtypes that `op` is run in, the first the usual one.
        devices: the CPU, and the GPU where there is one.
        examples: inputs a property.
        shrink: whether to look for the smallest failing input.

    Returns:
        What was checked, a property and device each; properties that did not apply say why.

    Raises:
        PropertyFailed: at the first property that does not hold.
    """
    return [
        _checked(one, Kernel(op, reference, tolerances, torch.device(device)), strategy, examples, shrink)
        for device in devices or available_devices()
        for one in properties
    ]


def available_devices() -> tuple[str, ...]:
    """The CPU, and the GPU where there is one."""
    return ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


def _checked(one: Property, kernel: Kernel, strategy: st.SearchStrategy[Any], examples: int, shrink: bool) -> Checked:
    applied: list[bool] = []
    reasons: dict[str, None] = {}

    def once(inputs: Inputs, data: st.DataObject) -> None:
        try:
            reason = one.check(kernel, inputs, data)
        except HypothesisException:
            raise
        except Exception as error:
            detail = str(error) if isinstance(error, AssertionError) else f"raised {error!r}"
            raise PropertyFailed(one.name, kernel.device, detail, inputs) from error
        applied.append(reason is None)
        if reason is not None:
            reasons[reason] = None

    _hypothesis(once, strategy, examples, shrink)
    return Checked(one.name, str(kernel.device), sum(applied), tuple(reasons))


def _hypothesis(
    once: Callable[[Inputs, st.DataObject], None], strategy: st.SearchStrategy[Any], examples: int, shrink: bool
) -> None:
    phases = [Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] if shrink else [])]
    configured = settings(
        max_examples=examples,
        deadline=None,  # a kernel's first run compiles
        phases=phases,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    configured(given(strategy, st.data())(once))()
