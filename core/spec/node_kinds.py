"""What the nodes of a pipeline are made of, and how wide they are. Light: no torch."""

from __future__ import annotations

from collections.abc import Iterable

from ..roles.specs import CaptionerSpec, GraphSpec, NodeKind
from .pipeline_spec import PipelineSpec

MODALITIES: dict[NodeKind, tuple[str, ...]] = {
    "image": ("image",),
    "video": ("video",),
    "text": ("text",),
    "audio": ("audio",),
    "vector": ("vector",),
    "fused": ("image", "text"),
    "pair": ("image", "text"),
    "tokens": ("image", "text"),
}


#: The order in which towers of several modalities stand.
ORDER = ("image", "video", "text", "audio", "vector")


def ordered(modalities: Iterable[str]) -> list[str]:
    """In the order in which their towers stand."""
    return sorted(modalities, key=lambda one: ORDER.index(one) if one in ORDER else len(ORDER))


def nodes_of(spec: PipelineSpec) -> NodeKind:
    """What its nodes are; without a graph section images, where the data set has none clips, sounds, or vectors."""
    if spec.graph is not None:
        return spec.graph.nodes
    kinds: tuple[NodeKind, ...] = ("image", "video", "audio", "vector")
    return next((kind for kind in kinds if kind in spec.dataset.gives), "image")


def modalities_of(spec: PipelineSpec) -> tuple[str, ...]:
    """The modalities that its nodes are made of."""
    return MODALITIES[nodes_of(spec)]


def token_modalities(spec: PipelineSpec) -> tuple[str, ...]:
    """Those of which tokens are needed, not only a vector an item."""
    return modalities_of(spec) if spec.graph and (spec.graph.nodes == "tokens" or spec.graph.fuses) else ()


def vector_modalities(spec: PipelineSpec) -> tuple[str, ...]:
    """Those of which a vector an item is needed: for nodes of tokens only where zero-shot logits are blended in."""
    return () if nodes_of(spec) == "tokens" and spec.task.blend_share == 0 else modalities_of(spec)


def used_captioner(spec: PipelineSpec) -> CaptionerSpec | None:
    """The captioner, where something reads its texts: nodes of text, or the towers."""
    return spec.captioner if spec.level == "layers" or "text" in modalities_of(spec) else None


def node_width(spec: PipelineSpec) -> int | None:
    """Width of a node as the adapter gets it, if it can be told without loading the model."""
    if token_modalities(spec):
        return spec.encoder.token_width("image")
    widths = [spec.encoder.width(spec.encoder.seen(modality)) for modality in modalities_of(spec)]
    if spec.graph is None or spec.graph.nodes != "fused" or spec.graph.fusion != "concat":
        return widths[0]
    return None if None in widths else sum(width for width in widths if width)


def item_width(spec: PipelineSpec, node: int) -> int:
    """Width of what is read out of nodes of that width: a pair side by side has two of them."""
    return 2 * node if spec.graph is not None and spec.graph.readout == "concat" else node


def in_both_parts(graph: GraphSpec | None) -> bool:
    """Whether an item's vector has an image part and a text part side by side, to be compared each."""
    return graph is not None and (graph.readout == "concat" or (graph.nodes == "fused" and graph.fusion == "concat"))


def nodes_in_words(spec: PipelineSpec) -> str:
    """What the nodes are, and how they were made or read out."""
    graph, nodes = spec.graph, nodes_of(spec)
    if graph is None:
        return nodes
    more = {"fused": f" by {graph.fusion}", "pair": f", read out by {graph.readout}", "tokens": ", read out by mean"}
    return nodes + more.get(nodes, "")
