"""The two hot operations of a graph adapter: a thresholded similarity graph, and message passing over it.

Importing this package imports torch and nothing heavier: neither triton nor torch_geometric.
"""

from .attach import attach
from .gcn_bottleneck import gcn_bottleneck
from .propagate import propagate
from .similarity_graph import similarity_graph
from .sparse_graph import Search, SparseGraph

__all__ = ["Search", "SparseGraph", "attach", "gcn_bottleneck", "propagate", "similarity_graph"]
