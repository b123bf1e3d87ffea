"""MUSIC-AVQA: questions about what is seen and heard in clips of music."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....core.data.items import DataError, DatasetContent, Item, Media
from ....core.roles import Dataset
from ....registry.errors import counted
from ..json_lines.json_object import json_value
from .clips import Clips, clips_of
from .release import Release, field, is_there, other_size, read_json, require_in_every_split, require_plain
from .specs import MusicAvqaSpec

ABOUT = Release(
    "MUSIC-AVQA",
    (
        "questions data/json_update/avqa-{train,val,test}.json (or data/json/): github.com/GeWu-Lab/MUSIC-AVQA",
        "clips data/video/ID.mp4, or MUSIC-AVQA-videos-Real/ and MUSIC-AVQA-videos-Synthetic/: the drive links on its",
        "project page (CC BY-NC 4.0)",
    ),
)
PUBLISHED = {
    "json": {"train": 32087, "val": 4595, "test": 9185},
    "json_update": {"train": 31927, "val": 4568, "test": 9129},
}
_FOLDERS = ("data/video", "video", "MUSIC-AVQA-videos-Real", "MUSIC-AVQA-videos-Synthetic")
#: As published, and not those of a split: no test question is answered by `ten`.
_ANSWERS = """
accordion acoustic_guitar bagpipe banjo bassoon cello clarinet congas drum electric_bass erhu flute guzheng piano pipa
saxophone suona trumpet tuba ukulele violin xylophone
zero one two three four five six seven eight nine ten more-than-ten
left right middle indoor outdoor simultaneously
yes no
"""
ANSWERS = tuple(one.replace("-", " ") for one in _ANSWERS.split())
_PLACE = re.compile(r"<[A-Za-z]+>")
_REAL = re.compile(r"[0-9]{8}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its template filled."""

    id: str
    clip: str
    text: str
    answer: str
    scenario: str
    kind: str


class MusicAvqa(Dataset):
    """Ids are question ids. Source: Li et al., "Learning to Answer Questions in Dynamic Audio-Visual Scenarios", CVPR
    2022."""

    def __init__(self, spec: MusicAvqaSpec) -> None:
        self.spec, self.root = spec, Path(spec.root)

    def load(self) -> DatasetContent:
        """Raises ``DataError``: file and row."""
        spec = self.spec
        files = {split: self._file(split) for split in PUBLISHED[spec.version]}
        notes: tuple[str, ...] = ()
        asked: dict[str, list[Asked]] = {}
        for split, path in files.items():
            read = _apart([row for row in _read(path) if self._wanted(row.clip)], path, spec.version, split)
            asked[split], note = read
            notes += note
        if spec.clips == "all":
            notes += other_size(_sizes(asked), PUBLISHED[spec.version], "questions")
        named = list(dict.fromkeys(one.clip for some in asked.values() for one in some))
        require_plain(named, self.root)
        place = {name: self._place(name) for name in named}
        clips = clips_of(place.values(), files["train"].parent, spec, ABOUT, self.root, self.files)
        there = {split: [place[one.clip] in clips for one in some] for split, some in asked.items()}
        require_in_every_split(there, "clips", ABOUT)
        shown = {name: self._passes(clips, where) for name, where in place.items()}
        splits = {split: tuple(_item(one, shown[one.clip]) for one in some) for split, some in asked.items()}
        seen = f"{spec.frames} frames evenly, {spec.window:g} s of sound each"
        said = f"music_avqa, {spec.version}, {spec.clips} clips; {seen}"
        return DatasetContent(splits, ANSWERS, said, notes + clips.notes)

    def _file(self, split: str) -> Path:
        name = f"{self.spec.version}/avqa-{split}.json"
        return ABOUT.file(self.root, f"data/{name}", name)

    def _wanted(self, clip: str) -> bool:
        return self.spec.clips == "all" or (_REAL.fullmatch(clip) is not None) == (self.spec.clips == "real")

    def _place(self, clip: str) -> Path:
        paths = [self.root / folder / f"{clip}.mp4" for folder in _FOLDERS]
        return next((path for path in paths if is_there(path)), paths[0])

    def _passes(self, clips: Clips, path: Path) -> tuple[Mapping[str, Media], ...]:
        half = self.spec.window / 2
        starts = ((moment, max(0.0, moment - half)) for moment in clips.moments(path, self.spec.frames))
        return tuple(
            {"image": clips.frame(path, moment), "audio": clips.sound(path, start, start + self.spec.window)}
            for moment, start in starts
        )


