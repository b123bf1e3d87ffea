"""`propagate` against reading the same bytes once, torch CSR, scipy, PyG, and on a GPU cached cuSPARSE (cupy)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..triton_kernels import SparseGraph, propagate
from ..triton_kernels.conversions import to_torch_csr
from . import Progress, Setting
from .case import Call, Candidate, Case
from .features import random_graph
from .measure import run_cases

WIDTH = 64


@dataclass(frozen=True)
class Inputs:
    """A graph and what travels over it."""

    graph: SparseGraph
    normalised: SparseGraph
    """The same with Â's weights, for those that do not normalise."""
    h: Tensor
    """float32 [N, 64]; of a run both ways a leaf."""
    ahead: Tensor
    """The gradient that comes back."""


def tables(setting: Setting, progress: Progress) -> Iterator[str]:
    """Forward, both ways, and a whole layer."""
    return run_cases("propagate", cases(setting), setting, progress)


def cases(setting: Setting) -> list[Case]:
    """Random graphs of degree 32."""
    nodes, rounds = (2048, 3) if setting.quick else (100_000, 5)
    size = f"N = {nodes:,}, degree 32, r = {WIDTH}"
    ahead, both = (partial(_inputs, nodes, setting.device, leaf) for leaf in (False, True))
    pyg = Candidate("PyG GCNConv, its messages alone", _pyg_messages, needs="torch_geometric")
    forward = [
        Candidate("reading and writing the bytes once (limit)", partial(_stream, 1), memory=False),
        Candidate("propagate", lambda given: lambda: propagate(given.graph, given.h)),
        Candidate("torch CSR, int32 (csr @ h)", _torch_csr),
        Candidate("torch.sparse.mm(csr, h, 'sum')", _torch_sparse_mm),
        Candidate("scipy CSR", _scipy)
        if setting.device == "cpu"
        else Candidate("cuSPARSE, cached (cupy)", _cupy, "cupy"),
        pyg,
    ]
    back = [
        Candidate("reading and writing the bytes twice (limit)", partial(_stream, 2), memory=False),
        Candidate("propagate", lambda given: partial(_both, given, partial(propagate, given.graph, given.h))),
        Candidate("torch CSR, int32 (csr @ h)", lambda given: partial(_both, given, _torch_csr(given))),
        Candidate(pyg.name, lambda given: partial(_both, given, _pyg_messages(given)), pyg.needs),
    ]
    layer = [
        Candidate("the layer's linear map alone (limit)", _linear),
        Candidate("graftwork.triton_kernels.pyg.GCNConv", partial(_layer, True), "torch_geometric"),
        Candidate("torch_geometric.nn.GCNConv, cached=True", partial(_layer, False, cached=True), "torch_geometric"),
        Candidate("torch_geometric.nn.GCNConv", partial(_layer, False), "torch_geometric"),
    ]
    many = [
        Case(f"propagate, forward: {size}", ahead, tuple(forward), rounds),
        Case(f"propagate, forward and backward: {size}", both, tuple(back), rounds),
    ]
    if not layer[1].missing:
        many.append(Case(f"GCNConv(64, 64), forward and backward: {size}", both, tuple(layer), rounds))
    return many


def _inputs(nodes: int, device: str, leaf: bool) -> Inputs:
    graph = random_graph(nodes).to(device)
    scale = graph.degree().rsqrt().float()
    normalised = graph.with_weight(scale[graph.row] * scale[graph.col], symmetric=True)
    h = torch.randn(nodes, WIDTH, device=device)
    return Inputs(graph, normalised, h.clone().requires_grad_() if leaf else h, h)


def _both(given: Inputs, forward: Callable[[], Any]) -> None:
    forward().backward(given.ahead)


def _stream(times: int, given: Inputs) -> Call:
    """Every edge's row, index and weight read and every result written, without any reuse in a cache."""
    edge = WIDTH * 4 + 8
    many = times * (given.graph.num_edges * edge + given.h.numel() * 4) // 4
    buffer = torch.ones(min(many, 1 << 25), device=given.h.device)  # 128 MB: more than a cache holds
    whole, rest = divmod(many, len(buffer))

    def read() -> None:
        for _ in range(whole):
            buffer.sum()
        buffer[:rest].sum()

    return read


def _int32_csr(given: Inputs) -> Tensor:
    csr = to_torch_csr(given.normalised)
    return torch.sparse_csr_tensor(csr.crow_indices().int(), csr.col_indices().int(), csr.values(), csr.shape)


def _torch_csr(given: Inputs) -> Call:
    csr = _int32_csr(given)
    return lambda: csr @ given.h


def _torch_sparse_mm(given: Inputs) -> Call:
    csr = _int32_csr(given)
    return lambda: torch.sparse.mm(csr, given.h, "sum")


def _scipy(given: Inputs) -> Call:
    from ..triton_kernels.conversions import to_scipy

    csr, h = to_scipy(given.normalised), given.h.numpy()
    return lambda: csr @ h


def _cupy(given: Inputs) -> Call:
    import cupy
    from cupyx.scipy.sparse import csr_matrix

    graph = given.normalised
    arrays = tuple(cupy.from_dlpack(one) for one in (graph.edge_weight, graph.col.int(), graph.rowptr.int()))
    csr, h = csr_matrix(arrays, shape=(graph.num_rows, graph.num_cols)), cupy.from_dlpack(given.h)
    return lambda: csr @ h


def _pyg_messages(given: Inputs) -> Call:
    from torch_geometric.nn import GCNConv

    layer = GCNConv(WIDTH, WIDTH, bias=False, normalize=False)
    layer.lin = torch.nn.Identity()
    edge_index, weight = given.graph.edge_index, given.normalised.edge_weight
    return lambda: layer(given.h, edge_index, weight)


def _linear(given: Inputs) -> Call:
    linear = torch.nn.Linear(WIDTH, WIDTH, device=given.h.device)
    return partial(_both, given, lambda: linear(given.h))


def _layer(ours: bool, given: Inputs, **options: bool) -> Call:
    from torch_geometric.nn import GCNConv as PygGCNConv

    from ..triton_kernels.pyg import GCNConv

    layer = (GCNConv if ours else PygGCNConv)(WIDTH, WIDTH, **options).to(given.h.device)
    edge_index = given.graph.edge_index
    return partial(_both, given, lambda: layer(given.h, edge_index))
