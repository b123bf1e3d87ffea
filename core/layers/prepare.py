"""The data set of a pipeline through towers, read, with the towers loaded."""

from __future__ import annotations

from dataclasses import dataclass

from ..spec.pipeline_spec import PipelineSpec
from ..stages.context import RunContext
from ..stages.describe import describe
from ..stages.list_items import list_items
from ..stages.prepare import Prepared, note_short_classes
from ..stages.prompts import encode_prompts
from ..stages.unreadable import leave_out
from .frozen_prefix import FrozenPrefixes
from .open_towers import OpenTowers, open_towers, shared_modalities
from .preprocessed import Reader


@dataclass(frozen=True)
class LayerInputs(Prepared):
    """A data set, read, with the towers that its items go through."""

    towers: OpenTowers
    reader: Reader
    #: Of all trials and seeds.
    prefixes: FrozenPrefixes


def prepare(spec: PipelineSpec, key: str, context: RunContext) -> LayerInputs:
    """Run the stages up to the preprocessed contents, measuring each."""
    encoder = context.encoder(spec)
    items = list_items(spec, context)
    items = describe(items, spec, context)
    modalities = shared_modalities(items.splits, encoder, spec.task, context)
    with context.stage("read"):
        towers = open_towers(encoder.open, modalities)
        reader = Reader(towers.encoders)
        unreadable = reader.store(items.splits, context.tell)
        items = leave_out(items, unreadable, modalities, spec.dataset, context.tell)
    prefixes = FrozenPrefixes()
    prompts = encode_prompts(items, spec, encoder, context)
    note_short_classes(items, spec, context)
    return LayerInputs(
        items.content, items.splits, items.left_out, prompts, encoder, key, None, towers, reader, prefixes
    )
