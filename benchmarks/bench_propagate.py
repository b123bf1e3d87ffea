"""K2 against torch CSR, scipy and PyG: python benchmarks/bench_propagate.py [N] [degree] [width] [rounds]."""

from __future__ import annotations

import sys
import warnings

import torch
from measure import alternate, machine, table

from graftwork.triton_kernels import SparseGraph, propagate


def random_graph(nodes: int, degree: int) -> SparseGraph:
    """A symmetric binary graph of about this mean degree."""
    generator = torch.Generator().manual_seed(0)
    ends = torch.randint(0, nodes, (2, nodes * degree // 2), generator=generator)
    ends = ends[:, ends[0] != ends[1]]
    key = torch.cat((ends[0] * nodes + ends[1], ends[1] * nodes + ends[0])).unique()
    return SparseGraph.from_edge_index(torch.stack((key % nodes, key // nodes)), num_rows=nodes)


def main(nodes: int = 100_000, degree: int = 32, width: int = 64, rounds: int = 5) -> None:
    """Print Markdown tables: forward, and forward and backward."""
    import scipy.sparse

    warnings.filterwarnings("ignore")
    graph = random_graph(nodes, degree).with_self_loops()
    h = torch.randn(nodes, width)
    leaf = h.clone().requires_grad_()
    scale = graph.degree().rsqrt().float()
    value = scale[graph.row] * scale[graph.col]
    csr = torch.sparse_csr_tensor(graph.rowptr.int(), graph.col.int(), value, (nodes, nodes))
    table_csr = scipy.sparse.csr_matrix((value.numpy(), graph.col.numpy(), graph.rowptr.numpy()), (nodes, nodes))
    forward = {
        "propagate": lambda: propagate(graph, h),
        "torch CSR (MKL), int32": lambda: csr @ h,
        "scipy CSR": lambda: table_csr @ h.numpy(),
    }
    both = {"propagate": lambda: propagate(graph, leaf).backward(h)}
    try:
        from torch_geometric.nn import GCNConv

        convolution = GCNConv(width, width, bias=False, normalize=False)
        convolution.lin = torch.nn.Identity()
        edge_index = graph.edge_index
        forward["PyG GCNConv (messages only)"] = lambda: convolution(h, edge_index, value)
        both["PyG GCNConv (messages only)"] = lambda: convolution(leaf, edge_index, value).backward(h)
    except ImportError:
        print("torch_geometric is not installed: left out")
    with torch.no_grad():
        print(table(f"propagate forward, N = {nodes}, degree {degree}, r = {width}", alternate(forward, rounds)))
    print(table(f"propagate forward and backward, N = {nodes}, degree {degree}, r = {width}", alternate(both, rounds)))
    print(machine())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
