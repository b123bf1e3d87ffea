"""The graph role, and the support set that a trained graph carries with it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from ..registry.errors import UserError
from ..triton_kernels import SparseGraph
from .contract import broken, form
from .layout import Layout
from .nodes import Nodes
from .roles import GraphSpec

__all__ = ["GraphBuilder", "GraphError", "Nodes", "Support"]


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


@dataclass(frozen=True, slots=True)
class Support:
    """What predictions refer to: the training nodes and their graph."""

    #: Item ids.
    ids: tuple[str, ...]
    #: The items as nodes, with the graph over them (``None``: no messages pass between items).
    nodes: Nodes
    #: int64 [items]; -1 for an unlabelled one.
    targets: Tensor
    #: What the graph's relative settings came to; ``None`` where there are none.
    settled: GraphSpec | None = None
    #: With policy ``transductive``: split to its first item and the one after its last.
    splits: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def x(self) -> Tensor:
        """float32 [S, d]: the frozen node vectors."""
        return self.nodes.x

    @property
    def graph(self) -> SparseGraph | None:
        """[S, S], or ``None``."""
        return self.nodes.graph
