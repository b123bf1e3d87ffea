"""The specs of the graph builders."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ...core.roles import GraphSpec
from ...registry.spec import ActsWith
from .thresholds import Blocks, Threshold, numbers


class SimilaritySpec(GraphSpec):
    """Two nodes are neighbours when the cosine of their vectors reaches a threshold (GA-Net, arXiv 2408.00290)."""

    several_nodes: ClassVar[bool] = True
    type: Literal["similarity"] = "similarity"
    threshold: Annotated[Threshold, Field(examples=[0.8])]
    """tau: the least cosine of an edge, -1 to 1; or `{"average_degree": k}`, `{"quantile": q}`, or one a block."""
    weight: Literal["binary", "cosine", "softmax"] = "softmax"
    """Edge weights: 1, the cosine, or exp((cosine - 1) / temperature); with the adapter's norm `row` the last is a
    softmax over a node and its neighbours."""
    temperature: Annotated[float, Field(gt=0), ActsWith(weight="softmax")] = 0.05
    """For weight `softmax`."""
    max_degree: Annotated[int, Field(ge=1)] | None = None
    """At most so many neighbours a node, the most similar ones. Default: no cap."""
    cap: Annotated[Literal["union", "mutual"], ActsWith(max_degree=...)] = "union"
    """With `max_degree`: an edge stays if either end ranks it, or only if both do."""

    @model_validator(mode="after")
    def _weights_are_positive(self) -> Self:
        if self.weight != "binary" and (lowest := min(numbers(self.threshold).values(), default=0)) < 0:
            raise ValueError(f"weight `{self.weight}` needs a threshold of at least 0, not {lowest}; take `binary`")
        return self

    @model_validator(mode="after")
    def _blocks_need_two_modalities(self) -> Self:
        if isinstance(self.threshold, Blocks) and self.nodes not in ("pair", "tokens"):
            raise ValueError(
                f"thresholds for vv, tt and vt need image and text nodes, and nodes are `{self.nodes}`; "
                "give one threshold, or take nodes `pair` or `tokens`"
            )
        return self