def _read(path: Path) -> list[Asked]:
    rows = read_json(path, 'list [{"video_id": "00000093", "question_content": "...", "anser": "yes", ...}]')
    if not isinstance(rows, list):
        raise DataError(f"{path}: expected a list of questions")
    return [_asked(f"{path}: [{number}]", row) for number, row in enumerate(rows)]


def _asked(place: str, row: Any) -> Asked:
    answer = field(place, row, "anser", str)  # so it is spelt
    if answer not in ANSWERS:
        raise DataError(f"{place}: answer {answer!r:.80} is none of the {len(ANSWERS)} published ones")
    kinds = _strings(place, row, "type")
    if len(kinds) != 2:
        raise DataError(f'{place}: `type` is {row["type"]!r:.80}, and has the form ["Audio", "Counting"]')
    text = filled(place, field(place, row, "question_content", str), _strings(place, row, "templ_values"))
    id_, clip = str(field(place, row, "question_id", int)), field(place, row, "video_id", str)
    return Asked(id_, clip, text, answer, kinds[0], " ".join(kinds))


def filled(place: str, template: str, values: Sequence[str]) -> str:
    """The template with its places filled from the left, without blanks around it, and with a plain question mark.

    Raises ``DataError`` where there are not as many values as places.
    """
    places = _PLACE.findall(template)
    if len(places) != len(values):
        raise DataError(f"{place}: {len(values)} `templ_values` for {len(places)} places of {template!r:.120}")
    of = iter(values)
    return _PLACE.sub(lambda _: next(of), template).replace("\N{FULLWIDTH QUESTION MARK}", "?").strip()


def _strings(place: str, row: Any, name: str) -> list[str]:
    """A JSON list of strings that stands inside a string."""
    value = json_value(f"{place}: `{name}`", field(place, row, name, str))
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise DataError(f"{place}: `{name}` must hold a list of strings, not {value!r:.80}")
    return value


def _apart(asked: list[Asked], path: Path, version: str, split: str) -> tuple[list[Asked], tuple[str, ...]]:
    """Ids that stand twice get a number, and a note; raises ``DataError`` for them in the version that has none."""
    seen: Counter[str] = Counter()
    found = []
    for one in asked:
        seen[one.id] += 1
        again = f"{one.id}#{seen[one.id]}" if seen[one.id] > 1 else one.id
        found.append(Asked(again, one.clip, one.text, one.answer, one.scenario, one.kind))
    twice = [id_ for id_, count in seen.items() if count > 1]
    if twice and version == "json_update":
        raise DataError(f"{path} has {counted(len(twice), 'ids')} more than once, {twice[0]} first; fetch it again")
    if not twice:
        return found, ()
    said = f"{counted(len(twice), 'question ids')} of {split} more than once in {path.name}, with answers of their own"
    return found, (f"{said}: all are kept, as published codes do",)


def _item(one: Asked, passes: tuple[Mapping[str, Media], ...]) -> Item:
    text = Media.of_text(one.text, f"question {one.id}")
    groups = {"type": one.kind, "scenario": one.scenario, "clip": one.clip}
    return Item(one.id, {"text": text}, ANSWERS.index(one.answer), passes, groups)


def _sizes(asked: Mapping[str, Sequence[Asked]]) -> dict[str, int]:
    return {split: len(some) for split, some in asked.items()}
