"""Which modalities a node is made of. Light: no torch."""

from __future__ import annotations

from .roles import GraphSpec, NodeKind

MODALITIES: dict[NodeKind, tuple[str, ...]] = {"image": ("image",), "text": ("text",), "fused": ("image", "text")}


def modalities_of(graph: GraphSpec | None) -> tuple[str, ...]:
    """The modalities that the nodes of a pipeline are made of; images without a graph section."""
    return MODALITIES[graph.nodes if graph else "image"]
