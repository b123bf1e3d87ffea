"""From a dataset to node vectors: describe, encode, fuse. What search values do not touch is done once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .dataset import DataError, Item
from .encode import EncoderStage, Tell
from .head import ClassPrompts
from .node_kinds import modalities_of
from .prompts import class_prompts
from .roles import GraphSpec
from .unreadable import Splits, Unreadable


@dataclass(frozen=True, slots=True)
class Features:
    """One split, encoded."""

    #: Item ids, N of them.
    ids: tuple[str, ...]
    #: Modality to float32 [N, d], unit rows.
    vectors: Mapping[str, Tensor]
    #: int64 [N]; -1 where unlabelled.
    targets: Tensor


def encode_split(
    stage: EncoderStage, name: str, items: Sequence[Item], modalities: Sequence[str], tell: Tell
) -> Features:
    """Encode one split. Raises ``DataError`` for an item that lacks a modality the nodes need."""
    for modality in modalities:
        if lacking := next((item for item in items if modality not in item.modalities), None):
            remedy = 'add a "captioner", or a `text` for every item' if modality == "text" else "take other nodes"
            raise DataError(f"item {lacking.id} of split {name} has no {modality}, which the nodes need; {remedy}")
    vectors = {}
    for modality in modalities:
        vectors[modality] = torch.from_numpy(
            stage.encode(modality, [item.modalities[modality] for item in items], tell)
        )
    targets = torch.tensor([-1 if item.target is None else item.target for item in items], dtype=torch.int64)
    return Features(tuple(item.id for item in items), vectors, targets)


def encode_splits(stage: EncoderStage, splits: Splits, modalities: Sequence[str], tell: Tell) -> dict[str, Features]:
    """Encode every split. Raises ``Unreadable`` over all of them, after everything readable was stored."""
    features: dict[str, Features] = {}
    reasons: dict[str, str] = {}
    for name, items in splits.items():
        try:
            features[name] = encode_split(stage, name, items, modalities, tell)
        except Unreadable as error:
            reasons |= error.reasons
    if reasons:
        by_kind = {kind: [item.modalities[kind] for split in splits.values() for item in split] for kind in modalities}
        concerned = [media for media in by_kind.values() if any(one.digest in reasons for one in media)]
        raise Unreadable(reasons, list(chain(*concerned)))
    return features


def node_vectors(vectors: Mapping[str, Tensor], graph: GraphSpec | None) -> Tensor:
    """Node vectors [N, d], unit rows, of an item's modalities: one of them, or both fused."""
    parts = [normalize(vectors[modality], dim=-1) for modality in modalities_of(graph)]
    if len(parts) == 1:
        return parts[0]
    if graph is not None and graph.fusion == "concat":
        return torch.cat(parts, dim=-1) / math.sqrt(len(parts))
    if len({part.shape[-1] for part in parts}) > 1:
        widths = " and ".join(str(part.shape[-1]) for part in parts)
        raise DataError(f'vectors of widths {widths} have no mean; set "fusion": "concat" in `graph`')
    return normalize(torch.stack(parts).mean(dim=0), dim=-1)


def prompt_nodes(prompts: ClassPrompts, graph: GraphSpec | None) -> ClassPrompts:
    """Class vectors in the space of the nodes: a concatenated node is compared in each of its parts."""
    if graph is None or graph.nodes != "fused" or graph.fusion != "concat":
        return prompts
    doubled = torch.cat([prompts.vectors, prompts.vectors], dim=-1) / math.sqrt(2)
    return ClassPrompts(doubled, prompts.logit_scale)


def encode_prompts(stage: EncoderStage, class_names: tuple[str, ...], tell: Tell) -> ClassPrompts:
    """Class vectors: the mean of a class's unit prompt vectors, normalised (CLIP's prompt ensemble)."""
    vectors = torch.from_numpy(stage.encode("text", class_prompts(stage.spec, class_names), tell))
    by_class = vectors.view(len(class_names), len(stage.spec.templates), -1)
    return ClassPrompts(normalize(by_class.mean(dim=1), dim=-1), stage.facts().logit_scale)
