"""What a call asks of a device: operators dispatched, kernels launched, numbers read back; countable without one.

A GPU that waits for the host costs more than the work it waits for, and both show in numbers that are the same on every
machine. Triton's kernels are counted compiled, and interpreted on a CPU.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

READS = frozenset(
    ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "masked_select", "_unique2", "unique_dim", "bincount")
)
"""Operators that wait for the device: their result, or its size, is looked at."""
READ_METHODS = frozenset(("tolist", "cpu", "numpy"))
"""The same for methods of a tensor, some of which no operator shows on a CPU."""
_ROOM = ("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "lift_fresh", "_unsafe_view")
FREE = frozenset((*_ROOM, "scalar_tensor", "_local_scalar_dense"))
"""Operators that launch nothing; views beside them. A `scalar_tensor` is a number on the host, and a read is counted
as one."""


@dataclass
class Counts:
    """Of one block."""

    operators: Counter[str] = field(default_factory=Counter)
    """Torch's operators by name, views included."""
    launching: Counter[str] = field(default_factory=Counter)
    """Those that do work on a device: a launch each, or a few."""
    kernels: Counter[str] = field(default_factory=Counter)
    """Triton kernels by name."""
    reads: Counter[str] = field(default_factory=Counter)
    """What made the host wait, by name."""

    @property
    def launches(self) -> int:
        """Operators that work, and Triton kernels."""
        return self.launching.total() + self.kernels.total()


@contextmanager
def counted() -> Iterator[Counts]:
    """Counts what this thread does inside the block, backward passes on a CPU included; work of other threads is not
    seen. Triton is looked at only where it was imported before."""
    counts = Counts()
    with _kernels(counts), _Methods(counts), _Operators(counts):
        yield counts


class _Operators(TorchDispatchMode):
    def __init__(self, counts: Counts) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._counts = counts

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        namespace, _, name = func._schema.name.partition("::")
        if namespace == "profiler":  # marks that optimizers set for a profiler
            return func(*args, **(kwargs or {}))
        self._counts.operators[name] += 1
        if name not in FREE and not _is_view(func):
            self._counts.launching[name] += 1
        if name in READS or _looks(name, args, kwargs or {}):
            self._counts.reads[name] += 1
        return func(*args, **(kwargs or {}))


class _Methods(TorchFunctionMode):
    def __init__(self, counts: Counts) -> None:
        super().__init__()
        self._counts = counts

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in READ_METHODS:
            self._counts.reads[name] += 1
        return func(*args, **(kwargs or {}))


def _is_view(func: Any) -> bool:
    return any(one.alias_info is not None and not one.alias_info.is_write for one in func._schema.returns)


def _looks(name: str, args: Any, kwargs: Any) -> bool:
    """Whether the size of what comes depends on numbers: a boolean index, repeats without their sum."""
    if name in ("index", "index_put", "index_put_", "_index_put_impl_"):
        return any(isinstance(one, Tensor) and one.dtype == torch.bool for one in args[1])
    return name == "repeat_interleave" and kwargs.get("output_size") is None


@contextmanager
def _kernels(counts: Counts) -> Iterator[None]:
    if "triton" not in sys.modules:
        yield
        return
    from triton.runtime.interpreter import GridExecutor
    from triton.runtime.jit import JITFunction

    with _counting(GridExecutor, "__call__", counts), _counting(JITFunction, "run", counts):
        yield


@contextmanager
def _counting(owner: Any, method: str, counts: Counts) -> Iterator[None]:
    before: Callable[..., Any] = getattr(owner, method)

    def launch(self: Any, *args: Any, **kwargs: Any) -> Any:
        counts.kernels[self.fn.__name__.strip("_")] += 1
        with _disable_current_modes():  # the interpreter's own copies are no work of the call
            return before(self, *args, **kwargs)

    setattr(owner, method, launch)
    try:
        yield
    finally:
        setattr(owner, method, before)
