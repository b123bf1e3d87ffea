"""Synthetic inputs: two kinds of image features, and random graphs. The same on every machine."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..triton_kernels import SparseGraph


def clip_like(rows: int, width: int = 512, seed: int = 0, classes: int = 100, mean: float = 0.35) -> Tensor:
    """float32 unit rows [rows, width] shaped like CLIP's: mean cosine 0.35, class clusters, power-law spectrum, random
    rotation."""
    generator = torch.Generator().manual_seed(seed)
    spectrum = torch.arange(1, width + 1).float() ** -0.5
    centers = torch.randn(classes, width, generator=generator) * spectrum
    x = centers[torch.randint(0, classes, (rows,), generator=generator)] * 0.6
    x = normalize(x + torch.randn(rows, width, generator=generator) * spectrum * 0.8, dim=1)
    direction = normalize(torch.randn(width, generator=generator), dim=0)
    rotation, _ = torch.linalg.qr(torch.randn(width, width, generator=generator))
    return normalize((x * (1 - mean) ** 0.5 + direction * mean**0.5) @ rotation, dim=1)


def clusters_in_turn(rows: int, width: int = 512) -> Tensor:
    """float32 unit rows [rows, width] in tight clusters of 40 with a flat spectrum, cluster 0, 1, 2 … and 0 again."""
    generator = torch.Generator().manual_seed(0)
    centers = torch.randn(max(1, rows // 40), width, generator=generator)
    x = centers[torch.arange(rows) % len(centers)] + torch.randn(rows, width, generator=generator) * 0.6
    return normalize(x, dim=1)


def threshold_for(x: Tensor, degree: int = 32, sample: int = 512) -> float:
    """The cosine that about `degree` others reach of a row, from a sample of rows."""
    rows = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))[:sample].to(x.device)
    values = torch.cat(
        [(x[some] @ x.T).flatten().topk(len(some) * (degree + 1)).values for some in torch.split(rows, 64)]
    )
    return float(values.topk(len(rows) * (degree + 1)).values[-1])


def random_graph(nodes: int, degree: int = 32) -> SparseGraph:
    """A symmetric binary graph of about this mean degree, with self-loops: no locality, the hardest for a cache."""
    generator = torch.Generator().manual_seed(0)
    ends = torch.randint(0, nodes, (2, nodes * degree // 2), generator=generator)
    ends = ends[:, ends[0] != ends[1]]
    key = torch.unique(torch.cat((ends[0] * nodes + ends[1], ends[1] * nodes + ends[0])))
    edge_index = torch.stack((key % nodes, key // nodes))
    return SparseGraph.from_edge_index(edge_index, num_rows=nodes).with_self_loops()
