"""Data sets.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...core.roles import DatasetSpec
from ...registry.component import Component
from .specs import (
    AudioFolderSpec,
    DigitsSpec,
    Flowers102Spec,
    Food101Spec,
    HuggingFaceSpec,
    ImageFolderSpec,
    JsonLinesSpec,
    OxfordPetsSpec,
    PocketWorldSpec,
    WebDatasetSpec,
)


def _component(type_: str, spec: type[DatasetSpec], target: str, summary: str) -> Component:
    return Component("dataset", type_, spec, f"graftwork.plugins.datasets.{target}", summary)


COMPONENTS = (
    _component("digits", DigitsSpec, "digits:Digits", "1,797 real handwritten digits (8x8)"),
    _component(
        "image_folder",
        ImageFolderSpec,
        "folders.image_folder:ImageFolder",
        "your own pictures: class folders, metadata.jsonl or a CoOp split file",
    ),
    _component("audio_folder", AudioFolderSpec, "folders.audio_folder:AudioFolder", "your own sounds: class folders"),
    _component(
        "oxford_pets", OxfordPetsSpec, "published.oxford_pets:OxfordPets", "Oxford-IIIT Pets, official or CoOp's split"
    ),
    _component(
        "flowers102", Flowers102Spec, "published.flowers102:Flowers102", "Oxford Flowers 102, official or CoOp's split"
    ),
    _component("food101", Food101Spec, "published.food101:Food101", "Food-101, official or CoOp's split"),
    _component(
        "huggingface", HuggingFaceSpec, "records.huggingface:HuggingFace", "the datasets library: Hub, disk, parquet"
    ),
    _component(
        "webdataset", WebDatasetSpec, "records.webdataset:WebDataset", "WebDataset shards, pictures read in place"
    ),
    _component(
        "pocket_world", PocketWorldSpec, "pocket_world:PocketWorld", "shapes that sound: four cross-modal tasks"
    ),
    _component("json_lines", JsonLinesSpec, "json_lines.dataset:JsonLines", "items of any task, a JSON object a line"),
)
