"""Adapters on features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ....triton_kernels import SparseGraph
from ...roles.adapter import Adapter, adapted_of_aggregated, aggregated_of
from ..case import Case
from ..outcome import NotApplicable
from ..same import assert_same
from .modules import moved

WIDTH, ITEMS = 24, 12
#: Sums in another order differ by this.
CLOSE = 1e-5


def make(case: Case, seed: int = 0) -> Adapter:
    """Built as the pipeline builds it."""
    return case.build(Adapter, WIDTH, seed=seed)


def vectors(items: int = ITEMS, seed: int = 0) -> Tensor:
    """Unit vectors float32 [items, WIDTH]."""
    return normalize(torch.randn(items, WIDTH, generator=torch.Generator().manual_seed(seed)), dim=-1)


def two_rings(items: int = ITEMS) -> SparseGraph:
    """Two halves that do not hear each other, each a ring."""
    half = items // 2
    near = torch.arange(half)
    one = torch.stack([near, near.roll(1)])
    edges = torch.cat([one, one.flip(0), one + half, one.flip(0) + half], dim=1)
    edges = torch.unique(edges[:, edges[0] != edges[1]], dim=1)
    return SparseGraph.from_edge_index(edges, torch.ones(edges.shape[1]), num_rows=items, num_cols=items)


def _graph(case: Case, items: int = ITEMS) -> SparseGraph | None:
    return two_rings(items) if case.spec.needs_graph else None


def use(case: Case, module: nn.Module) -> Mapping[str, Tensor]:
    """What it makes of fixed vectors."""
    return {"adapted": module(vectors(), _graph(case))}


def exercise(case: Case) -> Any:
    """Of one that was moved, for at the start most change nothing."""
    return {name: value.detach() for name, value in use(case, moved(make(case)).eval()).items()}


def declared(case: Case) -> int | None:
    """By the spec."""
    count: int | None = case.spec.parameter_count(WIDTH)
    return count


def shape(case: Case) -> None:
    """Of several items and of one; what it is given stays as it was."""
    adapter = moved(make(case)).eval()
    for items in (ITEMS, 1):
        x, graph = vectors(items), _graph(case, items)
        before = x.clone()
        out = adapter(x, graph)
        expected = (items, adapter.output_width)
        assert tuple(out.shape) == expected, f"[{items}, {WIDTH}] becomes {list(out.shape)}, not {list(expected)}"
        assert out.dtype == x.dtype, f"{x.dtype} becomes {out.dtype}"
        assert out.device == x.device, f"vectors on {x.device} become vectors on {out.device}"
        assert bool(out.isfinite().all()), "some of what it gives is not finite"
        assert torch.equal(x, before), "it changes the vectors that it is given"


def identity_at_start(case: Case) -> None:
    """To the bit."""
    if not case.spec.starts_as_identity:
        raise NotApplicable("its spec says that it does not start as the identity")
    adapter = make(case).eval()
    with torch.no_grad():
        assert_same(
            adapter(vectors(), _graph(case)),
            vectors(),
            "before training it changes vectors (start its last layer at zero, or set starts_as_identity = False)",
        )


def one_item(case: Case) -> None:
    """In evaluation, after some training."""
    if case.spec.needs_graph:
        raise NotApplicable("its items hear each other over the graph")
    adapter, x = moved(make(case)).eval(), vectors()
    with torch.no_grad():
        alone = torch.cat([adapter(row[None], None) for row in x])
        assert_same(alone, adapter(x, None), "an item alone and among others", CLOSE)


def messages(case: Case) -> None:
    """Another half of the graph does not matter; the neighbours do."""
    if not case.spec.needs_graph:
        raise NotApplicable("it passes no messages")
    adapter, half = moved(make(case)).eval(), ITEMS // 2
    other = vectors()
    other[half:] = vectors(seed=1)[half:]
    with torch.no_grad():
        before, after = adapter(vectors(), two_rings()), adapter(other, two_rings())
        assert_same(after[:half], before[:half], "a node hears another one that it is not linked to", CLOSE)
        near = vectors()
        near[1] = other[half]
        heard = adapter(near, two_rings())[0]
    assert not torch.equal(heard, before[0]), "its spec needs a graph, and a node does not hear its neighbour"


def aggregated(case: Case) -> None:
    """Aggregated at the start; asked after some training, some rows alone."""
    if not case.spec.needs_graph:
        raise NotApplicable("it passes no messages")
    adapter, rows = make(case).eval(), torch.arange(0, ITEMS, 3)
    once = aggregated_of(adapter, vectors(), two_rings())
    if once is None:
        raise NotApplicable("its `aggregate` gives None: each epoch runs `forward` over all nodes")
    moved(adapter)
    with torch.no_grad():
        found = adapted_of_aggregated(adapter, [one[rows] for one in once])
        assert_same(found, adapter(vectors(), two_rings())[rows], "rows of `forward_aggregated` and `forward`", CLOSE)
