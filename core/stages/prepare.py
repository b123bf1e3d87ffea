"""What both levels prepare alike: the data set listed, described, its prompts encoded."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..data.items import DataError, DatasetContent
from ..events import Note
from ..roles.head import ClassPrompts
from ..spec.pipeline_spec import PipelineSpec
from .context import RunContext
from .describe import CaptionerStage
from .encode import EncoderStage
from .list_items import list_items
from .prompts import encode_prompts
from .text_facts import TextFacts
from .unreadable import LeftOut, LeftOutItem, Splits


@dataclass(frozen=True)
class Prepared:
    """Everything before training."""

    content: DatasetContent
    #: The splits that the pipeline uses, with the items that could be read.
    splits: Splits
    prompts: ClassPrompts | None
    encoder: EncoderStage
    #: Tells one prepared data set from another within a run.
    key: str
    #: What is known of the items' texts; ``None`` where the nodes hold none.
    texts: TextFacts | None
    #: What the run goes on without, since it cannot be read.
    left_out: tuple[LeftOutItem, ...]


def preparation_key(spec: PipelineSpec, made_of: object) -> str:
    """Equal for specs that agree on data, captioner, encoder, prompts and on what they are ``made_of``."""
    sections = (spec.dataset, spec.captioner, spec.encoder)
    return json.dumps([*(one and one.model_dump(mode="json") for one in sections), made_of, spec.task.uses_prompts()])


def listed(spec: PipelineSpec, context: RunContext) -> tuple[DatasetContent, Splits, LeftOut]:
    """The data set, the splits that the pipeline uses, and who keeps account of items that cannot be read."""
    with context.stage("dataset"):
        content = list_items(spec.dataset, context.catalogue, context.store, context.tell)
        _require_splits(content, spec)
    wanted = dict.fromkeys(["train", spec.evaluation.select_on, spec.evaluation.test_on])
    used: Splits = {name: content.splits[name] for name in wanted if name in content.splits}
    return content, used, LeftOut(spec.dataset, context.tell)


def captioner_of(spec: PipelineSpec, context: RunContext) -> CaptionerStage | None:
    """The captioner, where there is one."""
    if spec.captioner is None:
        return None
    return CaptionerStage(spec.captioner, context.catalogue, context.store, lambda: context.device)


def described(
    captioner: CaptionerStage, encoder: EncoderStage, splits: Splits, left_out: LeftOut, context: RunContext
) -> Splits:
    """The items with descriptions as their texts."""
    with context.stage("describe"):
        items = [item for split in splits.values() for item in split]
        if encoder.spec.missing_files() and captioner.missing(items):
            _ = encoder.encoder  # one that is not on this machine: now, and not after hours of describing
        found, _ = left_out.tolerate(lambda some: captioner.describe(some, context.tell), splits)
    return found


def prompts_of(
    spec: PipelineSpec, encoder: EncoderStage, content: DatasetContent, context: RunContext
) -> ClassPrompts | None:
    """Class vectors, where the task uses them."""
    return encode_prompts(encoder, content.class_names, context.tell) if spec.task.uses_prompts() else None


def readable(content: DatasetContent, left_out: LeftOut, spec: PipelineSpec, context: RunContext) -> DatasetContent:
    """The data set without what cannot be read; tells of classes that have fewer items than asked for."""
    content = _without(content, left_out.items)
    if shots := spec.dataset.shots:
        counts = Counter(item.target for item in content.splits["train"] if isinstance(item.target, int))
        short = [name for index, name in enumerate(content.class_names) if counts[index] < shots]
        if short:
            context.tell(Note(f"fewer than {shots} training items, all are used: {', '.join(short[:10])}"))
    return content


def _without(content: DatasetContent, left_out: Sequence[LeftOutItem]) -> DatasetContent:
    gone = {(item.split, item.id) for item in left_out}
    kept = {
        name: tuple(item for item in items if (name, item.id) not in gone) for name, items in content.splits.items()
    }
    return replace(content, splits=kept)


def _require_splits(content: DatasetContent, spec: PipelineSpec) -> None:
    wanted = {"train": "train", "select_on": spec.evaluation.select_on, "test_on": spec.evaluation.test_on}
    for key, name in wanted.items():
        if name != "none" and not content.splits.get(name):
            has = ", ".join(content.splits)
            remedy = (
                '; set "select_on": "none" to keep the last epoch, or make a validation split' if name == "val" else ""
            )
            raise DataError(f"evaluation.{key}: the data set has no split `{name}`; it has {has}{remedy}")
