"""Data sets: their specs. The implementations stand beside this file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ...core.roles import DatasetSpec
from ...registry.component import Component
from ...registry.spec import Items, LocalPath


class DigitsSpec(DatasetSpec):
    """scikit-learn's 1,797 real handwritten digits, 8x8 grey.

    A fixed stratified split: half train, a fifth val, the rest test.
    """

    type: Literal["digits"] = "digits"
    class_names: Annotated[Items[str], Field(min_length=10, max_length=10)] = tuple("0123456789")
    """The ten names that prompts use, digit 0 first."""


class ImageFolderSpec(DatasetSpec):
    """Your own pictures: `ROOT/CLASS/*.png`, `ROOT/{train,val,test}/CLASS/*.png`, or a `metadata.jsonl` with a line a
    picture: `{"file_name": "a.png", "label": "cat"}`, and optionally `"split"` and `"text"`.

    Where only one split is given, it is divided by content hash, stratified.
    """

    type: Literal["image_folder"] = "image_folder"
    root: LocalPath
    """The folder."""
    val_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of each class that becomes `val` where there is no such split (taken from `train`)."""
    test_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Share of each class that becomes `test` where there is no such split (taken from `train`)."""


COMPONENTS = (
    Component(
        "dataset",
        "digits",
        DigitsSpec,
        "graftwork.plugins.datasets.digits:Digits",
        "1,797 real handwritten digits (8x8)",
    ),
    Component(
        "dataset",
        "image_folder",
        ImageFolderSpec,
        "graftwork.plugins.datasets.image_folder:ImageFolder",
        "your own pictures: class folders or metadata.jsonl",
    ),
)
