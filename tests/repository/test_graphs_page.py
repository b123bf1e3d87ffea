"""The builder that docs/graphs.md walks through is a plugin that keeps what its kind promises, and is mutual."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import normalize

from graftwork.core.testing import check_component

from ..support.code_blocks import blocks_of
from ..support.paths import ROOT

PAGE = ROOT / "docs" / "graphs.md"


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The package whose files the page shows, imported as an installed one is."""
    site = tmp_path_factory.mktemp("site")
    for block in blocks_of(PAGE):
        if block.file:
            (site / block.file).parent.mkdir(exist_ok=True)
            (site / block.file).write_text(block.code, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        yield __import__("graftwork_mutual.graph")
    for name in ("graftwork_mutual", "graftwork_mutual.graph"):
        sys.modules.pop(name, None)


def test_the_kit_finds_nothing_to_mend(mutual: ModuleType) -> None:
    """With fewer neighbours than nodes, and with more."""
    (component,) = mutual.graftwork_components()
    check_component(component, examples=[{}, {"k": 2}, {"k": 100}])


@given(st.integers(1, 9), st.integers(1, 8), st.integers(1, 12), st.integers(0, 1000))
def test_each_end_is_among_the_nearest_of_the_other(
    mutual: ModuleType, nodes: int, k: int, queries: int, seed: int
) -> None:
    """Counted one by one; a query meets a node's ranking as if it stood beside the support, the others away."""
    generator = torch.Generator().manual_seed(seed)
    x, y = (normalize(torch.randn(n, 4, generator=generator).double(), dim=-1) for n in (nodes, queries))
    builder = mutual.graph.Mutual(mutual.MutualSpec(k=k))
    graph = builder.connect(x)
    found = set(zip(graph.row.tolist(), graph.col.tolist(), strict=True))
    others = {i: [j for j in range(nodes) if j != i] for i in range(nodes)}
    ranks = {i: sorted(others[i], key=lambda j, i=i: -float(x[i] @ x[j]))[:k] for i in range(nodes)}
    assert found == {(i, j) for i in range(nodes) for j in ranks[i] if i in ranks[j]}
    attached = builder.connect_queries(y, x)
    assert (attached.num_rows, attached.num_cols) == (queries, nodes)
    expected = set()
    for q in range(queries):
        for j in sorted(range(nodes), key=lambda j, q=q: -float(y[q] @ x[j]))[:k]:
            nearer = sum(float(x[j] @ x[i]) > float(y[q] @ x[j]) for i in others[j])
            expected |= {(q, j)} if nearer < k else set()
    assert set(zip(attached.row.tolist(), attached.col.tolist(), strict=True)) == expected
