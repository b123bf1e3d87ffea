"""What both levels prepare alike."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from ..data.items import DatasetContent, Items
from ..events import Note
from ..roles.head import ClassPrompts
from ..spec.node_kinds import token_modalities, vector_modalities
from ..spec.pipeline_spec import PipelineSpec
from ..storage.store import identity_key
from .context import RunContext
from .encode import EncoderStage
from .list_tasks import of_data_sets
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
    #: Where the task of an item is known, the task of each class: answers are among the classes of one. ``None``: all.
    task_of: tuple[int, ...] | None = field(default=None, kw_only=True)

    def narrowed(self, to: Narrowed) -> Self:
        """Some of the items, as they are prepared already, and some of the classes, numbered anew."""
        number = {joint: own for own, joint in enumerate(to.classes)}
        splits = {}
        for name, (source, rows) in to.splits.items():
            items = [self.splits[source][row] for row in rows]
            splits[name] = tuple(replace(one, target=number.get(one.target)) for one in items)  # type: ignore[arg-type]
        names = tuple(self.content.class_names[index] for index in to.classes)
        content = DatasetContent(splits, names, self.content.split_id, self.content.notes)
        prompts = self.prompts and replace(self.prompts, vectors=self.prompts.vectors[list(to.classes)])
        key = identity_key({"of": self.key, "items": content.fingerprint()})
        return replace(self, content=content, splits=splits, prompts=prompts, key=key, task_of=to.task_of)


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What is taken of what is prepared."""

    #: Index of each class there.
    classes: tuple[int, ...]
    #: Split to a split there and the places of its items in it.
    splits: Mapping[str, tuple[str, tuple[int, ...]]]
    #: See ``Prepared``.
    task_of: tuple[int, ...] | None = None


def preparation_key(spec: PipelineSpec) -> str:
    """Equal for specs that agree on data, captioner, encoder, prompts and on what is made of the items."""
    sections = [one and one.model_dump(mode="json") for one in (spec.dataset, spec.captioner, spec.encoder)]
    of_tasks = [one.model_dump(mode="json") for one in of_data_sets(spec)]
    of_features = [vector_modalities(spec), token_modalities(spec)]
    made = [spec.task.type, spec.task.needs] if spec.level == "layers" else of_features
    return json.dumps([*sections, *of_tasks, made, spec.task.uses_prompts()])


def note_short_classes(items: Items, spec: PipelineSpec, context: RunContext) -> None:
    """Tell of classes that have fewer training items than shots are asked for."""
    if shots := spec.dataset.shots:
        counts = Counter(item.target for item in items.content.splits["train"] if isinstance(item.target, int))
        short = [name for index, name in enumerate(items.content.class_names) if counts[index] < shots]
        if short:
            context.tell(Note(f"fewer than {shots} training items, all are used: {', '.join(short[:10])}"))
