"""Everything before training: the data set loaded, described and encoded, once for all trials that agree on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..registry.catalogue import Catalogue
from .dataset import DataError, DatasetContent
from .describe import CaptionerStage
from .encode import EncoderStage, Tell
from .events import Note
from .features import Features, encode_prompts, encode_split
from .head import ClassPrompts
from .listing import list_items
from .measure import Meter
from .node_kinds import modalities_of
from .pipeline_spec import PipelineSpec


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


class Preparation:
    """Runs the stages up to the vectors, measuring each."""

    def __init__(self, catalogue: Catalogue, store: Path, device: torch.device, meter: Meter, tell: Tell) -> None:
        self.catalogue, self.store, self.device, self.meter, self.tell = catalogue, store, device, meter, tell
        self._done: dict[str, Prepared] = {}

    def of(self, spec: PipelineSpec) -> Prepared:
        """The data set of a spec, encoded; the same object for specs that agree on all that matters here."""
        sections = (spec.dataset, spec.captioner, spec.encoder)
        dumped = [one and one.model_dump(mode="json") for one in sections]
        key = json.dumps([*dumped, modalities_of(spec.graph), _uses_prompts(spec)])
        if key not in self._done:
            self._done[key] = self._prepare(spec, key)
        return self._done[key]

    def _prepare(self, spec: PipelineSpec, key: str) -> Prepared:
        with self.meter.stage("dataset"):
            content = list_items(spec.dataset, self.catalogue, self.store, self.tell)
            _require_splits(content, spec)
            self._note_short_classes(content, spec)
        splits: Mapping[str, Any] = content.splits
        modalities = modalities_of(spec.graph)
        if spec.captioner and "text" in modalities:
            with self.meter.stage("describe"):
                stage = CaptionerStage(spec.captioner, self.catalogue, self.store, lambda: self.device)
                splits = stage.describe(splits, self.tell)
        encoder = EncoderStage(spec.encoder, self.catalogue, self.store, lambda: self.device)
        used = dict.fromkeys(["train", spec.evaluation.select_on, spec.evaluation.test_on])
        with self.meter.stage("encode"):
            features = {
                name: encode_split(encoder, name, splits[name], modalities, self.tell)
                for name in used
                if name in splits
            }
            prompts = encode_prompts(encoder, content.class_names, self.tell) if _uses_prompts(spec) else None
        return Prepared(content, features, prompts, encoder, key)

    def _note_short_classes(self, content: DatasetContent, spec: PipelineSpec) -> None:
        shots = spec.dataset.shots or 0
        counts = [
            sum(item.target == index for item in content.splits["train"]) for index in range(len(content.class_names))
        ]
        short = [name for name, count in zip(content.class_names, counts, strict=True) if count < shots]
        if short:
            self.tell(Note(f"fewer than {shots} training items, all are used: {', '.join(short[:10])}"))


def _uses_prompts(spec: PipelineSpec) -> bool:
    return spec.task.head is not None and spec.task.head.uses_prompts()


def _require_splits(content: DatasetContent, spec: PipelineSpec) -> None:
    wanted = {"train": "train", "select_on": spec.evaluation.select_on, "test_on": spec.evaluation.test_on}
    for key, name in wanted.items():
        if name != "none" and not content.splits.get(name):
            has = ", ".join(content.splits)
            remedy = (
                '; set "select_on": "none" to keep the last epoch, or make a validation split' if name == "val" else ""
            )
            raise DataError(f"evaluation.{key}: the data set has no split `{name}`; it has {has}{remedy}")
