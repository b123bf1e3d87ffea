"""The kernels' public strategies under the name that the other tests import."""

from graftwork.triton_kernels.testing import dense_adjacency, embeddings, sparse_graphs

__all__ = ["dense_adjacency", "embeddings", "sparse_graphs"]
