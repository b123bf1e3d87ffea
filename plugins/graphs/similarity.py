"""The similarity graph of GA-Net."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from torch import Tensor

from ...core.data.layout import Layout
from ...core.roles import GraphBuilder, GraphError, GraphSpec
from ...triton_kernels import SparseGraph, similarity_graph
from .block_edges import BlockSearch, edges_across, edges_among
from .item_edges import edges_within_items, resolved_within_items
from .specs import SimilaritySpec
from .thresholds import AverageDegree, Blocks, Quantile, is_relative, numbers

OneThreshold = float | Quantile | AverageDegree


class Similarity(GraphBuilder):
    """A_ij = 1[cos(m_i, m_j) >= tau], i != j, weighted as the spec says; tau may differ by block.

    Source: Cheng & Lu, arXiv 2408.00290; the softmax weights and the blocks are ours.
    """

    def __init__(self, spec: SimilaritySpec) -> None:
        self.spec = spec
        self._kept: Literal["binary", "cosine"] = "binary" if spec.weight == "binary" else "cosine"

    def connect(self, nodes: Tensor, layout: Layout | None = None) -> SparseGraph:
        """Symmetric graph [S, S] over nodes float32 [S, d]. Raises ``GraphError``."""
        if layout is not None and isinstance(self.spec.threshold, Blocks):
            taus = self.spec.threshold.each()
            graph = edges_among(nodes, layout.kinds, self._search(taus), self.spec.max_degree, self.spec.cap)
            return self._weighted(graph)
        return self._weighted(self._found(nodes, None, self.spec.threshold, self.spec.max_degree))

    def connect_queries(
        self, queries: Tensor, nodes: Tensor, query_layout: Layout | None = None, layout: Layout | None = None
    ) -> SparseGraph:
        """Bipartite graph [Q, S]: a query's row depends on that query and the nodes alone. Raises ``GraphError``."""
        if query_layout is not None and layout is not None and isinstance(self.spec.threshold, Blocks):
            search, cap = self._search(self.spec.threshold.each()), self.spec.max_degree
            return self._weighted(edges_across(queries, nodes, query_layout.kinds, layout.kinds, search, cap))
        return self._weighted(self._found(queries, nodes, self.spec.threshold, self.spec.max_degree))

    def connect_items(self, nodes: Tensor, layout: Layout) -> SparseGraph:
        """Symmetric graph [n, n] with edges within each item alone. Raises ``GraphError``."""
        return self._weighted(edges_within_items(nodes, layout, self.spec))

    def settle(self, nodes: Tensor, layout: Layout | None = None) -> GraphSpec | None:
        """The spec with tau as numbers, found on these nodes before any cap; ``None`` where it is numbers already.

        Raises ``GraphError`` where it comes to less than weights allow.
        """
        threshold = self.spec.threshold
        if not is_relative(threshold):
            return None
        if self.spec.nodes == "tokens" and layout is not None:
            resolved = resolved_within_items(nodes, layout, threshold)
        elif isinstance(threshold, Blocks) and layout is not None:
            image, text = (nodes[layout.kinds == kind] for kind in (0, 1))
            pairs = {"vv": (image, None), "tt": (text, None), "vt": (image, text)}
            resolved = Blocks(**{name: self._tau(*pairs[name], one) for name, one in threshold.each().items()})
        else:
            resolved = self._tau(nodes, None, threshold)
        if self.spec.weight != "binary" and (lowest := min(numbers(resolved).values())) < 0:
            raise GraphError(
                f"graph.threshold: over {len(nodes)} nodes it comes to a cosine of {lowest:.3f}, and weight "
                f"`{self.spec.weight}` needs at least 0; ask for fewer neighbours, give the pool more nodes, or take "
                "weight `binary`"
            )
        return self.spec.model_copy(update={"threshold": resolved})

    def _tau(self, x: Tensor, y: Tensor | None, threshold: OneThreshold | Blocks) -> float:
        if isinstance(threshold, float | int):
            return threshold
        search = self._found(x, y, threshold, weight="binary").search
        assert search is not None
        return search.threshold

    def _search(self, taus: dict[str, OneThreshold]) -> BlockSearch:
        return lambda block, x, y: self._found(x, y, taus[block])

    def _found(
        self,
        x: Tensor,
        y: Tensor | None,
        threshold: OneThreshold | Blocks,
        max_degree: int | None = None,
        weight: Literal["binary", "cosine"] | None = None,
    ) -> SparseGraph:
        assert not isinstance(threshold, Blocks), "the spec allows blocks only where there is a layout"
        tau = threshold if isinstance(threshold, float | int) else threshold.model_dump()
        try:
            return similarity_graph(x, tau, y=y, max_degree=max_degree, cap=self.spec.cap, weight=weight or self._kept)
        except ValueError as error:
            raise GraphError(f"graph: {error}") from error

    def _weighted(self, graph: SparseGraph) -> SparseGraph:
        if self.spec.weight != "softmax":
            return graph
        assert graph.weight is not None
        return replace(graph, weight=((graph.weight - 1) / self.spec.temperature).exp())
