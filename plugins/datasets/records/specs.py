"""The specs of records of other libraries, and of vectors in files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ....core.roles import DatasetSpec, FoundFiles, Reading
from ....registry.spec import Items, LocalPath


class RecordsSpec(DatasetSpec):
    """What data sets of labelled records share."""

    class_names: Annotated[Items[str], Field(min_length=1)] | None = None
    """The names that prompts use, class 0 first; needed where labels are numbers and the data does not name them."""
    class_names_file: LocalPath | None = None
    """The same as a text file, a name a line."""
    val_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of each class that becomes `val` where there is no such split (taken from `train`)."""
    test_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Share of each class that becomes `test` where there is no such split (taken from `train`)."""

    @model_validator(mode="after")
    def _names_once(self) -> RecordsSpec:
        if self.class_names and self.class_names_file:
            raise ValueError("give `class_names` or `class_names_file`, not both")
        return self


class HuggingFaceSpec(RecordsSpec):
    """A data set of the `datasets` library: from the Hub, from `save_to_disk`, or local parquet or image folders.

    Needs the extra `graftwork[data]`. Code of the data set is never run.
    """

    type: Literal["huggingface"] = "huggingface"
    path: Annotated[str, Field(min_length=1)]
    """`org/name` on the Hub, or a folder or parquet file on this machine."""
    config: str | None = None
    """Which configuration, where the data set has several."""
    revision: str | None = None
    """Commit, tag or branch on the Hub; a commit makes the run repeatable."""
    splits: Mapping[Literal["train", "val", "test"], str] | None = None
    """Our splits to its own, `{"train": "train", "test": "validation"}`. Default: those of the usual names."""
    image: str = "image"
    """Column of the pictures."""
    label: str = "label"
    """Column of the classes: numbers or names. -1 or null in `train`: unlabelled."""
    text: str | None = None
    """Column of the words about each picture."""
    max_items: Annotated[int, Field(ge=1)] | None = None
    """The first so many rows of each split. Default: all; 10,000 when streaming."""
    streaming: bool = False
    """Read over the network without the library's copy on disk: each picture is kept once in Graftwork's own store."""


class WebDatasetSpec(RecordsSpec):
    """WebDataset shards: plain tar files of `KEY.jpg` beside `KEY.cls`, `KEY.json` or `KEY.txt`.

    Needs the extra `graftwork[data]`. Pictures are read from their place in the shard when they are needed.
    """

    type: Literal["webdataset"] = "webdataset"
    shards: Annotated[
        Mapping[Literal["train", "val", "test"], LocalPath],
        Field(min_length=1, examples=[{"train": "pets/train-{000000..000009}.tar"}]),
    ]
    """Split to shards, `{"train": "pets/train-{000000..000009}.tar"}`."""
    image: Annotated[Items[str], Field(min_length=1)] = ("jpg", "jpeg", "png", "webp")
    """Suffixes of pictures."""
    label: str = "cls"
    """Suffix of the file with the class (a number or a name), or a field of a JSON file: `json.label`."""
    text: str | None = None
    """The same for the words about a picture: `txt`, `json.caption`."""


class VectorsSpec(DatasetSpec):
    """Vectors that another program made, with a class each: an `.npy` file with labels in another one, an `.npz`
    archive or a parquet file. Encoder `given` takes them as they are, at unit length.

    Label -1, or an empty name, in `train`: unlabelled. Arrays of Python objects are never opened.
    """

    gives: ClassVar[tuple[str, ...]] = ("vector",)

    type: Literal["vectors"] = "vectors"
    file: LocalPath
    """The file: `vectors` [N, d] and `labels` [N] (numbers or names); also `texts`, `ids` and `splits`, strings [N]."""
    labels: LocalPath | None = None
    """An `.npy` file of the labels, where they stand by themselves."""
    columns: Mapping[Literal["vector", "label", "text", "id", "split"], str] = {}
    """Arrays or columns of other names: `{"vector": "clip_embedding", "label": "genus"}`."""
    class_names: Annotated[Items[str], Field(min_length=1)] | None = None
    """The names of the classes, class 0 first. Default: the labels themselves, sorted."""
    val_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of each class that becomes `val` where there is no such split (taken from `train`)."""
    test_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Share of each class that becomes `test` where there is no such split (taken from `train`)."""

    @classmethod
    def reading(cls, found: FoundFiles) -> Reading | None:
        """A file of vectors by itself; labels of an `.npy` file lie beside it, as `labels.npy` or `STEM_labels.npy`."""
        if found.is_folder or found.path.suffix.lower() not in (".npy", ".npz", ".parquet"):
            return None
        beside = [found.path.with_name(name) for name in ("labels.npy", f"{found.path.stem}_labels.npy", "y.npy")]
        labels = next((one for one in beside if one.is_file()), None) if found.path.suffix.lower() == ".npy" else None
        fields = {"file": str(found.path), **({"labels": str(labels)} if labels else {})}
        return Reading(fields, 1, "vectors", f"in {found.path.name}")
