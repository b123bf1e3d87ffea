"""Items as nodes of a graph: one node each, or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...triton_kernels import SparseGraph
from ..data.layout import Layout
from .fusion import TokenPair


@dataclass(frozen=True, slots=True)
class Nodes:
    """Node vectors of N items, with the graph over them where messages pass."""

    #: float32 [n, d]: the frozen vectors, which edges are found on and adapters get.
    x: Tensor
    #: [n, n], or ``None`` for adapters without messages.
    graph: SparseGraph | None = None
    #: Whose the nodes are; ``None``: one node an item, n = N.
    layout: Layout | None = None
    #: What the trained fusion makes of the items in place of ``x``: tokens, or vectors that it made before; in turn.
    inputs: tuple[Tensor | TokenPair, ...] = ()
    #: float32 [N, C]: the frozen model's own logits, where they are blended in.
    zero_shot: Tensor | None = None
    #: [n, …] each: what an adapter made once of ``x`` and a graph, which is ``None`` then (``Adapter.aggregate``).
    aggregated: tuple[Tensor, ...] = ()

    def __len__(self) -> int:
        """Items."""
        return len(self.x) if self.layout is None else len(self.layout)

    @property
    def width(self) -> int:
        """Of the vectors that the adapter gets."""
        if not self.inputs:
            return self.x.shape[1]
        first = self.inputs[0]
        return first.widths[0] if isinstance(first, TokenPair) else first.shape[1]

    @property
    def text_width(self) -> int | None:
        """Of the words that a trained fusion reads; ``None`` without one."""
        first = self.inputs[0] if self.inputs else None
        return first.widths[1] if isinstance(first, TokenPair) else None

    def select(self, items: Tensor | slice) -> Nodes:
        """Those items without a graph."""
        zero_shot = None if self.zero_shot is None else self.zero_shot[items]
        if self.layout is None and not self.inputs:
            return Nodes(self.x[items], zero_shot=zero_shot, aggregated=tuple(one[items] for one in self.aggregated))
        if isinstance(items, slice):
            items = torch.arange(len(self), device=self.x.device)[items]
        (inputs,) = self.inputs or (None,)  # only what was joined has several, and that is in a graph
        chosen = inputs.select(items) if isinstance(inputs, TokenPair) else None if inputs is None else inputs[items]
        rows = items if self.layout is None else self.layout.rows_of(items)
        layout = self.layout and self.layout.select(items)
        aggregated = tuple(one[rows] for one in self.aggregated)
        return Nodes(self.x[rows], None, layout, () if chosen is None else (chosen,), zero_shot, aggregated)

    def joined(self, *others: Nodes, graph: SparseGraph | None = None) -> Nodes:
        """These items, then the other ones, with a graph over all their nodes."""
        every = (self, *others)
        layouts = [one.layout for one in every if one.layout is not None]
        return Nodes(
            torch.cat([one.x for one in every]),
            graph,
            layouts[0].joined(*layouts[1:]) if layouts else None,
            tuple(inputs for one in every for inputs in one.inputs),
            _joined_zero_shot(every),
            tuple(torch.cat(parts) for parts in zip(*(one.aggregated for one in every), strict=True)),
        )

    def with_graph(self, graph: SparseGraph | None) -> Nodes:
        """The same over another graph."""
        return replace(self, graph=graph)

    def to(self, device: torch.device) -> Nodes:
        """The same on another device."""
        return Nodes(
            self.x.to(device),
            self.graph.to(device) if self.graph else None,
            self.layout.to(device) if self.layout else None,
            tuple(one.to(device) for one in self.inputs),
            None if self.zero_shot is None else self.zero_shot.to(device),
            tuple(one.to(device) for one in self.aggregated),
        )


def _joined_zero_shot(every: Sequence[Nodes]) -> Tensor | None:
    """A support that was loaded has no zero-shot logits, and nobody asks for them: zeros stand in their place."""
    known = next((one.zero_shot for one in every if one.zero_shot is not None), None)
    if known is None:
        return None
    zeros = [known.new_zeros(len(one), known.shape[1]) if one.zero_shot is None else one.zero_shot for one in every]
    return torch.cat(zeros)
