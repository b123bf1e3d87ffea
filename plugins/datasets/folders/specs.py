"""The specs of folders of your own pictures, clips and sounds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ....core.data.found_files import of_folders
from ....core.roles import DatasetSpec, FoundFiles, Reading, Sampling
from ....registry.spec import Items, LocalPath

#: Frames of a clip that are seen where nothing is said.
FRAMES = 8


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
        from ....core.data.pictures import SUFFIXES as PICTURES

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
        from ....core.data.sounds import SUFFIXES as SOUNDS

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
        from ....core.data.video import SUFFIXES as CLIPS

        return of_folders(found, CLIPS, "clips")

    def silent(self) -> bool:
        """As `sound` says."""
        return self.sound == "silence"
