"""Everything before training: the data set loaded, described and encoded, once for all trials that agree on it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .dataset import DataError, DatasetContent
from .describe import CaptionerStage
from .encode import EncoderStage
from .events import Note
from .features import Features, encode_prompts, encode_splits
from .head import ClassPrompts
from .listing import list_items
from .node_kinds import modalities_of, token_modalities, vector_modalities
from .pipeline_spec import PipelineSpec
from .surroundings import Surroundings
from .text_facts import TextFacts, text_facts
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


@dataclass(frozen=True)
class Encoded(Prepared):
    """A data set, encoded."""

    #: The splits that the pipeline uses.
    features: Mapping[str, Features]


class Preparation:
    """Runs the stages up to the vectors, measuring each."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self._done: dict[str, Encoded] = {}

    def of(self, spec: PipelineSpec) -> Encoded:
        """The data set of a spec, encoded; the same object for specs that agree on all that matters here."""
        made_of = (vector_modalities(spec.graph, spec.dataset, spec.task), token_modalities(spec.graph))
        key = preparation_key(spec, made_of)
        if key not in self._done:
            self._done[key] = self._prepare(spec, key)
        return self._done[key]

    def _prepare(self, spec: PipelineSpec, key: str) -> Encoded:
        content, used, left_out = listed(spec, self.around)
        vectors_of, tokens_of = vector_modalities(spec.graph, spec.dataset, spec.task), token_modalities(spec.graph)
        encoder = EncoderStage(spec.encoder, self.around.catalogue, self.around.store, lambda: self.around.device)
        reads = "text" in modalities_of(spec.graph, spec.dataset)
        captioner = captioner_of(spec, self.around) if reads else None
        if captioner is not None:
            used = described(captioner, encoder, used, left_out, self.around)
        with self.around.stage("encode"):
            features, used = left_out.tolerate(
                lambda splits: encode_splits(encoder, splits, vectors_of, self.around.tell, tokens_of), used
            )
            prompts = prompts_of(spec, encoder, content, self.around)
        content = readable(content, left_out, spec, self.around)
        texts = (
            text_facts(used, captioner, encoder, self.around.tell)
            if "text" in modalities_of(spec.graph, spec.dataset)
            else None
        )
        return Encoded(content, used, prompts, encoder, key, texts, tuple(left_out.items), features)


def preparation_key(spec: PipelineSpec, made_of: object) -> str:
    """Equal for specs that agree on data, captioner, encoder, prompts and on what they are ``made_of``."""
    sections = (spec.dataset, spec.captioner, spec.encoder)
    return json.dumps([*(one and one.model_dump(mode="json") for one in sections), made_of, spec.task.uses_prompts()])


def listed(spec: PipelineSpec, around: Surroundings) -> tuple[DatasetContent, Splits, LeftOut]:
    """The data set, the splits that the pipeline uses, and who keeps account of items that cannot be read."""
    with around.stage("dataset"):
        content = list_items(spec.dataset, around.catalogue, around.store, around.tell)
        _require_splits(content, spec)
    wanted = dict.fromkeys(["train", spec.evaluation.select_on, spec.evaluation.test_on])
    used: Splits = {name: content.splits[name] for name in wanted if name in content.splits}
    return content, used, LeftOut(spec.dataset, around.tell)


def captioner_of(spec: PipelineSpec, around: Surroundings) -> CaptionerStage | None:
    """The captioner, where there is one."""
    if spec.captioner is None:
        return None
    return CaptionerStage(spec.captioner, around.catalogue, around.store, lambda: around.device)


def described(
    captioner: CaptionerStage, encoder: EncoderStage, splits: Splits, left_out: LeftOut, around: Surroundings
) -> Splits:
    """The items with descriptions as their texts."""
    with around.stage("describe"):
        items = [item for split in splits.values() for item in split]
        if encoder.spec.missing_files() and captioner.missing(items):
            _ = encoder.encoder  # one that is not on this machine: now, and not after hours of describing
        found, _ = left_out.tolerate(lambda some: captioner.describe(some, around.tell), splits)
    return found


def prompts_of(
    spec: PipelineSpec, encoder: EncoderStage, content: DatasetContent, around: Surroundings
) -> ClassPrompts | None:
    """Class vectors, where the task uses them."""
    return encode_prompts(encoder, content.class_names, around.tell) if spec.task.uses_prompts() else None


def readable(content: DatasetContent, left_out: LeftOut, spec: PipelineSpec, around: Surroundings) -> DatasetContent:
    """The data set without what cannot be read; tells of classes that have fewer items than asked for."""
    content = _without(content, left_out.items)
    if shots := spec.dataset.shots:
        counts = Counter(item.target for item in content.splits["train"] if isinstance(item.target, int))
        short = [name for index, name in enumerate(content.class_names) if counts[index] < shots]
        if short:
            around.tell(Note(f"fewer than {shots} training items, all are used: {', '.join(short[:10])}"))
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
