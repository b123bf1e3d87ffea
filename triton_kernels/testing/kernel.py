"""A kernel under test: the operation, its reference, and how their inputs and outputs are told apart and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..sparse.sparse_graph import SparseGraph
from .tolerances import Tolerance, difference

Inputs = Mapping[str, Any]
"""Keyword arguments of one call: tensors, SparseGraphs, and options of any other type."""
Operation = Callable[..., Any]
"""Takes `Inputs` as keywords; gives a tensor, a SparseGraph, or a tuple, list or dict of these."""


@dataclass(frozen=True)
class Kernel:
    """What a property is given besides the inputs."""

    op: Operation
    reference: Operation
    tolerances: Mapping[torch.dtype, Tolerance]
    device: torch.device

    def run(self, inputs: Inputs) -> dict[str, Tensor]:
        """The operation's outputs, named, on its device."""
        return outputs(self.op(**self.moved(inputs)))

    def moved(self, inputs: Inputs) -> dict[str, Any]:
        """Tensors and graphs on the kernel's device, anything else as it is."""
        return {name: _to(value, self.device) for name, value in inputs.items()}

    def expected(self, inputs: Inputs) -> dict[str, Tensor]:
        """The reference's outputs, on the CPU, from the same numbers in float64."""
        here = {name: _to(value, torch.device("cpu")) for name, value in inputs.items()}
        return outputs(self.reference(**each_float(here, lambda x: x.double())))

    def assert_close(
        self, found: Mapping[str, Tensor], expected: Mapping[str, Tensor], sizes: Mapping[str, Tensor] | None = None
    ) -> None:
        """Raise AssertionError, naming the output, where `found` is not `expected`; both in one order."""
        if len(found) != len(expected):
            raise AssertionError(f"{len(found)} outputs {list(found)}, the reference has {len(expected)}")
        for (name, ours), right in zip(found.items(), expected.values(), strict=True):
            size = 1.0 if sizes is None else sizes[name]
            if (wrong := difference(ours.detach().cpu(), right.detach().cpu(), self.tolerances, size)) is not None:
                raise AssertionError(f"{name} is {wrong}")


def floats(inputs: Inputs) -> dict[str, Tensor]:
    """The floating tensors among the inputs; a graph's weights are not."""
    return {name: value for name, value in inputs.items() if isinstance(value, Tensor) and value.is_floating_point()}


def each_float(inputs: Inputs, change: Callable[[Tensor], Tensor]) -> dict[str, Any]:
    """The inputs with every floating tensor changed."""
    return {**inputs, **{name: change(value) for name, value in floats(inputs).items()}}


def outputs(result: Any, name: str = "output") -> dict[str, Tensor]:
    """The tensors of a result by name; a graph, once found sound, is bool `edges` and float `weights`, both dense."""
    return dict(_outputs(result, name))


def _outputs(result: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(result, Tensor):
        yield name, result
    elif isinstance(result, SparseGraph):
        result.validate()
        ones = torch.ones_like(result.col, dtype=torch.bool)
        yield f"{name}.edges", _dense(result, ones)
        yield f"{name}.weights", _dense(result, result.edge_weight)
    elif isinstance(result, Mapping | tuple | list):
        parts = result.items() if isinstance(result, Mapping) else enumerate(result)
        for key, part in parts:
            yield from _outputs(part, f"{name}[{key!r}]")
    else:
        raise TypeError(f"{name} is a {type(result).__name__}: give tensors, SparseGraphs, or tuples or dicts of them")


def dense_adjacency(graph: SparseGraph, dtype: torch.dtype = torch.float64) -> Tensor:
    """The graph's weights as a dense [rows, columns] matrix, differentiable with respect to them."""
    return _dense(graph, graph.edge_weight.to(dtype))


def _dense(graph: SparseGraph, value: Tensor) -> Tensor:
    return value.new_zeros(graph.num_rows, graph.num_cols).index_put((graph.row, graph.col), value)


def describe(inputs: Inputs, numbers: int = 64) -> str:
    """The inputs as a person reads them, a line each; tensors of up to so many numbers in full."""
    return "\n".join(f"  {name} = {_described(value, numbers)}" for name, value in inputs.items())


def _described(value: Any, numbers: int) -> str:
    if isinstance(value, SparseGraph):
        pairs = list(zip(value.row.tolist(), value.col.tolist(), value.edge_weight.tolist(), strict=True))
        return f"{value}" + (f" (row, column, weight): {pairs}" if len(pairs) <= numbers else "")
    if isinstance(value, Tensor):
        kind = f"{value.dtype} {list(value.shape)}" + ("" if value.is_contiguous() else f" strides {value.stride()}")
        return kind + (f" {value.tolist()}" if value.numel() <= numbers else "")
    return repr(value)


def _to(value: Any, device: torch.device) -> Any:
    return value.to(device) if isinstance(value, Tensor | SparseGraph) else value
