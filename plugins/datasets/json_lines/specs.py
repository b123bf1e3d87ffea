"""The spec of items that stand in lists of your own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator

from ....core.roles import FoundFiles, Reading
from ....registry.spec import Items, LocalPath
from ..folders.specs import ClipsSpec

#: What a column of a table, or a key of a line, may be said to be.
Column = Literal["id", "image", "video", "text", "audio", "at", "start", "end", "label", "split"]


class JsonLinesSpec(ClipsSpec):
    """Items of any task, a JSON object a line: pictures, clips, texts and sounds, several passes an item, labels or
    answers. Or a row of a table (`.csv`, `.tsv`) each.

    `{"id": "1", "image": "pics/a.png", "text": "what is it?", "answers": ["cat", "cat", "dog"]}`; all lines alike.
    """

    type: Literal["json_lines"] = "json_lines"
    root: LocalPath
    """The folder that the paths in lines, and the names of files, count from."""
    splits: Annotated[Mapping[Literal["train", "val", "test"], str], Field(min_length=1)] | None = None
    """Split to its file: JSON lines, or a table with the names of its columns on its first line. Default: those of
    `train.jsonl`, `val.jsonl` and `test.jsonl` that are there."""
    columns: Mapping[Column, str] = {}
    """Where keys or columns have other names: `{"image": "file_name", "label": "genus"}`; others are then not read.
    `split` names the one that says `train`, `val` or `test`."""
    val_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of each class that becomes `val` where there is no such split (taken from `train`). 0: none."""
    test_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of each class that becomes `test` where there is no such split (taken from `train`). 0: none."""
    classes: Annotated[Items[str], Field(min_length=1)] | None = None
    """The classes (or answers), the first is 0. Default: the labels of train, sorted (or the `vocabulary`)."""
    vocabulary: Annotated[int, Field(ge=1)] = 3129
    """With answers: so many of the most frequent ones of train are the classes, or all where there are fewer."""
    beyond: Literal["refuse", "fill"] = "refuse"
    """Where a clip or a sound ends before a moment or a part that a line shows: it cannot be read (see `on_error`); or
    `fill`: its last picture is shown on, and silence fills its sound, which the run counts."""
    absent: Literal["refuse", "silence"] = "refuse"
    """Where a line hears a clip that has no sound: it cannot be read; or `silence`, which the run counts."""

    def silent(self) -> bool:
        """As `absent` says."""
        return self.absent == "silence"

    @classmethod
    def reading(cls, found: FoundFiles) -> Reading | None:
        """Lines or tables whose columns are called as such columns are."""
        from .recognise import reading_of

        return reading_of(found)

    @field_validator("splits")
    @classmethod
    def _has_train(cls, splits: Mapping[str, str] | None) -> Mapping[str, str] | None:
        if splits is not None and "train" not in splits:
            raise ValueError("`train` is missing: it says which classes there are")
        return splits

    @field_validator("classes")
    @classmethod
    def _classes_once(cls, classes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if classes and len(set(classes)) < len(classes):
            raise ValueError("a class stands here twice")
        return classes
