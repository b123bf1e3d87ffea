"""The stage ``describe``: the items with what a captioner says of their pictures."""

from __future__ import annotations

from dataclasses import replace

from ..data.items import Items
from ..spec.pipeline_spec import PipelineSpec
from .context import RunContext
from .unreadable import leave_out


def describe(items: Items, spec: PipelineSpec, context: RunContext) -> Items:
    """The items with descriptions as their texts; as they are where no captioner is, or nothing reads its texts.

    Raises ``CaptionerError``, ``EncoderError`` for an encoder that is not here, and what ``leave_out`` raises.
    """
    captioner = context.captioner(spec)
    if captioner is None:
        return items
    with context.stage("describe"):
        every = items.of_all_splits()
        if spec.encoder.missing_files() and captioner.missing(every):
            context.encoder(spec).load()  # what is not on this machine is missed now, and not after hours of describing
        unreadable = captioner.store(every, context.tell)
        items = leave_out(items, unreadable, ("image",), spec.dataset, context.tell)
        return replace(items, splits=captioner.described(items.splits))
