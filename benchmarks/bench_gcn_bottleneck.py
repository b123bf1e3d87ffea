"""The whole adapter, both ways, against no propagation and PyG's style: bench_gcn_bottleneck.py [N] [rounds]."""

from __future__ import annotations

import sys
import warnings

import torch
from bench_propagate import random_graph
from measure import alternate, machine, table
from torch import Tensor, nn

from graftwork.triton_kernels import gcn_bottleneck, propagate


def main(nodes: int = 100_000, rounds: int = 5, width: int = 512, bottleneck: int = 64) -> None:
    """Print a Markdown table."""
    warnings.filterwarnings("ignore")
    graph = random_graph(nodes, 32).with_self_loops()
    x, ahead = torch.randn(nodes, width), torch.randn(nodes, width)
    down, middle, up = nn.Linear(width, bottleneck), nn.Linear(bottleneck, bottleneck), nn.Linear(bottleneck, width)

    def fused() -> Tensor:
        biases = {"b_down": down.bias, "b_gcn": middle.bias, "b_up": up.bias}
        return gcn_bottleneck(x, graph, down.weight, middle.weight, up.weight, **biases)

    def unfused() -> Tensor:
        return x + up(nn.functional.gelu(middle(propagate(graph, down(x)))))

    def no_propagation() -> Tensor:
        return x + up(nn.functional.gelu(middle(down(x))))

    styles = {"the adapter with no propagation": no_propagation, "gcn_bottleneck": fused, "its plain steps": unfused}
    try:
        from torch_geometric.nn import GCNConv

        convolution = GCNConv(bottleneck, bottleneck, add_self_loops=False)
        edge_index = graph.edge_index
        styles["PyG's usual style"] = lambda: x + up(nn.functional.gelu(convolution(down(x), edge_index)))
    except ImportError:
        print("torch_geometric is not installed: left out")
    candidates = {name: (lambda style=style: style().backward(ahead)) for name, style in styles.items()}
    print(table(f"{width} -> {bottleneck} -> {width}, N = {nodes}, both ways", alternate(candidates, rounds)))
    print(machine())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
