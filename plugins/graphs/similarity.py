"""The similarity graph of GA-Net."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from torch import Tensor

from ...core.graph import GraphBuilder, GraphError
from ...triton_kernels import SparseGraph, similarity_graph
from . import SimilaritySpec


class Similarity(GraphBuilder):
    """A_ij = 1[cos(m_i, m_j) >= tau], i != j, weighted as the spec says.

    Source: Cheng & Lu, arXiv 2408.00290; the softmax weights are ours.
    """

    def __init__(self, spec: SimilaritySpec) -> None:
        self.spec = spec

    def connect(self, nodes: Tensor) -> SparseGraph:
        """Symmetric graph [S, S] over nodes float32 [S, d]. Raises ``GraphError``."""
        return self._graph(nodes, None)

    def connect_queries(self, queries: Tensor, nodes: Tensor) -> SparseGraph:
        """Bipartite graph [Q, S]: a query's row depends on that query and the nodes alone. Raises ``GraphError``."""
        return self._graph(queries, nodes)

    def _graph(self, x: Tensor, y: Tensor | None) -> SparseGraph:
        spec = self.spec
        kept: Literal["binary", "cosine"] = "binary" if spec.weight == "binary" else "cosine"
        try:
            graph = similarity_graph(x, spec.threshold, y=y, max_degree=spec.max_degree, cap=spec.cap, weight=kept)
        except ValueError as error:
            raise GraphError(f"graph: {error}") from error
        if spec.weight != "softmax":
            return graph
        assert graph.weight is not None
        return replace(graph, weight=((graph.weight - 1) / spec.temperature).exp())
