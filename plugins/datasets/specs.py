"""The specs of the data sets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from ...core.data.found_files import of_folders
from ...core.roles import DatasetSpec, FoundFiles, Reading, Sampling
from ...registry.spec import Items, LocalPath

#: Frames of a clip that are seen where nothing is said.
FRAMES = 8


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

    Where only one split is given, it is divided by content hash, stratified. With a split file as CoOp's, pictures may
    lie in any tree below `root`.
    """

    type: Literal["image_folder"] = "image_folder"
    root: LocalPath
    """The folder."""
    val_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of each class that becomes `val` where there is no such split (taken from `train`)."""
    test_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Share of each class that becomes `test` where there is no such split (taken from `train`)."""
    exclude: Items[str] = ()
    """Class folders that are left out, `BACKGROUND_Google` for example."""
    class_names: Mapping[str, str] = {}
    """Folder (or label) to the name that prompts use, where it is another: `{"Faces": "face"}`."""
    split_file: LocalPath | None = None
    """A CoOp split file (`split_zhou_*.json`) that says which pictures below `root` are in which split and class."""

    @model_validator(mode="after")
    def _one_list_of_classes(self) -> ImageFolderSpec:
        if self.split_file and self.exclude:
            raise ValueError("a split file says which pictures there are; `exclude` leaves out class folders")
        return self

    @classmethod
    def reading(cls, found: FoundFiles) -> Reading | None:
        """Pictures in folders, or with a list of ours."""
        from ...core.data.pictures import SUFFIXES as PICTURES

        if "metadata.jsonl" in found.own and found.count(PICTURES):
            return Reading(
                {"root": str(found.path)}, found.count(PICTURES), "pictures", "with metadata.jsonl", listed=True
            )
        return of_folders(found, PICTURES, "pictures")

    def tree(self) -> str | None:
        """Its folders are its classes, unless a file says which pictures there are."""
        listed = self.split_file or Path(self.root, "metadata.jsonl").is_file()
        return None if listed else self.root


class MediaFolderSpec(DatasetSpec):
    """What folders of files in class folders share."""

    root: LocalPath
    """The folder."""
    val_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of each class that becomes `val` where there is no such split (taken from `train`)."""
    test_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Share of each class that becomes `test` where there is no such split (taken from `train`)."""
    exclude: Items[str] = ()
    """Class folders that are left out."""
    class_names: Mapping[str, str] = {}
    """Folder to the name that prompts use, where it is another: `{"dog_bark": "dog barking"}`."""

    def tree(self) -> str | None:
        """Its folders are its classes."""
        return self.root


class AudioFolderSpec(MediaFolderSpec):
    """Your own sounds: `ROOT/CLASS/*.wav` or `ROOT/{train,val,test}/CLASS/*.wav`; FLAC, OGG and MP3 as well.

    Where only one split is given, it is divided by content hash, stratified. Several channels are mixed to one, and the
    encoder resamples to its own rate. Needs the extra `graftwork[audio]`.
    """

    gives: ClassVar[tuple[str, ...]] = ("audio",)

    type: Literal["audio_folder"] = "audio_folder"

    @classmethod
    def reading(cls, found: FoundFiles) -> Reading | None:
        """Sounds in folders."""
        from ...core.data.sounds import SUFFIXES as SOUNDS

        return of_folders(found, SOUNDS, "sounds")


class ClipsSpec(DatasetSpec):
    """What data sets of clips share."""

    frames: Annotated[int, Field(ge=1, le=4096)] | None = None
    """So many frames of each clip are seen: the middles of as many equal parts. Default: 8, where `every` is not
    given."""
    every: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """One frame in the middle of each so many seconds is seen, in place of a fixed number."""

    @model_validator(mode="after")
    def _sampled_in_one_way(self) -> Self:
        if self.frames is not None and self.every is not None:
            raise ValueError("`frames` says how many of a clip are seen, `every` how far apart: give one of the two")
        return self

    def sampling(self) -> Sampling:
        """As `frames` or `every` say."""
        frames = None if self.every is not None else self.frames or FRAMES
        return Sampling(frames, self.every, "silence" if self.silent() else "refuse")

    def silent(self) -> bool:
        """Whether silence stands for the sound of a clip that has none."""
        return False


