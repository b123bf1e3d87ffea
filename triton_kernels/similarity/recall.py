"""What an approximate search missed, measured on rows that it was not tuned on."""

from dataclasses import replace

import torch

from ..sparse.sparse_graph import SparseGraph
from .vectors import Vectors

ROWS = 256
"""Rows whose edges are all counted."""


def measured_recall(graph: SparseGraph, vectors: Vectors) -> SparseGraph:
    """The graph, its `search.recall` set: the share of the edges of some random rows that it has; 1 if they have
    none."""
    assert graph.search is not None
    generator = torch.Generator().manual_seed(len(vectors.x))  # not the search's own sample
    rows = torch.randperm(len(vectors.x), generator=generator)[:ROWS].to(vectors.x.device)
    edges = 0
    for chunk in torch.split(vectors.unit_y, 8192):
        edges += int((vectors.unit_x[rows] @ chunk.T >= graph.search.threshold).sum())
    if vectors.symmetric:  # a row and itself are no edge
        edges -= int((vectors.unit_x[rows].square().sum(1) >= graph.search.threshold).sum())
    found = int(graph.rowptr.diff()[rows].sum())
    recall = min(1.0, found / edges) if edges else 1.0
    return replace(graph, search=replace(graph.search, recall=recall))
