"""Properties about what else a call does: nothing. Reruns and threads are bit-equal, inputs and settings untouched."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from ..sparse.sparse_graph import SparseGraph
from .gradients import pulled_back
from .kernel import Inputs, Kernel, each_float, floats
from .property import Property


def _reruns(kernel: Kernel, inputs: Inputs, data: st.DataObject) -> None:
    _assert_bit_equal(_results(kernel, inputs), _results(kernel, inputs), "in a second run")


reruns = Property("reruns", _reruns)
"""A second run gives the same bits, gradients included."""


def _threads(kernel: Kernel, inputs: Inputs, data: st.DataObject) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = _results(kernel, inputs)
        for count in (2, 3):
            torch.set_num_threads(count)
            _assert_bit_equal(one, _results(kernel, inputs), f"with {count} threads")
    finally:
        torch.set_num_threads(before)


threads = Property("threads", _threads)
"""One, two and three threads give the same bits, gradients included."""


def _results(kernel: Kernel, inputs: Inputs) -> dict[str, Tensor]:
    leaves = each_float(kernel.moved(inputs), lambda x: x.detach().requires_grad_())
    out = kernel.run(leaves)
    if not any(value.requires_grad for value in out.values()):
        return out
    return {**out, **pulled_back(out, floats(leaves), [torch.ones_like(value) for value in out.values()])}


def _assert_bit_equal(first: Mapping[str, Tensor], second: Mapping[str, Tensor], when: str) -> None:
    for name, value in first.items():
        if not _same_bits(value, second[name]):
            raise AssertionError(f"{name} has other bits {when}")


def _same_bits(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a, b) or (a.dtype == b.dtype and torch.equal(a.nan_to_num(), b.nan_to_num()))


def _inputs_kept(kernel: Kernel, inputs: Inputs, data: st.DataObject) -> None:
    there = kernel.moved(inputs)
    tensors = {part: tensor for name, value in there.items() for part, tensor in _tensors(name, value)}
    before = {name: (tensor.clone(), tensor._version) for name, tensor in tensors.items()}
    kernel.op(**there)
    for name, tensor in tensors.items():
        copy, version = before[name]
        if tensor._version != version or not _same_bits(tensor, copy):
            raise AssertionError(f"{name} was written to")


inputs_kept = Property("inputs_kept", _inputs_kept)
"""No input is written to."""


def _tensors(name: str, value: Any) -> list[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        return [(name, value)]
    if isinstance(value, SparseGraph):
        parts = {"rowptr": value.rowptr, "col": value.col, "weight": value.weight}
        return [(f"{name}.{part}", tensor) for part, tensor in parts.items() if tensor is not None]
    return []


def _settings_kept(kernel: Kernel, inputs: Inputs, data: st.DataObject) -> None:
    before = global_settings()
    kernel.run(inputs)
    for name, value in global_settings().items():
        if value != before[name]:
            raise AssertionError(f"{name} was {before[name]} and is {value}")


settings_kept = Property("settings_kept", _settings_kept)
"""Threads, random numbers, gradients, precision and defaults of torch are left as they were found."""


def global_settings() -> dict[str, Any]:
    """Torch's settings that a kernel could change for everyone else, by name."""
    with ThreadPoolExecutor(1) as pool:  # a worker's setting leaks into threads started later, not into this one
        new_thread = pool.submit(torch.get_num_threads).result()
    return {
        "the number of threads": torch.get_num_threads(),
        "the number of threads of a new thread": new_thread,
        "the random state": torch.get_rng_state().tolist(),
        "grad mode": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
        "the default dtype": torch.get_default_dtype(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "the precision of float32 products": torch.get_float32_matmul_precision(),
        "the precision of mkldnn's products": torch.backends.mkldnn.matmul.fp32_precision,  # type: ignore[attr-defined]
        "denormal numbers": float(torch.tensor(1e-40) * 1),
        "autocast on the CPU": torch.is_autocast_enabled("cpu"),
    }
