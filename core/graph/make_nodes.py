"""From an item's vectors or tokens to its node or nodes, and what the frozen model says of them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..data.items import DataError
from ..data.layout import IMAGE, TEXT, Layout
from ..data.tokens import Tokens
from ..roles.head import ClassPrompts
from ..roles.specs import BlendOf, GraphSpec
from ..spec.node_kinds import MODALITIES, in_both_parts
from .centre import Centre, centred_prompts, unit_vectors
from .fusion import TokenPair
from .nodes import Nodes

#: The scale from cosine to zero-shot logit where an encoder has none of its own: where CLIP's is clipped.
DEFAULT_SCALE = 100.0
NO_CENTRE: Centre = {}


def nodes_of(
    vectors: Mapping[str, Tensor], tokens: Mapping[str, Tokens], graph: GraphSpec | None, centre: Centre = NO_CENTRE
) -> Nodes:
    """The nodes of N items of which there are vectors [N, d] and, where their nodes need them, tokens.

    ``centre`` is what ``centre_of`` found on the pool. Raises ``DataError`` where vectors that are to be compared have
    different widths.
    """
    if graph is not None and graph.nodes == "tokens":
        return _token_nodes(TokenPair(tokens["image"], tokens["text"]))
    if graph is not None and graph.nodes == "pair":
        image, text = _of_one_width(_units(vectors, graph, centre), "no edges")
        both = torch.stack([image, text], dim=1).flatten(0, 1)
        return Nodes(both, layout=Layout.pairs(len(image), both.device))
    x = node_vectors(vectors, graph, centre)
    return Nodes(x, inputs=(TokenPair(tokens["image"], tokens["text"]),) if graph and graph.fuses else ())


def _token_nodes(tokens: TokenPair) -> Nodes:
    """Unit token vectors, an item's patches and then its words."""
    kinds, lengths = (IMAGE, TEXT), [tokens.image.lengths(), tokens.text.lengths()]
    values = torch.cat(_of_one_width([tokens.image.values, tokens.text.values], "no edges"))
    owner = torch.cat([torch.arange(len(tokens)).repeat_interleave(one.cpu()) for one in lengths])
    order = owner.argsort(stable=True).to(values.device)
    kind = torch.cat([torch.full((int(one.sum()),), kind) for kind, one in zip(kinds, lengths, strict=True)])
    offsets = torch.cat([lengths[0].new_zeros(1), (lengths[0] + lengths[1]).cumsum(0)])
    layout = Layout(offsets, kind.to(values.device)[order])
    return Nodes(normalize(values[order], dim=-1), layout=layout)


def node_vectors(vectors: Mapping[str, Tensor], graph: GraphSpec | None, centre: Centre = NO_CENTRE) -> Tensor:
    """One vector an item [N, d], unit rows, of its modalities: one of them, or both joined.

    With fusion `cross_attention` these are what the graph is built on: side by side, so that a cosine is the mean of
    image and text cosine, and so that no training moves an edge.
    """
    parts = _units(vectors, graph, centre)
    if len(parts) == 1:
        return parts[0]
    if graph is not None and (in_both_parts(graph) or graph.fuses):
        return _side_by_side(parts, graph.text_share)
    return _mean(parts)


def _units(vectors: Mapping[str, Tensor], graph: GraphSpec | None, centre: Centre) -> list[Tensor]:
    kinds = MODALITIES[graph.nodes] if graph else vectors
    return [unit_vectors(vectors[kind], centre.get(kind)) for kind in kinds]


def _side_by_side(parts: list[Tensor], text_share: float) -> Tensor:
    """[sqrt(1 - s) v, sqrt(s) t]: a cosine of two of them is (1 - s) that of the images and s that of the texts."""
    if text_share == 0.5:
        return torch.cat(parts, dim=-1) / math.sqrt(len(parts))
    image, text = parts
    return torch.cat([math.sqrt(1 - text_share) * image, math.sqrt(text_share) * text], dim=-1)


def _mean(parts: list[Tensor]) -> Tensor:
    return normalize(torch.stack(_of_one_width(parts, "no mean")).mean(dim=0), dim=-1)


def _of_one_width(parts: list[Tensor], otherwise: str) -> list[Tensor]:
    if len({part.shape[-1] for part in parts}) > 1:
        widths = " and ".join(str(part.shape[-1]) for part in parts)
        raise DataError(
            f'vectors of widths {widths} have {otherwise}; set "nodes": "fused" and "fusion": "concat" in `graph`'
        )
    return parts


def zero_shot_logits(
    vectors: Mapping[str, Tensor],
    graph: GraphSpec | None,
    prompts: ClassPrompts,
    by: BlendOf = "nodes",
) -> Tensor:
    """The frozen model's logits [N, C]: s cos(m, t_c), m being the item's vector before any adapter (Radford et al.).

    m is the node; of `pair` and `tokens` nodes and of cross-attention, which hold more than one vector, it is the mean
    of the item's two vectors (side by side for the read-out `concat`). By ``text`` it is the item's text vector alone.
    Raises ``DataError`` for other widths.
    """
    if by == "text":
        vectors, graph = {"text": vectors["text"]}, None
    parts = [normalize(vectors[modality], dim=-1) for modality in (MODALITIES[graph.nodes] if graph else vectors)]
    classes = prompts.vectors
    if any(part.shape[-1] != classes.shape[-1] for part in parts):
        widths = " and ".join(str(part.shape[-1]) for part in parts)
        raise DataError(
            f"zero-shot logits compare vectors of width {widths} with class vectors of width {classes.shape[-1]}; "
            'set "blend": 0 in `task`, blend by the text of the items, or take nodes in the space of the text encoder'
        )
    if in_both_parts(graph):
        cosines = torch.stack([part @ classes.T for part in parts]).mean(dim=0)
    else:
        cosines = (parts[0] if len(parts) == 1 else _mean(parts)) @ classes.T
    return (prompts.logit_scale or DEFAULT_SCALE) * cosines


def prompt_nodes(prompts: ClassPrompts, graph: GraphSpec | None) -> ClassPrompts:
    """Class vectors in the space of the items: centred where those are, and side by side where those are."""
    vectors = prompts.vectors
    if graph is not None and graph.centre != "none":
        vectors = centred_prompts(vectors)
    if graph is not None and in_both_parts(graph):
        vectors = _side_by_side([vectors, vectors], graph.text_share)
    return ClassPrompts(vectors, prompts.logit_scale)
