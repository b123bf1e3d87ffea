"""How items that training did not label meet the support set: the inductive policies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from ...triton_kernels import SparseGraph
from ..roles.graph import GraphBuilder, graph_of, item_graph_of, query_graph_of
from ..spec.pipeline_spec import PipelineSpec
from ..spec.policies import policy_of
from .fusion import TokenPair
from .nodes import Nodes
from .stack_graphs import rows_of, side_by_side, stacked
from .support import Support

#: Nodes that are computed together, and which of their items are asked for.
Part = tuple[Nodes, Tensor | slice]
#: Numbers in the node matrix of one part of `rewire`; and of all parts together, if they are kept for the next epoch.
PART, KEPT = 1 << 22, 1 << 26


class NodeModel(Protocol):
    """What nodes are asked through: a trained model, or one of a test."""

    def fused(self, inputs: Tensor | TokenPair) -> Tensor:
        """Vectors [N, d] made of tokens; vectors that were made before as they are."""

    def aggregated(self, nodes: Nodes) -> Nodes:
        """Nodes with the messages of their graph computed once; the same ones where that cannot be."""

    def __call__(self, nodes: Nodes, rows: Tensor | slice) -> Tensor:
        """Logits [len(rows), C] of those items of ``nodes``."""


@dataclass(frozen=True, slots=True)
class Queries:
    """Items that met a support set. What is asked of them comes in parts that do not hear each other."""

    #: Begins the parts anew; those that are dear to hold are made one at a time.
    parts: Callable[[], Iterable[Part]]
    #: Numbers in the node matrix of one part.
    numbers: int
    #: [Qn, S]: the support nodes that each query node hears; ``None`` where messages do not come from a support.
    sources: SparseGraph | None = None
    #: What the trained fusion makes the support of, in the ``inputs`` of every part.
    shared: tuple[Tensor | TokenPair, ...] = ()

    def aggregated(self, model: NodeModel) -> Queries:
        """The same of a model whose parameters may change: what each query receives is computed once, in one part."""
        parts = []
        for nodes, rows in self.parts():
            found = model.aggregated(nodes)
            if found is nodes:
                return self
            parts.append(found.select(rows))
        if not parts:
            return self
        whole = parts[0].joined(*parts[1:])
        return Queries(lambda: [(whole, slice(None))], self.numbers, self.sources)

    def logits(self, model: NodeModel) -> Tensor:
        """Logits [Q, C] in the order of the queries, without gradients; the support is fused once."""
        with torch.no_grad():
            fused = {id(one): model.fused(one) for one in self.shared}
            parts = ((_with_fused(nodes, fused), rows) for nodes, rows in self.parts())
            logits = [model(nodes, rows) for nodes, rows in parts]
            return logits[0] if len(logits) == 1 else torch.cat(logits)


def _with_fused(nodes: Nodes, fused: dict[int, Tensor]) -> Nodes:
    return replace(nodes, inputs=tuple(fused.get(id(one), one) for one in nodes.inputs)) if fused else nodes


def attach_queries(support: Support, queries: Nodes, builder: GraphBuilder | None, spec: PipelineSpec) -> Queries:
    """Queries by the policy of a pipeline.

    Of a ``transductive`` support the items that are nodes themselves are asked by ``inside``: others attach to it.
    """
    graph_spec = spec.graph
    if builder is None or graph_spec is None:
        return _one_part(queries)
    if graph_spec.nodes == "tokens":
        return _one_part(queries.with_graph(_within(queries, builder)))
    if policy_of(spec) == "batch":
        return in_batches(support, queries, builder, spec.evaluation.inductive_batch)
    if policy_of(spec) == "rewire":
        return rewire(support, queries, builder)
    return attached(support, queries, builder)


def _one_part(queries: Nodes) -> Queries:
    return Queries(lambda: [(queries, slice(None))], queries.x.numel())


def attached(support: Support, queries: Nodes, builder: GraphBuilder) -> Queries:
    """Each query hears its support neighbours (and its own other nodes) and nobody hears it.

    The support's rows, and so its degrees, are what they were in training: a query depends on no other. Ours.
    """
    sources = _sources(support, queries, builder)
    graph = stacked(_graph(support), sources, _within(queries, builder))
    nodes = support.nodes.joined(queries, graph=graph)
    rows = slice(len(support.nodes), None)
    return Queries(lambda: [(nodes, rows)], nodes.x.numel(), sources, support.nodes.inputs)


def rewire(support: Support, queries: Nodes, builder: GraphBuilder) -> Queries:
    """One query at a time becomes a node like any other: its neighbours hear it too, and degrees change.

    A query depends on no other, at the price of a copy of the support's graph for each. Ours.
    """
    sources, within, size = _sources(support, queries, builder), _within(queries, builder), support.x.numel()
    together = max(1, PART // max(1, size))

    def parts() -> Iterator[Part]:
        for start in range(0, len(queries), together):
            items = range(start, min(start + together, len(queries)))
            yield _rewired(support, queries, items, sources, within)

    kept = _kept(parts, len(queries) * size)
    return Queries(kept, min(together, len(queries)) * size, sources, support.nodes.inputs)


def _kept(parts: Callable[[], Iterator[Part]], numbers: int) -> Callable[[], Iterable[Part]]:
    """The same parts, made once if they are not too large to hold."""
    if numbers > KEPT:
        return parts
    made = list(parts())
    return lambda: made


def _rewired(support: Support, queries: Nodes, items: range, sources: SparseGraph, within: SparseGraph | None) -> Part:
    """A copy of the support for each query, side by side: no message passes from copy to copy."""
    nodes, graphs = [], []
    for item in items:
        start, stop = _span(queries, item, item + 1)
        inner = None if within is None else rows_of(within, start, stop, start, stop)
        edges = rows_of(sources, start, stop, 0, sources.num_cols)
        graphs.append(stacked(_graph(support), edges, inner, both_ways=True))
        nodes += [support.nodes, queries.select(slice(item, item + 1))]
    one = len(support.nodes) + 1
    rows = torch.arange(one - 1, one * len(items), one, device=queries.x.device)
    return nodes[0].joined(*nodes[1:], graph=side_by_side(graphs)), rows


def in_batches(support: Support, queries: Nodes, builder: GraphBuilder, size: int) -> Queries:
    """``size`` queries at a time hear the support and each other; the support hears none of them. Ours."""
    sources = _sources(support, queries, builder)
    batches = [queries.select(slice(start, start + size)) for start in range(0, len(queries), size)]
    among = [graph_of(builder, batch.x, batch.layout) for batch in batches]

    def parts() -> Iterator[Part]:
        first = 0
        for batch, inner in zip(batches, among, strict=True):
            rows = rows_of(sources, *_span(queries, first, first + len(batch)), 0, sources.num_cols)
            graph = stacked(_graph(support), rows, inner)
            yield support.nodes.joined(batch, graph=graph), slice(len(support.nodes), None)
            first += len(batch)

    numbers = support.x.numel() + batches[0].x.numel() if batches else 0
    return Queries(_kept(parts, numbers * len(batches)), numbers, sources, support.nodes.inputs)


def inside(support: Support, split: str) -> Queries:
    """The items of a split that are nodes of the training graph themselves (``transductive``)."""
    rows = slice(*support.splits[split])
    return Queries(lambda: [(support.nodes, rows)], support.x.numel())


def _graph(support: Support) -> SparseGraph:
    assert support.graph is not None
    return support.graph


def _sources(support: Support, queries: Nodes, builder: GraphBuilder) -> SparseGraph:
    return query_graph_of(builder, queries.x, support.x, queries.layout, support.nodes.layout)


def _within(queries: Nodes, builder: GraphBuilder) -> SparseGraph | None:
    """Edges between an item's own nodes."""
    return None if queries.layout is None else item_graph_of(builder, queries.x, queries.layout)


def _span(nodes: Nodes, first: int, last: int) -> tuple[int, int]:
    """The nodes of items ``first`` to ``last``."""
    if nodes.layout is None:
        return first, last
    return int(nodes.layout.offsets[first]), int(nodes.layout.offsets[last])
