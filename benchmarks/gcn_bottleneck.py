"""The whole adapter, both ways, against the same without messages and PyG's usual style."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from ..triton_kernels import SparseGraph, gcn_bottleneck, propagate
from . import Progress, Setting
from .case import Call, Candidate, Case
from .features import random_graph
from .measure import run_cases

WIDTH, BOTTLENECK = 512, 64


@dataclass(frozen=True)
class Inputs:
    """Features [N, 512], the gradient that comes back, a graph of degree 32, the adapter's three maps."""

    x: Tensor
    ahead: Tensor
    graph: SparseGraph
    down: nn.Linear
    middle: nn.Linear
    up: nn.Linear


def tables(setting: Setting, progress: Progress) -> Iterator[str]:
    """One table."""
    return run_cases("gcn_bottleneck", cases(setting), setting, progress)


def cases(setting: Setting) -> list[Case]:
    """N = 100,000, degree 32."""
    nodes, rounds = (2048, 3) if setting.quick else (100_000, 5)
    candidates = (
        Candidate("the adapter with no propagation (limit)", _backward(_no_propagation)),
        Candidate("gcn_bottleneck", _backward(_fused)),
        Candidate("its plain steps", _backward(_plain_steps)),
        Candidate("PyG's usual style", _backward(_pyg), needs="torch_geometric"),
    )
    title = f"gcn_bottleneck, forward and backward: {WIDTH} -> {BOTTLENECK} -> {WIDTH}, N = {nodes:,}, degree 32"
    return [Case(title, partial(_inputs, nodes, setting.device), candidates, rounds)]


def _inputs(nodes: int, device: str) -> Inputs:
    sizes = ((WIDTH, BOTTLENECK), (BOTTLENECK, BOTTLENECK), (BOTTLENECK, WIDTH))
    maps = [nn.Linear(*size, device=device) for size in sizes]
    x, ahead = torch.randn(2, nodes, WIDTH, device=device)
    return Inputs(x, ahead, random_graph(nodes).to(device), *maps)


def _backward(style: Callable[[Inputs], Callable[[], Tensor]]) -> Callable[[Inputs], Call]:
    def prepare(given: Inputs) -> Call:
        forward = style(given)
        return lambda: torch.autograd.backward(forward(), given.ahead)

    return prepare


def _no_propagation(given: Inputs) -> Callable[[], Tensor]:
    return lambda: given.x + given.up(gelu(given.middle(given.down(given.x))))


def _fused(given: Inputs) -> Callable[[], Tensor]:
    down, middle, up = given.down, given.middle, given.up
    weights = down.weight, middle.weight, up.weight
    return lambda: gcn_bottleneck(given.x, given.graph, *weights, b_down=down.bias, b_gcn=middle.bias, b_up=up.bias)


def _plain_steps(given: Inputs) -> Callable[[], Tensor]:
    return lambda: given.x + given.up(gelu(given.middle(propagate(given.graph, given.down(given.x)))))


def _pyg(given: Inputs) -> Callable[[], Tensor]:
    from torch_geometric.nn import GCNConv

    layer = GCNConv(BOTTLENECK, BOTTLENECK, add_self_loops=False).to(given.x.device)
    edge_index = given.graph.edge_index
    return lambda: given.x + given.up(gelu(layer(given.down(given.x), edge_index)))
