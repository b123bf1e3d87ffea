"""What each kind of node is made of, and how wide it is. Light: no torch."""

from __future__ import annotations

from collections.abc import Iterable

from ..roles.specs import DatasetSpec, EncoderSpec, GraphSpec, NodeKind, TaskSpec

MODALITIES: dict[NodeKind, tuple[str, ...]] = {
    "image": ("image",),
    "text": ("text",),
    "audio": ("audio",),
    "fused": ("image", "text"),
    "pair": ("image", "text"),
    "tokens": ("image", "text"),
}


#: The order in which towers of several modalities stand.
ORDER = ("image", "text", "audio")


def ordered(modalities: Iterable[str]) -> list[str]:
    """In the order in which their towers stand."""
    return sorted(modalities, key=lambda one: ORDER.index(one) if one in ORDER else len(ORDER))


def nodes_without_graph(dataset: DatasetSpec) -> NodeKind:
    """What the nodes of a pipeline without a graph section are: images, or sounds where the data set has no images."""
    return "audio" if "audio" in dataset.gives and "image" not in dataset.gives else "image"


def modalities_of(graph: GraphSpec | None, dataset: DatasetSpec) -> tuple[str, ...]:
    """The modalities that the nodes of a pipeline are made of."""
    return MODALITIES[graph.nodes if graph else nodes_without_graph(dataset)]


def token_modalities(graph: GraphSpec | None) -> tuple[str, ...]:
    """Those of which tokens are needed, not only a vector an item."""
    return MODALITIES[graph.nodes] if graph and (graph.nodes == "tokens" or graph.fuses) else ()


def vector_modalities(graph: GraphSpec | None, dataset: DatasetSpec, task: TaskSpec) -> tuple[str, ...]:
    """Those of which a vector an item is needed: for nodes of tokens only where zero-shot logits are blended in."""
    only_tokens = graph is not None and graph.nodes == "tokens"
    return () if only_tokens and task.blend == 0 else modalities_of(graph, dataset)


def node_width(graph: GraphSpec | None, dataset: DatasetSpec, encoder: EncoderSpec) -> int | None:
    """Width of a node as the adapter gets it, if it can be told without loading the model."""
    if token_modalities(graph):
        return encoder.token_width("image")
    widths = [encoder.width(modality) for modality in modalities_of(graph, dataset)]
    if graph is None or graph.nodes != "fused" or graph.fusion != "concat":
        return widths[0]
    return None if None in widths else sum(width for width in widths if width)


def item_width(graph: GraphSpec | None, node: int) -> int:
    """Width of what is read out of nodes of that width: a pair side by side has two of them."""
    return 2 * node if graph is not None and graph.readout == "concat" else node


def in_both_parts(graph: GraphSpec | None) -> bool:
    """Whether an item's vector has an image part and a text part side by side, to be compared each."""
    return graph is not None and (graph.readout == "concat" or (graph.nodes == "fused" and graph.fusion == "concat"))


def nodes_in_words(graph: GraphSpec | None, dataset: DatasetSpec) -> str:
    """What the nodes are, and how they were made or read out."""
    if graph is None:
        return nodes_without_graph(dataset)
    more = {"fused": f" by {graph.fusion}", "pair": f", read out by {graph.readout}", "tokens": ", read out by mean"}
    return graph.nodes + more.get(graph.nodes, "")
