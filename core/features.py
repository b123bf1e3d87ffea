"""From a dataset to nodes: encode, then make an item's vectors or tokens into its node or nodes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .dataset import DataError, Item
from .encode import EncoderStage, Tell
from .fusion import TokenPair
from .head import ClassPrompts
from .layout import IMAGE, TEXT, Layout
from .node_kinds import MODALITIES, in_both_parts
from .nodes import Nodes
from .prompts import class_prompts
from .roles import GraphSpec
from .tokens import Tokens
from .unreadable import Splits, Unreadable

#: The scale from cosine to zero-shot logit where an encoder has none of its own: where CLIP's is clipped.
DEFAULT_SCALE = 100.0


@dataclass(frozen=True, slots=True)
class Features:
    """One split, encoded."""

    #: Item ids, N of them.
    ids: tuple[str, ...]
    #: Modality to float32 [N, d], unit rows.
    vectors: Mapping[str, Tensor]
    #: int64 [N]; -1 where unlabelled.
    targets: Tensor
    #: Modality to token vectors of the N items, where nodes are made of tokens.
    tokens: Mapping[str, Tokens] = field(default_factory=dict)

    def select(self, rows: Tensor) -> Features:
        """Those items alone, int64 [M]."""
        return Features(
            tuple(self.ids[row] for row in rows.tolist()),
            {kind: vectors[rows] for kind, vectors in self.vectors.items()},
            self.targets[rows],
            {kind: tokens.select(rows) for kind, tokens in self.tokens.items()},
        )


def encode_split(
    stage: EncoderStage,
    name: str,
    items: Sequence[Item],
    modalities: Sequence[str],
    tell: Tell,
    tokens_of: Sequence[str] = (),
) -> Features:
    """Encode one split: vectors of ``modalities``, tokens of ``tokens_of``.

    Raises ``DataError`` for an item that lacks a modality the nodes need.
    """
    media = {}
    for modality in dict.fromkeys([*modalities, *tokens_of]):
        if lacking := next((item for item in items if modality not in item.modalities), None):
            remedy = 'add a "captioner", or a `text` for every item' if modality == "text" else "take other nodes"
            raise DataError(f"item {lacking.id} of split {name} has no {modality}, which the nodes need; {remedy}")
        media[modality] = [item.modalities[modality] for item in items]
    vectors = {modality: torch.from_numpy(stage.encode(modality, media[modality], tell)) for modality in modalities}
    tokens = {modality: stage.encode_tokens(modality, media[modality], tell) for modality in tokens_of}
    targets = torch.tensor([-1 if item.target is None else _class_of(item) for item in items], dtype=torch.int64)
    return Features(tuple(item.id for item in items), vectors, targets, tokens)


def _class_of(item: Item) -> int:
    if not isinstance(item.target, int):
        raise DataError(
            f"item {item.id} has no single class; take the task that its data set is made for, which runs the towers"
        )
    return item.target


def nodes_of(vectors: Mapping[str, Tensor], tokens: Mapping[str, Tokens], graph: GraphSpec | None) -> Nodes:
    """The nodes of N items of which there are vectors [N, d] and, where their nodes need them, tokens.

    Raises ``DataError`` where vectors that are to be compared have different widths.
    """
    if graph is not None and graph.nodes == "tokens":
        return _token_nodes(TokenPair(tokens["image"], tokens["text"]))
    if graph is not None and graph.nodes == "pair":
        image, text = _of_one_width([normalize(vectors[kind], dim=-1) for kind in MODALITIES[graph.nodes]], "no edges")
        both = torch.stack([image, text], dim=1).flatten(0, 1)
        return Nodes(both, layout=Layout.pairs(len(image), both.device))
    x = node_vectors(vectors, graph)
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


def encode_splits(
    stage: EncoderStage, splits: Splits, modalities: Sequence[str], tell: Tell, tokens_of: Sequence[str] = ()
) -> dict[str, Features]:
    """Encode every split. Raises ``Unreadable`` over all of them, after everything readable was stored."""
    features: dict[str, Features] = {}
    reasons: dict[str, str] = {}
    for name, items in splits.items():
        try:
            features[name] = encode_split(stage, name, items, modalities, tell, tokens_of)
        except Unreadable as error:
            reasons |= error.reasons
    if reasons:
        kinds = dict.fromkeys([*modalities, *tokens_of])
        by_kind = {kind: [item.modalities[kind] for split in splits.values() for item in split] for kind in kinds}
        concerned = [media for media in by_kind.values() if any(one.digest in reasons for one in media)]
        raise Unreadable(reasons, list(chain(*concerned)))
    return features


def node_vectors(vectors: Mapping[str, Tensor], graph: GraphSpec | None) -> Tensor:
    """One vector an item [N, d], unit rows, of its modalities: one of them, or both joined.

    With fusion `cross_attention` these are what the graph is built on: side by side, so that a cosine is the mean of
    image and text cosine, and so that no training moves an edge.
    """
    parts = [normalize(vectors[modality], dim=-1) for modality in (MODALITIES[graph.nodes] if graph else vectors)]
    if len(parts) == 1:
        return parts[0]
    if graph is not None and (in_both_parts(graph) or graph.fuses):
        return torch.cat(parts, dim=-1) / math.sqrt(len(parts))
    return _mean(parts)


def _mean(parts: list[Tensor]) -> Tensor:
    return normalize(torch.stack(_of_one_width(parts, "no mean")).mean(dim=0), dim=-1)


def _of_one_width(parts: list[Tensor], otherwise: str) -> list[Tensor]:
    if len({part.shape[-1] for part in parts}) > 1:
        widths = " and ".join(str(part.shape[-1]) for part in parts)
        raise DataError(
            f'vectors of widths {widths} have {otherwise}; set "nodes": "fused" and "fusion": "concat" in `graph`'
        )
    return parts


def zero_shot_logits(vectors: Mapping[str, Tensor], graph: GraphSpec | None, prompts: ClassPrompts) -> Tensor:
    """The frozen model's logits [N, C]: s cos(m, t_c), m being the item's vector before any adapter (Radford et al.).

    m is the node; of `pair` and `tokens` nodes and of cross-attention, which hold more than one vector, it is the mean
    of the item's two vectors (side by side for the read-out `concat`). Raises ``DataError`` for other widths.
    """
    parts = [normalize(vectors[modality], dim=-1) for modality in (MODALITIES[graph.nodes] if graph else vectors)]
    classes = prompts.vectors
    if any(part.shape[-1] != classes.shape[-1] for part in parts):
        widths = " and ".join(str(part.shape[-1]) for part in parts)
        raise DataError(
            f"zero-shot logits compare vectors of width {widths} with class vectors of width {classes.shape[-1]}; "
            'set "blend": 0 in `task`, or take nodes in the space of the text encoder'
        )
    if in_both_parts(graph):
        cosines = torch.stack([part @ classes.T for part in parts]).mean(dim=0)
    else:
        cosines = (parts[0] if len(parts) == 1 else _mean(parts)) @ classes.T
    return (prompts.logit_scale or DEFAULT_SCALE) * cosines


def prompt_nodes(prompts: ClassPrompts, graph: GraphSpec | None) -> ClassPrompts:
    """Class vectors in the space of the items: what stands side by side is compared in each of its parts."""
    if not in_both_parts(graph):
        return prompts
    doubled = torch.cat([prompts.vectors, prompts.vectors], dim=-1) / math.sqrt(2)
    return ClassPrompts(doubled, prompts.logit_scale)


def encode_prompts(stage: EncoderStage, class_names: tuple[str, ...], tell: Tell) -> ClassPrompts:
    """Class vectors: the mean of a class's unit prompt vectors, normalised (CLIP's prompt ensemble)."""
    vectors = torch.from_numpy(stage.encode("text", class_prompts(stage.spec, class_names), tell))
    by_class = vectors.view(len(class_names), len(stage.spec.templates), -1)
    return ClassPrompts(normalize(by_class.mean(dim=1), dim=-1), stage.facts("text").logit_scale)
