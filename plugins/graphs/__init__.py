"""Graph builders: their specs."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ...core.roles import GraphSpec
from ...registry.component import Component


class SimilaritySpec(GraphSpec):
    """Two nodes are neighbours when the cosine of their vectors reaches a threshold (GA-Net, arXiv 2408.00290)."""

    type: Literal["similarity"] = "similarity"
    threshold: Annotated[float, Field(ge=-1, le=1)]
    """tau: the least cosine of an edge, -1 to 1."""
    weight: Literal["binary", "cosine", "softmax"] = "softmax"
    """Edge weights: 1, the cosine, or exp((cosine - 1) / temperature); with the adapter's norm `row` the last is a
    softmax over a node and its neighbours."""
    temperature: Annotated[float, Field(gt=0)] = 0.05
    """For weight `softmax`."""
    max_degree: Annotated[int, Field(ge=1)] | None = None
    """At most so many neighbours a node, the most similar ones. Default: no cap."""
    cap: Literal["union", "mutual"] = "union"
    """With `max_degree`: an edge stays if either end ranks it, or only if both do."""

    @model_validator(mode="after")
    def _weights_are_positive(self) -> Self:
        if self.weight != "binary" and self.threshold < 0:
            raise ValueError(
                f"weight `{self.weight}` needs a threshold of at least 0, not {self.threshold}; take `binary`"
            )
        return self


COMPONENTS = (
    Component(
        "graph",
        "similarity",
        SimilaritySpec,
        "graftwork.plugins.graphs.similarity:Similarity",
        "edges where the cosine reaches a threshold",
    ),
)
