"""MSR-VTT: clips with captions, and MSRVTT-QA."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ....core.data.items import DataError, DatasetContent
from ....core.roles import Dataset
from .captioned_clips import Said, Texts, a_caption, captions, content_of_clips, held_out_clips, questions
from .release import Release, csv_rows, field, is_there, read_json, read_lines, require_once, require_plain
from .specs import MsrvttSpec

ABOUT = Release(
    "MSR-VTT",
    (
        "captions MSRVTT_data.json (or train_val_videodatainfo.json with test_videodatainfo.json), or the mirror's",
        "annotation/MSR_VTT.json; clips video0.mp4 ... in videos/all/, videos/ or MSRVTT_Videos/: by the page of the",
        "challenge (research use), or the archive MSRVTT.zip that public retrieval codes name",
        "for 1k-A: MSRVTT_JSFUSION_test.csv, from those codes; for qa: {train,val,test}_qa.json of MSRVTT-QA",
    ),
)
#: Annotation and lists stand in the root or in one of these.
_FOLDERS = ("annotation", "msrvtt_data", "MSRVTT", "high-quality/structured-symlinks")
_CLIPS = ("videos/all", "videos", "MSRVTT_Videos", "msrvtt_data/MSRVTT_Videos", "TrainValVideo", "TestVideo")
_SPLITS = {"train": "train", "validate": "val", "validation": "val", "val": "val", "test": "test"}
#: The first clip of the official validation and test splits, where the annotation names none.
_FIRST_VAL, _FIRST_TEST = 6513, 7010
_DIGITS = 10
_PUBLISHED = {
    "full": {"train": 6513, "val": 497, "test": 2990},
    "9k": {"train": 9000, "test": 1000},
    "7k": {"train": 7010, "test": 1000},
    "qa": {"train": 158581, "val": 12278, "test": 72821},
}


class Msrvtt(Dataset):
    """Ids are ``CLIP/CAPTION``, or those of the questions. Source: Xu et al., "MSR-VTT", CVPR 2016; MSRVTT-QA: Xu et
    al., "Video Question Answering via Gradually Refined Attention", ACM MM 2017."""

    def __init__(self, spec: MsrvttSpec) -> None:
        self.spec, self.root = spec, Path(spec.root)

    def load(self) -> DatasetContent:
        """Raises ``DataError``."""
        texts = self._questions() if self.spec.protocol == "qa" else self._captions()
        named = {one.clip for said in texts.splits.values() for one in said}
        require_plain(named, texts.source)
        folders = [self.root / name for name in _CLIPS if (self.root / name).is_dir()] or [self.root / _CLIPS[0]]
        paths = {name: _place(folders, f"{name}.mp4") for name in named}
        return content_of_clips(texts, paths, self.spec, ABOUT, self.root, self.files)

    def _file(self, *names: str) -> Path:
        return ABOUT.file(
            self.root, *(place for name in names for place in (name, *(f"{one}/{name}" for one in _FOLDERS)))
        )

    def _questions(self) -> Texts:
        files = {split: self._file(f"{split}_qa.json") for split in ("train", "val", "test")}
        said = {split: questions(path, "video") for split, path in files.items()}
        return Texts(said, files["train"].parent, "msrvtt, MSRVTT-QA (full split)", _PUBLISHED["qa"])

    def _captions(self) -> Texts:
        path = self._file("MSRVTT_data.json", "MSR_VTT.json", "train_val_videodatainfo.json")
        of, split_of = _read(path)
        if path.name == "train_val_videodatainfo.json":
            more, more_splits = _read(self._file("test_videodatainfo.json"))
            of, split_of = {**of, **more}, {**split_of, **more_splits}
        most = self.spec.captions
        if self.spec.protocol == "full":
            clips = {name: [clip for clip in of if split_of[clip] == name] for name in ("train", "val", "test")}
            said = {name: captions(of, some, most if name == "train" else None) for name, some in clips.items()}
            return Texts(said, path, "msrvtt, full (official split)", _PUBLISHED["full"])
        return self._one_caption_a_test(of, split_of, path)

    def _one_caption_a_test(self, of: Mapping[str, Sequence[str]], split_of: Mapping[str, str], path: Path) -> Texts:
        spec, listed = self.spec, self._file("MSRVTT_JSFUSION_test.csv")
        test = _test_rows(listed)
        tested = {one.clip for one in test}
        train = [clip for clip in of if clip not in tested and (spec.train == "9k" or split_of[clip] != "test")]
        if len(train) <= spec.val_clips:
            raise DataError(f"dataset.val_clips: train has {len(train)} clips; take fewer for val")
        val = held_out_clips(train, spec.val_clips)
        kept = [clip for clip in train if clip not in val]
        said = {"train": captions(of, kept, spec.captions), "test": test}
        published = dict(_PUBLISHED[spec.train])
        if val:
            said |= {"val": captions(of, [clip for clip in train if clip in val])}
            published = {"train": published["train"] - spec.val_clips, "test": 1000, "val": spec.val_clips}
        cut = f"val {spec.val_clips} clips of train by hash" if val else "no val"
        return Texts(said, path, f"msrvtt, 1k-A (JSFusion, {listed.name}), train {spec.train}, {cut}", published)


def _place(folders: Sequence[Path], name: str) -> Path:
    return next((folder / name for folder in folders if is_there(folder / name)), folders[0] / name)


def _read(path: Path) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Clip to its captions, and to its official split, of either JSON form."""
    value = read_json(path, 'object {"videos": [...], "sentences": [...]} or {"images": [...], "annotations": [...]}')
    official = isinstance(value, dict) and "sentences" in value
    key, name = ("sentences", "video_id") if official else ("annotations", "image_id")
    of: dict[str, list[str]] = defaultdict(list)
    for number, row in enumerate(field(str(path), value, key, list)):
        place = f"{path}: {key}[{number}]"
        of[field(place, row, name, str)].append(a_caption(place, field(place, row, "caption", str)))
    split_of = _official_splits(path, value["videos"]) if official and "videos" in value else {}
    by_number = {clip: split_of.get(clip) or _split_by_number(path, clip) for clip in of}
    return dict(of), by_number


