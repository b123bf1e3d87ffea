"""The data set of a pipeline on features, encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..spec.node_kinds import modalities_of
from ..spec.pipeline_spec import PipelineSpec
from ..stages.context import RunContext
from ..stages.describe import describe
from ..stages.list_items import list_items, note_unread
from ..stages.prepare import Prepared, note_short_classes
from ..stages.prompts import encode_prompts
from ..stages.text_facts import text_facts
from .encode_splits import Features, encode


@dataclass(frozen=True)
class FeatureInputs(Prepared):
    """A data set, encoded."""

    #: The splits that the pipeline uses.
    features: Mapping[str, Features]


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
