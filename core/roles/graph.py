"""The graph role: who is whose neighbour."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from ...registry.errors import UserError
from ...triton_kernels import SparseGraph
from ..data.layout import Layout
from .contract import broken, form
from .specs import GraphSpec


class GraphError(UserError):
    """The graph cannot be built from these vectors."""


class GraphBuilder(ABC):
    """Built as ``build(spec)``. ``layout`` is given where an item has several nodes (``pair``, ``tokens``)."""

    @abstractmethod
    def connect(self, nodes: Tensor, layout: Layout | None = None) -> SparseGraph:
        """Neighbours among the nodes [S, d] of the support set: a square graph [S, S] without self-loops."""

    @abstractmethod
    def connect_queries(
        self, queries: Tensor, nodes: Tensor, query_layout: Layout | None = None, layout: Layout | None = None
    ) -> SparseGraph:
        """Neighbours of new nodes [Q, d] among the support's [S, d]: a bipartite graph [Q, S].

        A query's row must depend on that query and the support alone.
        """

    def connect_items(self, nodes: Tensor, layout: Layout) -> SparseGraph:
        """Neighbours within each item alone: a square graph [n, n] in blocks, without self-loops."""
        raise GraphError(f"graph: {type(self).__name__} connects one node an item; take other `nodes` or `similarity`")

    def settle(self, nodes: Tensor, layout: Layout | None = None) -> GraphSpec | None:
        """The spec with each relative setting (a degree, a quantile) as the number that it comes to on the support.

        It is saved with the run, and queries meet the graph by it: nothing is estimated on them. ``None``: the spec
        holds nothing relative.
        """
        return None


def graph_of(builder: GraphBuilder, nodes: Tensor, layout: Layout | None) -> SparseGraph:
    """Neighbours among the nodes [S, d]. Raises ``ContractError`` where that is no graph [S, S]."""
    given = builder.connect(nodes, *_layouts(layout))
    return _graph(builder, "connect", given, len(nodes), len(nodes))


def item_graph_of(builder: GraphBuilder, nodes: Tensor, layout: Layout) -> SparseGraph:
    """Neighbours within each item. Raises ``ContractError`` as ``graph_of`` does."""
    return _graph(builder, "connect_items", builder.connect_items(nodes, layout), len(nodes), len(nodes))


def query_graph_of(
    builder: GraphBuilder, queries: Tensor, nodes: Tensor, query_layout: Layout | None, layout: Layout | None
) -> SparseGraph:
    """Neighbours of queries [Q, d] among nodes [S, d]. Raises ``ContractError`` where that is no graph [Q, S]."""
    layouts = () if query_layout is None else (query_layout, layout)
    given = builder.connect_queries(queries, nodes, *layouts)
    return _graph(builder, "connect_queries", given, len(queries), len(nodes))


def settled_of(builder: GraphBuilder, nodes: Tensor, layout: Layout | None) -> GraphSpec | None:
    """What ``settle`` makes of its spec. Raises ``ContractError`` where that is no spec of a graph."""
    given = builder.settle(nodes, *_layouts(layout))
    if given is not None and not isinstance(given, GraphSpec):
        raise broken("graph builder", builder, f"gave {form(given)}; `settle` gives a GraphSpec or None")
    return given


def _layouts(layout: Layout | None) -> tuple[Layout, ...]:
    """A builder for one node an item is not asked about layouts."""
    return () if layout is None else (layout,)


def _graph(builder: GraphBuilder, method: str, given: object, rows: int, cols: int) -> SparseGraph:
    asked = f"`{method}` gives a SparseGraph [{rows}, {cols}]"
    if not isinstance(given, SparseGraph):
        raise broken("graph builder", builder, f"gave {form(given)}; {asked}")
    if (given.num_rows, given.num_cols) != (rows, cols):
        hint = ": `num_cols` says how many it may hear" if rows != cols else ""
        raise broken("graph builder", builder, f"gave [{given.num_rows}, {given.num_cols}]; {asked}{hint}")
    return given
