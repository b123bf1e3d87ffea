"""The two hot operations of a graph adapter: a thresholded similarity graph, and message passing over it.

Importing this package imports torch and nothing heavier: neither triton nor torch_geometric.
"""

from .bottleneck.gcn_bottleneck import gcn_bottleneck
from .message_passing.propagate import propagate
from .similarity.similarity_graph import similarity_graph
from .sparse.attach import attach
from .sparse.sparse_graph import Search, SparseGraph

__all__ = ["Search", "SparseGraph", "attach", "gcn_bottleneck", "propagate", "similarity_graph"]
