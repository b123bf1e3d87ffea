"""Graph builders."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn.functional import normalize

from ....registry.build import build
from ....triton_kernels import SparseGraph
from ...data.layout import Layout
from ...roles.graph import GraphBuilder
from ..case import Case
from ..outcome import NotApplicable
from ..same import assert_same
from .adapters import vectors

SUPPORT, QUERIES = 12, 5


def make(case: Case) -> GraphBuilder:
    """Built as the pipeline builds it."""
    return case.build(GraphBuilder)


def _nodes() -> tuple[Tensor, Tensor]:
    """Support and queries; all near each other, so that there are edges at any usual threshold."""
    common = vectors(1, seed=9)
    support, asked = (common + 0.2 * vectors(items, seed) for items, seed in ((SUPPORT, 10), (QUERIES, 11)))
    return normalize(support, dim=-1), normalize(asked, dim=-1)


def _within(case: Case) -> bool:
    return bool(case.spec.nodes == "tokens")


def _between_items(case: Case) -> None:
    if _within(case):
        raise NotApplicable("its nodes are tokens: there are no edges between items")


def _settled(case: Case, support: Tensor, layout: Layout | None = None) -> GraphBuilder:
    """A builder of the numbers that relative settings came to, as a pipeline meets queries."""
    spec = make(case).settle(support, layout)
    if spec is None:
        return make(case)
    return build(GraphBuilder, case.catalogue, spec)


def exercise(case: Case) -> Any:
    """Both graphs, or those within items."""
    support, queries = _nodes()
    if _within(case):
        layout = Layout.pairs(SUPPORT // 2, support.device)
        return _edges(_settled(case, support, layout).connect_items(support, layout))
    return _edges(make(case).connect(support)), _edges(_settled(case, support).connect_queries(queries, support))


def _edges(graph: SparseGraph) -> dict[str, Any]:
    return {"rows": graph.row, "columns": graph.col, "weights": graph.weight, "shape": _shape(graph)}


def _shape(graph: SparseGraph) -> tuple[int, int]:
    return graph.num_rows, graph.num_cols


def square(case: Case) -> None:
    """Over the support."""
    _between_items(case)
    graph = make(case).connect(_nodes()[0])
    assert isinstance(graph, SparseGraph), f"it gives a {type(graph).__name__}, not a SparseGraph"
    assert _shape(graph) == (SUPPORT, SUPPORT), f"the graph of {SUPPORT} nodes is {list(_shape(graph))}"
    assert not bool((graph.row == graph.col).any()), "a node is its own neighbour; adapters add loops themselves"
    _finite(graph)


def _finite(graph: SparseGraph) -> None:
    assert graph.weight is None or bool(graph.weight.isfinite().all()), "some weights are not finite"


def queries(case: Case) -> None:
    """Against the support."""
    _between_items(case)
    support, asked = _nodes()
    graph = _settled(case, support).connect_queries(asked, support)
    assert isinstance(graph, SparseGraph), f"it gives a {type(graph).__name__}, not a SparseGraph"
    expected = (QUERIES, SUPPORT)
    assert _shape(graph) == expected, f"{QUERIES} queries and {SUPPORT} nodes give {list(_shape(graph))}"
    _finite(graph)


def query_alone(case: Case) -> None:
    """Each by itself has the row that it has among others: else a prediction depends on who else is asked about."""
    _between_items(case)
    support, asked = _nodes()
    builder = _settled(case, support)
    together = builder.connect_queries(asked, support)
    for number in range(QUERIES):
        alone = builder.connect_queries(asked[number : number + 1], support)
        here = together.row == number
        assert_same(alone.col, together.col[here], f"query {number} alone has other neighbours than among others")
        if alone.weight is not None and together.weight is not None:
            assert_same(alone.weight, together.weight[here], f"query {number} alone has other weights", 1e-5)


def settled(case: Case) -> None:
    """Settling the settled one finds nothing to do."""
    support, _ = _nodes()
    layout = Layout.pairs(SUPPORT // 2, support.device) if case.spec.nodes in ("pair", "tokens") else None
    spec = make(case).settle(support, layout)
    if spec is None:
        raise NotApplicable("its spec holds nothing relative")
    assert type(spec) is type(case.spec), f"a {type(case.spec).__name__} settles to a {type(spec).__name__}"
    again = build(GraphBuilder, case.catalogue, spec).settle(support, layout)
    assert again is None, f"what was settled settles again: {again!r}"


def items_apart(case: Case) -> None:
    """Of two nodes each."""
    if not case.spec.several_nodes:
        raise NotApplicable("it connects one node an item")
    support, _ = _nodes()
    layout = Layout.pairs(SUPPORT // 2, support.device)
    if not _within(case):
        raise NotApplicable("its nodes hear other items")
    graph = _settled(case, support, layout).connect_items(support, layout)
    assert _shape(graph) == (SUPPORT, SUPPORT), f"the graph of {SUPPORT} nodes is {list(_shape(graph))}"
    across = layout.owner[graph.row] != layout.owner[graph.col]
    assert not bool(across.any()), "an edge within items leads from one item to another"