def _official_splits(path: Path, videos: Any) -> dict[str, str]:
    rows = videos if isinstance(videos, list) else []
    clips = [field(f"{path}: videos[{number}]", row, "video_id", str) for number, row in enumerate(rows)]
    require_once(clips, path)
    named = {clip: str(row.get("split")) for clip, row in zip(clips, rows, strict=True)}
    if unknown := [f"{clip}: {split}" for clip, split in named.items() if split not in _SPLITS]:
        raise DataError(f"{path}: a split is train, validate or test, and is otherwise of {unknown[0]:.80}")
    return {clip: _SPLITS[split] for clip, split in named.items()}


def _split_by_number(path: Path, clip: str) -> str:
    digits = clip.removeprefix("video")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < _DIGITS):
        raise DataError(f"{path}: clip {clip!r:.80} is not called video and a number, which says its split")
    return "train" if int(digits) < _FIRST_VAL else "val" if int(digits) < _FIRST_TEST else "test"


def _test_rows(path: Path) -> list[Said]:
    """``key,vid_key,video_id,sentence``; one public copy has semicolons."""
    lines = read_lines(path)
    delimiter = ";" if lines and lines[0].count(";") > lines[0].count(",") else ","
    rows = [row for _, row in csv_rows(path, lines, delimiter)]
    if not rows or any(not row.get("video_id") or not row.get("sentence") for row in rows):
        raise DataError(f"{path}: expected the columns key,vid_key,video_id,sentence in every row")
    return [Said(f"{row['video_id']}/test", row["video_id"], row["sentence"]) for row in rows]
