"""MSVD: clips with captions, and MSVD-QA."""

from __future__ import annotations

import re
from pathlib import Path

from ....core.data.items import DataError, DatasetContent, some_of
from ....core.roles import Dataset
from ....registry.errors import counted
from .captioned_clips import Texts, a_caption, captions, content_of_clips, questions
from .release import Release, read_json, read_lines, require_once, require_plain
from .specs import MsvdSpec

ABOUT = Release(
    "MSVD",
    (
        "clips YouTubeClips/*.avi: YouTubeClips.tar, linked from UT Austin's page (research use)",
        "captions_msvd.json ({clip: [captions]}) and {train,val,test}_list.txt: public retrieval codes have both;",
        "raw-captions.pkl is a pickle and is not read",
        "for qa: {train,val,test}_qa.json of MSVD-QA and youtube_mapping.txt (clip name, vid and a number)",
    ),
)
_NUMBER = re.compile(r"[0-9]{1,9}")
_PUBLISHED = {
    "retrieval": {"train": 1200, "val": 100, "test": 670},
    "qa": {"train": 30933, "val": 6415, "test": 13157},
}


class Msvd(Dataset):
    """Ids are ``CLIP/CAPTION``, or those of the questions. Source: Chen and Dolan, "Collecting Highly Parallel Data for
    Paraphrase Evaluation", ACL 2011; MSVD-QA: Xu et al., ACM MM 2017."""

    def __init__(self, spec: MsvdSpec) -> None:
        self.spec, self.root = spec, Path(spec.root)

    def load(self) -> DatasetContent:
        """Raises ``DataError``."""
        texts = self._questions() if self.spec.protocol == "qa" else self._captions()
        named = {one.clip for said in texts.splits.values() for one in said}
        require_plain(named, texts.source)
        folder = ABOUT.folder(self.root, "YouTubeClips", "videos")
        paths = {name: folder / f"{name}.avi" for name in named}
        return content_of_clips(texts, paths, self.spec, ABOUT, self.root, self.files)

    def _captions(self) -> Texts:
        path = ABOUT.file(self.root, "captions_msvd.json", "annotation/captions_msvd.json")
        value = read_json(path, 'object {"clip": ["a caption", ...], ...}')
        if not isinstance(value, dict) or not all(
            isinstance(some, list) and some and all(isinstance(one, str) for one in some) for some in value.values()
        ):
            raise DataError(f'{path}: expected {{"clip": ["a caption", ...], ...}}, with a caption of each clip')
        for name, some in value.items():
            for number, text in enumerate(some):
                a_caption(f"{path}: {name}[{number}]", text)
        clips = {split: self._listed(split) for split in ("train", "val", "test")}
        every = [name for some in clips.values() for name in some]
        require_once(every, f"{self.root}: the lists")
        if unsaid := [name for name in every if name not in value]:
            raise DataError(f"{path} has no caption of {counted(len(unsaid), 'clips')} of the lists:{some_of(unsaid)}")
        most = self.spec.captions
        said = {split: captions(value, some, most if split == "train" else None) for split, some in clips.items()}
        return Texts(said, path, "msvd, retrieval (published lists)", _PUBLISHED["retrieval"])

    def _listed(self, split: str) -> list[str]:
        path = ABOUT.file(self.root, f"{split}_list.txt", f"annotation/{split}_list.txt")
        return [line.strip() for line in read_lines(path) if line.strip()]

    def _questions(self) -> Texts:
        mapping = ABOUT.file(self.root, "youtube_mapping.txt", "annotation/youtube_mapping.txt")
        names: dict[int, str] = {}
        for number, line in enumerate(read_lines(mapping), start=1):
            name, _, key = line.strip().rpartition(" ")
            if not name or not key.startswith("vid") or not _NUMBER.fullmatch(key.removeprefix("vid")):
                raise DataError(
                    f"{mapping}:{number}: expected a line like `mv89psg6zh4_33_46 vid1`, found {line!r:.80}"
                )
            if names.setdefault(int(key.removeprefix("vid")), name) != name:
                raise DataError(f"{mapping}:{number}: {key} is another clip before; fetch the file again")
        files = {split: ABOUT.file(self.root, f"{split}_qa.json") for split in ("train", "val", "test")}
        said = {split: questions(path, "", names) for split, path in files.items()}
        return Texts(said, files["train"].parent, "msvd, MSVD-QA", _PUBLISHED["qa"])
