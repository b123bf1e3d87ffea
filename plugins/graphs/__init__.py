"""Graph builders.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...registry.component import Component
from .specs import SimilaritySpec

COMPONENTS = (
    Component(
        "graph",
        "similarity",
        SimilaritySpec,
        "graftwork.plugins.graphs.similarity:Similarity",
        "edges where the cosine reaches a threshold",
    ),
)
