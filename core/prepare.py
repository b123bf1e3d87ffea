"""Everything before training: the data set loaded, described and encoded, once for all trials that agree on it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..registry.catalogue import Catalogue
from .dataset import DataError, DatasetContent
from .describe import CaptionerStage
from .encode import EncoderStage, Tell
from .events import Note
from .features import Features, encode_prompts, encode_splits
from .head import ClassPrompts
from .listing import list_items
from .measure import Meter
from .node_kinds import modalities_of, token_modalities, vector_modalities
from .pipeline_spec import PipelineSpec
from .text_facts import TextFacts, text_facts
from .unreadable import LeftOut, LeftOutItem, Splits


@dataclass(frozen=True, slots=True)
class Prepared:
    """A data set, encoded."""

    content: DatasetContent
    #: The splits that the pipeline uses.
    features: Mapping[str, Features]
    prompts: ClassPrompts | None
    encoder: EncoderStage
    #: Tells one prepared data set from another within a run.
    key: str
    #: What is known of the items' texts; ``None`` where the nodes hold none.
    texts: TextFacts | None
    #: What the run goes on without, since it cannot be read.
    left_out: tuple[LeftOutItem, ...]


class Preparation:
    """Runs the stages up to the vectors, measuring each."""

    def __init__(self, catalogue: Catalogue, store: Path, device: torch.device, meter: Meter, tell: Tell) -> None:
        self.catalogue, self.store, self.device, self.meter, self.tell = catalogue, store, device, meter, tell
        self._done: dict[str, Prepared] = {}

    def of(self, spec: PipelineSpec) -> Prepared:
        """The data set of a spec, encoded; the same object for specs that agree on all that matters here."""
        sections = (spec.dataset, spec.captioner, spec.encoder)
        dumped = [one and one.model_dump(mode="json") for one in sections]
        made_of = (vector_modalities(spec.graph, spec.dataset, spec.task), token_modalities(spec.graph))
        key = json.dumps([*dumped, made_of, spec.task.uses_prompts()])
        if key not in self._done:
            self._done[key] = self._prepare(spec, key)
        return self._done[key]

    def _prepare(self, spec: PipelineSpec, key: str) -> Prepared:
        with self.meter.stage("dataset"):
            content = list_items(spec.dataset, self.catalogue, self.store, self.tell)
            _require_splits(content, spec)
        vectors_of, tokens_of = vector_modalities(spec.graph, spec.dataset, spec.task), token_modalities(spec.graph)
        left_out = LeftOut(spec.dataset, self.tell)
        encoder = EncoderStage(spec.encoder, self.catalogue, self.store, lambda: self.device)
        wanted = dict.fromkeys(["train", spec.evaluation.select_on, spec.evaluation.test_on])
        used: Splits = {name: content.splits[name] for name in wanted if name in content.splits}
        captioner = self._captioner(spec)
        if captioner is not None:
            with self.meter.stage("describe"):
                self._require_encoder(encoder, captioner, used)
                used = self._described(captioner, used, left_out)
        with self.meter.stage("encode"):
            features, used = left_out.tolerate(
                lambda splits: encode_splits(encoder, splits, vectors_of, self.tell, tokens_of), used
            )
            prompts = encode_prompts(encoder, content.class_names, self.tell) if spec.task.uses_prompts() else None
        content = _without(content, left_out.items)
        self._note_short_classes(content, spec)
        texts = (
            text_facts(used, captioner, encoder, self.tell)
            if "text" in modalities_of(spec.graph, spec.dataset)
            else None
        )
        return Prepared(content, features, prompts, encoder, key, texts, tuple(left_out.items))

    def _captioner(self, spec: PipelineSpec) -> CaptionerStage | None:
        """The captioner, where there is one and a node needs its texts."""
        if spec.captioner is None or "text" not in modalities_of(spec.graph, spec.dataset):
            return None
        return CaptionerStage(spec.captioner, self.catalogue, self.store, lambda: self.device)

    def _require_encoder(self, encoder: EncoderStage, captioner: CaptionerStage, splits: Splits) -> None:
        """Load an encoder that is not on this machine before hours of describing, not after them."""
        items = [item for split in splits.values() for item in split]
        if encoder.spec.missing_files() and captioner.missing(items):
            _ = encoder.encoder

    def _described(self, captioner: CaptionerStage, splits: Splits, left_out: LeftOut) -> Splits:
        described, _ = left_out.tolerate(lambda some: captioner.describe(some, self.tell), splits)
        return described

    def _note_short_classes(self, content: DatasetContent, spec: PipelineSpec) -> None:
        shots = spec.dataset.shots or 0
        counts = [
            sum(item.target == index for item in content.splits["train"]) for index in range(len(content.class_names))
        ]
        short = [name for name, count in zip(content.class_names, counts, strict=True) if count < shots]
        if short:
            self.tell(Note(f"fewer than {shots} training items, all are used: {', '.join(short[:10])}"))


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
