"""What both levels prepare alike."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

from ..data.items import Items
from ..events import Note
from ..roles.head import ClassPrompts
from ..spec.pipeline_spec import PipelineSpec
from .context import RunContext
from .encode import EncoderStage
from .text_facts import TextFacts


@dataclass(frozen=True)
class Prepared(Items):
    """The items with everything else that is there before training."""

    prompts: ClassPrompts | None
    encoder: EncoderStage
    #: Tells one prepared data set from another within a run.
    key: str
    #: What is known of the items' texts; ``None`` where the nodes hold none.
    texts: TextFacts | None


def preparation_key(spec: PipelineSpec, made_of: object) -> str:
    """Equal for specs that agree on data, captioner, encoder, prompts and on what they are ``made_of``."""
    sections = (spec.dataset, spec.captioner, spec.encoder)
    return json.dumps([*(one and one.model_dump(mode="json") for one in sections), made_of, spec.task.uses_prompts()])


def note_short_classes(items: Items, spec: PipelineSpec, context: RunContext) -> None:
    """Tell of classes that have fewer training items than shots are asked for."""
    if shots := spec.dataset.shots:
        counts = Counter(item.target for item in items.content.splits["train"] if isinstance(item.target, int))
        short = [name for index, name in enumerate(items.content.class_names) if counts[index] < shots]
        if short:
            context.tell(Note(f"fewer than {shots} training items, all are used: {', '.join(short[:10])}"))
