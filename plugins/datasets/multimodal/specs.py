"""The specs of the data sets of several modalities."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ....core.roles import DatasetSpec
from ....registry.spec import ActsWith, LocalPath


class Nlvr2SetSpec(DatasetSpec):
    """NLVR2: is a sentence true of two photographs? 86,373 pairs of train, 6,982 of dev, 6,967 of test1 (test-P)."""

    type: Literal["nlvr2"] = "nlvr2"
    root: LocalPath
    """The folder that holds `data/train.json` and the folders of pictures."""
    test: Literal["test1", "test2", "dev"] = "test1"
    """What is tested on: test1 (test-P), test2 (test-U), or dev."""
    subset: Literal["all", "balanced", "unbalanced"] = "all"
    """Of what is tested on: all of it, or one of the two published halves of dev and test1."""
    val_directories: Annotated[int, Field(ge=0, le=99)] = 0
    """So many of the 100 picture folders of train become `val`, by hash. 0: `val` is dev."""
    hashes: LocalPath | None = None
    """The folder `util/hashes` of the release: pictures whose average hash is another are counted in a note."""

    @model_validator(mode="after")
    def _has_what_it_names(self) -> Nlvr2SetSpec:
        if self.test == "dev" and not self.val_directories:
            raise ValueError("dev is `val` unless `val_directories` takes folders of train; set it, or test on test1")
        if self.test == "test2" and self.subset != "all":
            raise ValueError("test2 has no balanced and unbalanced halves; take `all`, or test on test1 or dev")
        return self


class Vqav2Spec(DatasetSpec):
    """VQA v2: questions about COCO's pictures, ten answers each: 443,757 of train2014, 214,354 of val2014.

    `train` and `val` are of train2014, `test` is val2014, whose answers are public.
    """

    type: Literal["vqav2"] = "vqav2"
    root: LocalPath
    """The folder that holds `v2_*.json`, `train2014/` and `val2014/`."""
    val_pictures: Annotated[int, Field(ge=0)] = 1000
    """So many pictures of train2014, by hash, become `val` with all their questions. 0: no `val`."""
    vocabulary_of: Literal["train", "train+val"] = "train"
    """Whose commonest answers are the classes: those of train2014, or of val2014 as well, as published lists count."""
    vocabulary_least: Annotated[int, Field(ge=1)] = 9
    """An answer is a class where it is the commonest one of so many questions (9 over both: 3,129 classes)."""
    vocabulary_file: LocalPath | None = None
    """A JSON list of answers that are the classes, in this order, instead."""
    train_scores: Literal["official", "thirds"] = "official"
    """What the answers of training questions are worth: as they are scored (.3, .6, .9, 1 for one, two, three and more
    people), or people / 3. Other splits are scored officially."""


class ClipsSpec(DatasetSpec):
    """What data sets of clips share that are seen by some of their frames."""

    root: LocalPath
    """The folder of the data set."""
    frames: Annotated[int, Field(ge=1, le=4096)] = 12
    """Frames of each clip, from the middles of as many equal parts; each is a pass."""
    captions: Annotated[int, Field(ge=1)] | None = None
    """So many captions of each training clip, the first ones. Default: all, an item each."""
    answers: Annotated[int, Field(ge=1), ActsWith(protocol="qa")] = 1500
    """With protocol `qa`: so many of the commonest answers of train are the classes."""


class MsrvttSpec(ClipsSpec):
    """MSR-VTT: 10,000 clips with 20 captions each, for retrieval, or with questions (MSRVTT-QA).

    Needs the extra `graftwork[video]`.
    """

    type: Literal["msrvtt"] = "msrvtt"
    protocol: Literal["1k-A", "full", "qa"] = "1k-A"
    """Retrieval on the 1,000 pairs of JSFusion's list (`1k-A`), or on the official split (`full`); or MSRVTT-QA."""
    train: Annotated[Literal["9k", "7k"], ActsWith(protocol="1k-A")] = "9k"
    """With 1k-A: all clips but the tested ones, or the official train and validation clips."""
    val_clips: Annotated[int, Field(ge=0), ActsWith(protocol="1k-A")] = 500
    """With 1k-A, which has no `val`: so many clips of train become it, by hash. 0: no `val`."""


class MsvdSpec(ClipsSpec):
    """MSVD: 1,970 clips with about 40 captions each, for retrieval, or with questions (MSVD-QA).

    Needs the extra `graftwork[video]`.
    """

    type: Literal["msvd"] = "msvd"
    protocol: Literal["retrieval", "qa"] = "retrieval"
    """Retrieval on the published lists (1,200 / 100 / 670 clips), or MSVD-QA on its own cut."""


class AveSpec(DatasetSpec):
    """AVE: which event is seen and heard in each of ten seconds? 3,339 / 402 / 402 clips, 28 events and background.

    Needs the extra `graftwork[video]`.
    """

    gives: ClassVar[tuple[str, ...]] = ("image", "audio")

    type: Literal["ave"] = "ave"
    root: LocalPath
    """The folder `AVE_Dataset`, or the one that holds it."""


class MusicAvqaSpec(DatasetSpec):
    """MUSIC-AVQA: questions about what is seen and heard in clips of music, 42 answers.

    Needs the extra `graftwork[video]`.
    """

    gives: ClassVar[tuple[str, ...]] = ("image", "audio")

    type: Literal["music_avqa"] = "music_avqa"
    root: LocalPath
    """The folder that holds `data/json_update/` or `data/json/`, and the clips."""
    version: Literal["json_update", "json"] = "json_update"
    """Which of the two published versions of the questions; figures of the two are not comparable."""
    clips: Literal["all", "real", "synthetic"] = "all"
    """Questions about which clips: real ones have ids of eight digits."""
    frames: Annotated[int, Field(ge=1, le=4096)] = 10
    """Frames of each clip, from the middles of as many equal parts, each with the sound around it; each is a pass."""
    window: Annotated[float, Field(gt=0, le=60)] = 1.0
    """Seconds of sound around a frame."""


class AvsbenchSpec(DatasetSpec):
    """AVSBench-object: masks of what sounds, in five frames of a clip: `s4` one source, `ms3` several.

    For the task `segmentation`. Needs the extra `graftwork[video]`.
    """

    gives: ClassVar[tuple[str, ...]] = ("image", "audio")

    type: Literal["avsbench"] = "avsbench"
    root: LocalPath
    """The folder that holds `Single-source/` and `Multi-sources/`, or one of the two."""
    subset: Literal["s4", "ms3"]
    """Single source (4,932 clips, in training the first frame alone has a mask) or multiple sources (424)."""
