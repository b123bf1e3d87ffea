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


def require_graph(builder: GraphBuilder, method: str, given: object, rows: int, cols: int) -> SparseGraph:
    """What a method of the builder gave. Raises ``ContractError`` where it is no graph [rows, cols]."""
    asked = f"`{method}` gives a SparseGraph [{rows}, {cols}]"
    if not isinstance(given, SparseGraph):
        raise broken("graph builder", builder, f"gave {form(given)}; {asked}")
    if (given.num_rows, given.num_cols) != (rows, cols):
        hint = ": `num_cols` says how many it may hear" if rows != cols else ""
        raise broken("graph builder", builder, f"gave [{given.num_rows}, {given.num_cols}]; {asked}{hint}")
    return given
