"""Our kernels as the kit sees them: operation, reference, what their inputs look like, which properties they have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from graftwork.triton_kernels import SparseGraph, attach, gcn_bottleneck, propagate, reference, similarity_graph
from graftwork.triton_kernels.message_passing.sddmm import pair_products
from graftwork.triton_kernels.message_passing.spmm import sddmm, spmm
from graftwork.triton_kernels.testing import (
    PROPERTIES,
    TOLERANCES,
    Inputs,
    Kernel,
    Property,
    Tolerance,
    dense_adjacency,
    embeddings,
    finite_differences,
    heavy_graphs,
    non_finite,
    permutation,
    sparse_graphs,
    thresholds,
    values,
)

NORMS = ("sym", "row", None)
SCREENS = (None, "float32", "bfloat16", "head", "head_bfloat16")
FULL_PRECISION = {dtype: TOLERANCES[dtype] for dtype in (torch.float64, torch.float32)}
ALL_DERIVATIVES = finite_differences(second=True, forward=True, batched=True)


@dataclass(frozen=True)
class Case:
    """What `check_kernel` is called with."""

    op: Callable[..., Any]
    reference: Callable[..., Any]
    strategy: st.SearchStrategy[Any]
    properties: tuple[Property, ...] = PROPERTIES
    tolerances: Mapping[torch.dtype, Tolerance] = field(default_factory=lambda: TOLERANCES)

    def named(self) -> dict[str, Property]:
        """Its properties by name."""
        return {one.name: one for one in self.properties}


def having(*more: Property, without: tuple[str, ...] = ()) -> tuple[Property, ...]:
    """The usual properties, some of them replaced by others of the same name, some left out."""
    names = {one.name for one in more} | set(without)
    return (*(one for one in PROPERTIES if one.name not in names), *more)


def spreads(of: str) -> Property:
    """Non-finite numbers spread; under `sym` over graphs without a degree of 0.

    That gives edges the weight 0, and 0 times NaN is NaN, which is not what "depends on" means.
    """
    plain = non_finite("spreads", of=(of,))

    def check(kernel: Kernel, inputs: Inputs, data: st.DataObject) -> str | None:
        if inputs["norm"] != "sym":
            return plain.check(kernel, inputs, data)
        if inputs.get("edge_weight") is not None:
            return "the weights are of these edges alone, so no loop can be added"
        return plain.check(kernel, {**inputs, "graph": inputs["graph"].with_self_loops()}, data)

    return Property(plain.name, check)


# Similarity graphs: any screen, tile, cap and threshold, which is mostly a tie.


@st.composite
def similarities(draw: st.DrawFn, bipartite: bool, capped: bool = True, max_rows: int = 17) -> dict[str, Any]:
    width = draw(st.sampled_from((1, 3, 4, 16, 40)))
    x = draw(embeddings(max_rows=max_rows, width=width))
    y = draw(embeddings(max_rows=max_rows, width=width)) if bipartite else None
    weight = draw(st.sampled_from(("cosine", "cosine", "binary")))
    return {
        "x": x,
        "y": y,
        "threshold": draw(thresholds(x, y, least=0.0 if weight == "cosine" else -1.0)),
        "weight": weight,
        "max_degree": draw(st.sampled_from((None, 1, 2, 3, 50))) if capped else None,
        "cap": draw(st.sampled_from(("union", "mutual"))),
        "self_loops": not bipartite and draw(st.booleans()),
        "tile": draw(st.sampled_from((1, 3, 8, 512))),
        "screen": draw(st.sampled_from(SCREENS)),
    }


@st.composite
def many_ties(draw: st.DrawFn) -> dict[str, Any]:
    """Sign vectors, cut at one of their few cosines; of 11 signs, as 1 / sqrt(11) is badly rounded to bfloat16."""
    x = draw(embeddings(min_rows=20, max_rows=60, width=11, kinds=("signs",), dtypes=(torch.float32,)))
    return {
        "x": x,
        "threshold": float(torch.tensor(draw(st.integers(1, 11)) / 11)),
        "weight": "binary",
        "tile": draw(st.sampled_from((8, 512))),
        "screen": draw(st.sampled_from(SCREENS[1:])),
    }


def dense_similarity(weight: str, tile: int, screen: str | None, **options: Any) -> tuple[Tensor, Tensor]:
    edge, cosine = reference.similarity_graph(**options)
    return edge, (edge.float() if weight == "binary" else cosine.where(edge, 0))


# Message passing: every norm, fixed and learned weights, light and heavy rows.


@st.composite
def messages(draw: st.DrawFn, graphs: st.SearchStrategy[SparseGraph], learned: bool = False) -> dict[str, Any]:
    graph = draw(graphs)
    norm = draw(st.sampled_from(NORMS if graph.num_rows == graph.num_cols else NORMS[1:]))
    width = draw(st.sampled_from((0, 1, 5, 8)))
    h = draw(hidden(graph.num_cols, width))
    weight = graph.edge_weight.to(h.dtype) if learned else None
    return {"graph": graph, "h": h, "norm": norm, "edge_weight": weight}


@st.composite
def hidden(draw: st.DrawFn, rows: int, width: int) -> Tensor:
    """Node states [rows, width], which may be no features wide."""
    return draw(embeddings(rows, rows, width, scales=(1.0,))) if width else torch.zeros(rows, 0)


def any_graphs() -> st.SearchStrategy[SparseGraph]:
    return st.booleans().flatmap(lambda square: sparse_graphs(square=square))


def dense_messages(graph: SparseGraph, h: Tensor, norm: Any, edge_weight: Tensor | None) -> Tensor:
    adjacency = dense_adjacency(graph)
    if edge_weight is not None:
        adjacency = torch.zeros_like(adjacency).index_put((graph.row, graph.col), edge_weight)
    return reference.propagate(adjacency, h, norm=norm)


# The two primitives.


@st.composite
def weighted_rows(draw: st.DrawFn) -> dict[str, Any]:
    drawn = draw(messages(any_graphs(), learned=True))
    return {"graph": drawn["graph"], "value": drawn["edge_weight"], "h": drawn["h"]}


@st.composite
def pairs_of_rows(draw: st.DrawFn) -> dict[str, Any]:
    graph, width = draw(any_graphs()), draw(st.sampled_from((1, 5)))
    a, b = (draw(hidden(rows, width)) for rows in (graph.num_rows, graph.num_cols))
    return {"graph": graph, "a": a, "b": b.to(a.dtype)}


# The adapter: with and without each optional weight.


@st.composite
def adapters(draw: st.DrawFn, activations: tuple[str, ...] = ("relu", "gelu", "tanh")) -> dict[str, Any]:
    graph, d, r = draw(sparse_graphs()), 5, 3
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    shapes: dict[str, tuple[int, ...]] = {"x": (graph.num_nodes, d), "w_down": (r, d), "w_gcn": (r, r), "w_up": (d, r)}
    optional: dict[str, tuple[int, ...]] = {"b_down": (r,), "b_gcn": (r,), "b_up": (d,), "w_self": (r, r)}
    shapes |= {name: optional[name] for name in sorted(draw(st.sets(st.sampled_from(sorted(optional)))))}
    options = {
        "norm": draw(st.sampled_from(NORMS)),
        "activation": draw(st.sampled_from(activations)),
        "scale": draw(st.sampled_from((1.0, 0.5))),
    }
    for _ in range(100):
        tensors = {name: torch.randn(*shape, generator=generator) for name, shape in shapes.items()}
        for name in tensors.keys() & {"w_down", "w_gcn", "w_up", "w_self"}:
            tensors[name] /= tensors[name].shape[1] ** 0.5  # as layers begin: states of size 1, not sums that cancel
        if options["activation"] != "relu" or not at_a_kink(graph, options["norm"], **tensors):
            return {"graph": graph, **tensors, **options}
    return hypothesis.reject()


def at_a_kink(
    graph: SparseGraph,
    norm: Any,
    x: Tensor,
    w_down: Tensor,
    w_gcn: Tensor,
    b_down: Tensor | None = None,
    b_gcn: Tensor | None = None,
    w_self: Tensor | None = None,
    **rest: Tensor,
) -> bool:
    """Whether some number before the activation is so near 0 that rounding to bfloat16 may carry it across.

    There a relu's derivative is 0 for one and 1 for the other, and both are right. A 0 is one however it is rounded.
    """
    lower = functional.linear(x, w_down, b_down)
    state = functional.linear(reference.propagate(dense_adjacency(graph).float(), lower, norm=norm), w_gcn, b_gcn)
    if w_self is not None:
        state = state + functional.linear(lower, w_self)
    return (
        bool(((state != 0) & (state.abs() < 0.02 * state.abs().amax().clamp_min(1))).any()) if state.numel() else False
    )


def dense_adapter(graph: SparseGraph, **inputs: Any) -> Tensor:
    return reference.gcn_bottleneck(adjacency=dense_adjacency(graph), **inputs)


# Attached graphs.


@st.composite
def attached(draw: st.DrawFn) -> dict[str, Any]:
    support = draw(sparse_graphs(min_nodes=0))
    return {"support": support, "queries": draw(sparse_graphs(square=False, num_cols=support.num_nodes))}


def dense_attached(support: SparseGraph, queries: SparseGraph) -> tuple[Tensor, Tensor]:
    rows = torch.cat((dense_adjacency(support), dense_adjacency(queries)))
    dense = torch.cat((rows, rows.new_zeros(len(rows), queries.num_rows)), 1)
    return dense != 0, dense.float()


CASES = {
    "similarity_graph": Case(
        similarity_graph, dense_similarity, similarities(bipartite=False), having(non_finite("error"))
    ),
    "similarity_graph_bipartite": Case(
        similarity_graph, dense_similarity, similarities(bipartite=True), having(non_finite("error"))
    ),
    "similarity_graph_ties": Case(similarity_graph, dense_similarity, many_ties(), (values,)),
    "similarity_graph_renamed": Case(
        similarity_graph,
        dense_similarity,
        similarities(bipartite=False, capped=False),
        (permutation("nn", x="n_"),),
    ),
    "similarity_graph_bipartite_renamed": Case(
        similarity_graph,
        dense_similarity,
        similarities(bipartite=True, capped=False),
        (permutation("nm", x="n_", y="m_"),),
    ),
    "propagate": Case(propagate, dense_messages, messages(any_graphs()), having(spreads("h"), ALL_DERIVATIVES)),
    "propagate_renamed": Case(
        propagate, dense_messages, messages(sparse_graphs()), (permutation("nr", graph="nn", h="nr"),)
    ),
    "propagate_learned": Case(
        propagate,
        dense_messages,
        messages(any_graphs(), learned=True),
        having(spreads("h"), ALL_DERIVATIVES),
        FULL_PRECISION,
    ),
    "propagate_dense": Case(
        propagate, dense_messages, messages(sparse_graphs(min_nodes=9, max_nodes=20, density=(0.5, 1.0)))
    ),
    "propagate_heavy": Case(propagate, dense_messages, messages(heavy_graphs())),
    "spmm": Case(
        lambda graph, value, h: spmm(graph.structure, value, h),
        lambda graph, value, h: dense_messages(graph, h, None, value),
        weighted_rows(),
        having(non_finite("spreads"), ALL_DERIVATIVES),
        FULL_PRECISION,
    ),
    "sddmm": Case(
        lambda graph, a, b: sddmm(graph.structure, a, b),
        lambda graph, a, b: (a @ b.T)[graph.row, graph.col],
        pairs_of_rows(),
        having(non_finite("spreads"), ALL_DERIVATIVES),
        FULL_PRECISION,
    ),
    "pair_products": Case(
        lambda graph, a, b: pair_products(a.detach(), b.detach(), graph.row, graph.col),
        lambda graph, a, b: (a.detach() @ b.detach().T)[graph.row, graph.col],
        pairs_of_rows(),
        tolerances=FULL_PRECISION,
    ),
    "gcn_bottleneck": Case(
        gcn_bottleneck,
        dense_adapter,
        adapters(),
        having(spreads("x"), permutation("n_", x="n_", graph="nn"), without=("finite_differences",)),
    ),
    "gcn_bottleneck_smooth": Case(
        gcn_bottleneck, dense_adapter, adapters(activations=("gelu", "tanh")), (ALL_DERIVATIVES,)
    ),
    "gcn_bottleneck_float32": Case(  # what the fused Triton kernel takes
        gcn_bottleneck,
        dense_adapter,
        adapters(),
        having(spreads("x"), without=("finite_differences",)),
        {torch.float32: TOLERANCES[torch.float32]},
    ),
    "attach": Case(attach, dense_attached, attached()),
}
