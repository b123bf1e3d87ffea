"""The data set of a pipeline on features, encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import torch

from ..spec.node_kinds import modalities_of
from ..spec.pipeline_spec import PipelineSpec
from ..stages.context import RunContext
from ..stages.describe import describe
from ..stages.list_items import list_items, note_unread
from ..stages.prepare import Narrowed, Prepared, note_short_classes
from ..stages.prompts import encode_prompts
from ..stages.text_facts import text_facts
from .encode_splits import Features, encode


@dataclass(frozen=True)
class FeatureInputs(Prepared):
    """A data set, encoded."""

    #: The splits that the pipeline uses.
    features: Mapping[str, Features]

    def narrowed(self, to: Narrowed) -> Self:
        """With the vectors of these items, and their targets numbered anew."""
        number = torch.full((len(self.content.class_names) + 1,), -1)  # the last is -1's
        number[list(to.classes)] = torch.arange(len(to.classes))
        features = {}
        for name, (source, rows) in to.splits.items():
            chosen = self.features[source].select(torch.tensor(rows, dtype=torch.int64))
            features[name] = replace(chosen, targets=number[chosen.targets])
        return replace(super().narrowed(to), features=features)


def prepare(spec: PipelineSpec, key: str, context: RunContext) -> FeatureInputs:
    """Run the stages up to the vectors, measuring each."""
    encoder = context.encoder(spec)
    items = list_items(spec, context)
    note_unread(items.splits, spec, context)
    items = describe(items, spec, context)
    with context.stage("encode"):
        items, features = encode(items, spec, encoder, context)
        prompts = encode_prompts(items, spec, encoder, context)
    note_short_classes(items, spec, context)
    reads = "text" in modalities_of(spec)
    texts = text_facts(items, context.captioner(spec), encoder, context.tell) if reads else None
    return FeatureInputs(items.content, items.splits, items.left_out, prompts, encoder, key, texts, features)
