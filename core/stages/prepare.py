"""What both levels prepare alike."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

from ..data.items import Items
from ..events import Note
from ..roles.head import ClassPrompts
from ..spec.node_kinds import token_modalities, vector_modalities
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


def preparation_key(spec: PipelineSpec) -> str:
    """Equal for specs that agree on data, captioner, encoder, prompts and on what is made of the items."""
    sections = [one and one.model_dump(mode="json") for one in (spec.dataset, spec.captioner, spec.encoder)]
    of_features = [vector_modalities(spec), token_modalities(spec)]
    made = [spec.task.type, spec.task.needs] if spec.level == "layers" else of_features
    return json.dumps([*sections, made, spec.task.uses_prompts()])


def note_short_classes(items: Items, spec: PipelineSpec, context: RunContext) -> None:
    """Tell of classes that have fewer training items than shots are asked for."""
    if shots := spec.dataset.shots:
        counts = Counter(item.target for item in items.content.splits["train"] if isinstance(item.target, int))
        short = [name for index, name in enumerate(items.content.class_names) if counts[index] < shots]
        if short:
            context.tell(Note(f"fewer than {shots} training items, all are used: {', '.join(short[:10])}"))
