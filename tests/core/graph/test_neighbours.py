"""Which support items a prediction names."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import normalize

from graftwork.core.data.layout import Layout
from graftwork.core.graph.neighbours import neighbours_of
from graftwork.core.graph.nodes import Nodes
from graftwork.core.graph.support import Support
from graftwork.triton_kernels import SparseGraph

CPU = torch.device("cpu")


@given(st.integers(1, 6), st.integers(1, 4), st.booleans(), st.integers(1, 4), st.integers(0, 2**20))
def test_the_nearest_of_all_come_first_and_equal_ones_by_id(
    items: int, queries: int, pairs: bool, most: int, seed: int
) -> None:
    """Against pairs of items looked at one by one; coarse vectors, so that many cosines are equal."""
    draw = torch.Generator().manual_seed(seed)
    each = 2 if pairs else 1
    x = normalize(torch.randint(0, 2, (each * items, 3), generator=draw) + 0.1, dim=-1)
    q = normalize(torch.randint(0, 2, (each * queries, 3), generator=draw) + 0.1, dim=-1)
    heard = torch.rand(len(q), len(x), generator=draw) < 0.6
    row, col = heard.nonzero().T
    sources = SparseGraph.from_edge_index(torch.stack([col, row]), num_rows=len(q), num_cols=len(x))
    ids = tuple(f"{number % 3}{number}" for number in range(items))
    layouts = [Layout.pairs(count, CPU) if pairs else None for count in (items, queries)]
    support = Support(ids, Nodes(x, layout=layouts[0]), torch.arange(items) % 3 - 1)
    expected = []
    for query in range(queries):
        near = {}
        for one, other in [(int(a), int(b)) for a, b in zip(row, col, strict=True) if int(a) // each == query]:
            cosine = float(torch.cosine_similarity(q[one], x[other], dim=0))
            near[other // each] = max(cosine, near.get(other // each, -2.0))
        expected.append(sorted((-round(cosine, 6), ids[item]) for item, cosine in near.items()))
    names = ("a", "b")
    for limit in (None, most):
        found = neighbours_of(support, Nodes(q, layout=layouts[1]), sources, names, limit)
        assert [[(-round(one.similarity, 6), one.id) for one in of] for of in found] == [of[:limit] for of in expected]
        labels = {id_: None if number % 3 == 0 else names[number % 3 - 1] for number, id_ in enumerate(ids)}
        assert all(one.label == labels[one.id] for of in found for one in of)
    assert neighbours_of(support, Nodes(q, layout=layouts[1]), None, names) == [()] * queries
