"""From items to their vectors and tokens, split by split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..data.items import DataError, Item, Items, Media
from ..data.modalities import require_modalities
from ..data.tokens import Tokens
from ..spec.node_kinds import token_modalities, vector_modalities
from ..spec.pipeline_spec import PipelineSpec
from ..stages.context import RunContext
from ..stages.encode import EncoderStage
from ..stages.stored_encoder import TOKENS, VECTORS
from ..stages.unreadable import leave_out


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


def encode(
    items: Items, spec: PipelineSpec, stage: EncoderStage, context: RunContext
) -> tuple[Items, dict[str, Features]]:
    """Vectors and tokens of the items, as their nodes need them, split by split; and the items that could be read.

    Raises ``DataError`` for an item that lacks a modality, and what ``leave_out`` raises.
    """
    wanted = [(VECTORS, kind) for kind in vector_modalities(spec)] + [(TOKENS, kind) for kind in token_modalities(spec)]
    unreadable: dict[str, str] = {}
    require_modalities(items.splits, [kind for _, kind in wanted])
    for split in items.splits.values():
        for form, kind in wanted:
            unreadable |= stage.store(form, kind, _media(split, kind), context.tell)
    items = leave_out(items, unreadable, [kind for _, kind in wanted], spec.dataset, context.tell)
    return items, {name: _features(split, spec, stage) for name, split in items.splits.items()}


def _features(items: Sequence[Item], spec: PipelineSpec, stage: EncoderStage) -> Features:
    vectors = {kind: torch.from_numpy(stage.vectors(kind, _media(items, kind))) for kind in vector_modalities(spec)}
    tokens = {kind: stage.tokens(kind, _media(items, kind)) for kind in token_modalities(spec)}
    targets = torch.tensor([-1 if item.target is None else _class_of(item) for item in items], dtype=torch.int64)
    return Features(tuple(item.id for item in items), vectors, targets, tokens)


def _media(items: Sequence[Item], modality: str) -> list[Media]:
    return [item.modalities[modality] for item in items]


def _class_of(item: Item) -> int:
    if not isinstance(item.target, int):
        raise DataError(
            f"item {item.id} has no single class; take the task that its data set is made for, which runs the towers"
        )
    return item.target
