"""From items to their vectors and tokens, split by split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import torch
from torch import Tensor

from ..data.items import DataError, Item
from ..data.tokens import Tokens
from ..events import Tell
from ..stages.encode import EncoderStage
from ..stages.unreadable import Splits, Unreadable


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
