"""Properties about values: the reference's, whatever the dtype, the layout in memory and the numbering of the rows."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from ..sparse.sparse_graph import SparseGraph
from .kernel import Inputs, Kernel, each_float, floats
from .layouts import LAYOUTS, relaid
from .property import Property


def _values(kernel: Kernel, inputs: Inputs, data: st.DataObject) -> None:
    as_drawn = all(x.dtype in kernel.tolerances for x in floats(inputs).values()) and data.draw(st.booleans())
    if not as_drawn:  # a cast may part what was tied
        dtype = data.draw(st.sampled_from(list(kernel.tolerances)))
        inputs = each_float(inputs, lambda x: x.to(dtype))
    kernel.assert_close(kernel.run(inputs), kernel.expected(inputs))


values = Property("values", _values)
"""What the reference gives, in every dtype of the tolerance table; edges and other integers exactly."""


def _same_dtype(kernel: Kernel, inputs: Inputs, data: st.DataObject) -> str | None:
    if not floats(inputs):
        return "no input is floating"
    dtype = data.draw(st.sampled_from(list(kernel.tolerances)))
    result = kernel.op(**kernel.moved(each_float(inputs, lambda x: x.to(dtype))))
    if not isinstance(result, Tensor) or not result.is_floating_point():
        return "the result is no floating tensor"
    if result.dtype != dtype:
        raise AssertionError(f"{dtype} gives {result.dtype}")
    return None


same_dtype = Property("same_dtype", _same_dtype)
"""A floating result has the dtype of the floating inputs."""


def _layouts(kernel: Kernel, inputs: Inputs, data: st.DataObject) -> str | None:
    if not floats(inputs):
        return "no input is floating"
    inputs = each_float(inputs, lambda x: x.to(next(iter(kernel.tolerances))))
    expected = kernel.expected(inputs)
    there = each_float(kernel.moved(inputs), lambda x: relaid(x, data.draw(st.sampled_from(LAYOUTS))))
    kernel.assert_close(kernel.run(there), expected)
    return None


layouts = Property("layouts", _layouts)
"""The same result from tensors that are transposed, strided, offset in their storage, or with rows that lie beyond 2^31
numbers."""


def permutation(output: str, **axes: str) -> Property:
    """The property that renumbering the nodes renumbers the result.

    A letter a dimension, as in einsum: `permutation("nr", graph="nm", h="mr")` is right for `propagate`. Dimensions of
    one letter are permuted alike; `_` stays as it is. Inputs not named stay as they are, None too. Several outputs are
    separated by commas; a graph is one.
    """

    def check(kernel: Kernel, inputs: Inputs, data: st.DataObject) -> None:
        sizes = {
            letter: size
            for name, letters in axes.items()
            if inputs[name] is not None
            for letter, size in zip(letters, _shape(inputs[name]), strict=True)
        }
        orders = {
            letter: torch.tensor(data.draw(st.permutations(range(size))), dtype=torch.int64)
            for letter, size in sizes.items()
            if letter != "_"
        }
        moved = {name: _permuted(inputs[name], letters, orders) for name, letters in axes.items()}
        found, before = kernel.run({**inputs, **moved}), kernel.run(inputs)
        each = output.split(",") if "," in output else [output] * len(before)
        expected = {
            name: _permuted(value.detach().cpu(), letters, orders)
            for (name, value), letters in zip(before.items(), each, strict=True)
        }
        kernel.assert_close(found, expected)

    return Property("permutation", check)


def _shape(value: Tensor | SparseGraph) -> tuple[int, ...]:
    return (value.num_rows, value.num_cols) if isinstance(value, SparseGraph) else tuple(value.shape)


def _permuted(value: Any, letters: str, orders: dict[str, Tensor]) -> Any:
    """Row i of the result is row order[i] of the value, and so on along every dimension."""
    if isinstance(value, SparseGraph):
        place = [
            torch.arange(size) if letter == "_" else orders[letter].argsort()
            for letter, size in zip(letters, _shape(value), strict=True)
        ]
        edges = torch.stack((place[1][value.col], place[0][value.row]))
        return SparseGraph.from_edge_index(edges, value.weight, num_rows=value.num_rows, num_cols=value.num_cols)
    if value is not None:
        for dim, letter in enumerate(letters):
            value = value if letter == "_" else value.index_select(dim, orders[letter])
    return value
