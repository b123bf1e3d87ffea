"""Graph builders.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...registry.component import components
from .specs import SimilaritySpec

COMPONENTS = components(
    "graph",
    __name__,
    (SimilaritySpec, "similarity:Similarity", "edges where the cosine reaches a threshold"),
)
