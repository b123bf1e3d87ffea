"""The graph role, and the support set that a trained graph carries with it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from ..registry.errors import UserError
from ..triton_kernels import SparseGraph, attach


class GraphError(UserError):
    """The graph cannot be built from these vectors."""


class GraphBuilder(ABC):
    """Built as ``build(spec)``."""

    @abstractmethod
    def connect(self, nodes: Tensor) -> SparseGraph:
        """Neighbours among the nodes [S, d] of the support set: a square graph [S, S] without self-loops."""

    @abstractmethod
    def connect_queries(self, queries: Tensor, nodes: Tensor) -> SparseGraph:
        """Neighbours of new nodes [Q, d] among the support's [S, d]: a bipartite graph [Q, S].

        A query's row must depend on that query and the support alone.
        """


@dataclass(frozen=True, slots=True)
class Nodes:
    """Node vectors with the graph over them; the last ``queries`` rows are attached, the rest is the support set."""

    #: float32 [S + Q, d].
    x: Tensor
    #: [S + Q, S + Q], or ``None`` for adapters without messages.
    graph: SparseGraph | None
    #: Q.
    queries: int = 0

    def to(self, device: torch.device) -> Nodes:
        """The same on another device."""
        return Nodes(self.x.to(device), self.graph.to(device) if self.graph else None, self.queries)


@dataclass(frozen=True, slots=True)
class Support:
    """What predictions refer to: the training nodes and their graph."""

    #: Item ids of the nodes.
    ids: tuple[str, ...]
    #: float32 [S, d].
    x: Tensor
    #: int64 [S]; -1 for an unlabelled node.
    targets: Tensor
    #: [S, S], or ``None``.
    graph: SparseGraph | None

    def attach(self, queries: Tensor, builder: GraphBuilder | None) -> Nodes:
        """The support with ``queries`` [Q, d] attached: each query hears its support neighbours and nobody hears it.

        The inductive policy ``attach`` (ours): the support's rows, and so its degrees, are what they were in training.
        """
        if builder is None or self.graph is None:
            return Nodes(queries, None, len(queries))
        edges = builder.connect_queries(queries, self.x)
        return Nodes(torch.cat([self.x, queries]), attach(self.graph, edges), len(queries))