class VideoFolderSpec(MediaFolderSpec, ClipsSpec):
    """Your own clips: `ROOT/CLASS/*.mp4` or `ROOT/{train,val,test}/CLASS/*.mp4`; AVI, WebM, MKV, MOV and others as
    well.

    Where only one split is given, it is divided by content hash, stratified. Needs the extra `graftwork[video]`.
    """

    gives: ClassVar[tuple[str, ...]] = ("video",)

    type: Literal["video_folder"] = "video_folder"
    sound: Literal["none", "required", "silence"] = "none"
    """Whether items have the clip's sound as well, as `audio`: `required`, so that a clip without any cannot be read
    (see `on_error`); or `silence` where it has none, which the run counts."""

    @classmethod
    def reading(cls, found: FoundFiles) -> Reading | None:
        """Clips in folders."""
        from ...core.data.video import SUFFIXES as CLIPS

        return of_folders(found, CLIPS, "clips")

    def silent(self) -> bool:
        """As `sound` says."""
        return self.sound == "silence"


class PublishedSpec(DatasetSpec):
    """What published picture sets share."""

    root: LocalPath
    """The folder that holds the data set's folder, or that folder itself; torchvision's layout and CoOp's are known."""
    split: Literal["official", "coop"] = "official"
    """The official split, or that of CoOp's split file. Results on the two are not comparable."""
    split_file: LocalPath | None = None
    """CoOp's split file, where it is not in the data set's folder under its own name."""
    download: bool = False
    """Whether a run may fetch what is missing (torchvision's download; a plan fetches nothing)."""

    @model_validator(mode="after")
    def _split_file_is_used(self) -> PublishedSpec:
        if self.split_file and self.split != "coop":
            raise ValueError('`split_file` is read with "split": "coop" alone')
        return self


class CarvedSpec(PublishedSpec):
    """Published picture sets whose official split has no validation pictures."""

    val_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of each class of the official training split that becomes `val`, by content hash. 0: no `val`."""


class OxfordPetsSpec(CarvedSpec):
    """Oxford-IIIT Pets: 37 breeds, 7,349 pictures. Official: 3,680 train, 3,669 test; CoOp's: 2,944/736/3,669."""

    type: Literal["oxford_pets"] = "oxford_pets"


class Flowers102Spec(PublishedSpec):
    """Oxford Flowers 102, 8,189 pictures. Official train/val/test: 1,020/1,020/6,149; CoOp's: 4,093/1,633/2,463."""

    type: Literal["flowers102"] = "flowers102"


class Food101Spec(CarvedSpec):
    """Food-101, 101,000 pictures. Official: 75,750 train, 25,250 test; CoOp's train/val/test: 50,500/20,200/30,300."""

    type: Literal["food101"] = "food101"


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


class PocketWorldSpec(DatasetSpec):
    """Graftwork's own world of shapes that sound, drawn as it is read: tasks whose labels need both modalities.

    `events`: which colour has the object that sounds, in each of four segments? `vqa`: questions with soft scores.
    `nlvr2`: statements about two pictures. `retrieval`: pictures with two captions each, an item a pair.
    `s4`: the one object that sounds is cut out; `ms3`: one, two or three at once (task type `segmentation`).
    `audio_visual_qa`: questions about what sounds in a clip; `audio_visual_qa_short`: shorter clips, fewer kinds of
    questions. `clips`: clips of three frames with a caption each; `clips_often`: with four;
    `clips_twins`: simpler ones, in pairs with two colours exchanged (task type `retrieval`).
    `clips_qa`: questions about such clips (task type `vqa`).
    """

    type: Literal["pocket_world"] = "pocket_world"
    task: Literal[
        "events",
        "vqa",
        "nlvr2",
        "retrieval",
        "s4",
        "ms3",
        "audio_visual_qa",
        "audio_visual_qa_short",
        "clips",
        "clips_often",
        "clips_twins",
        "clips_qa",
    ]
    """What is asked."""
    train: Annotated[int, Field(ge=1)] = 2000
    """Items to train on."""
    val: Annotated[int, Field(ge=0)] = 400
    """Items to select on. 0: no `val`."""
    test: Annotated[int, Field(ge=1)] = 1000
    """Items to report on."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Another seed, another world."""


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
        from .json_lines.recognise import reading_of

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
