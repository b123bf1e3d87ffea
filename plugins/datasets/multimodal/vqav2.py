"""VQA v2: questions about pictures, with the answers of ten people."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ....core.data.items import DataError, DatasetContent, Item, Media, some_of
from ....core.roles import Dataset
from ....core.storage.files import sha256_of
from ....registry.errors import counted
from ..media_in_files import file_pictures
from .release import Release, field, media_in_files, other_size, read_json, require_once
from .specs import Vqav2Spec
from .vqa_text import answer_score, cleaned, normalised, official_counts, vocabulary_form

ABOUT = Release(
    "VQA v2",
    (
        "v2_OpenEnded_mscoco_{train2014,val2014}_questions.json and v2_mscoco_{train2014,val2014}_annotations.json:",
        "visualqa.org/download.html (those of 26 April 2017 or later), by its terms of use",
        "pictures train2014/ and val2014/: cocodataset.org/#download (19 GB), by the terms of COCO and of Flickr",
    ),
)
SIZES = {"train2014": 443757, "val2014": 214354}
#: Training scores by people, where they are not the official ones.
_THIRDS = 3


@dataclass(frozen=True, slots=True)
class Question:
    """A question joined with its annotation."""

    id: str
    picture: int
    text: str
    answers: tuple[str, ...]
    #: ``multiple_choice_answer``.
    commonest: str
    groups: Mapping[str, str]


class Vqav2(Dataset):
    """Ids are question ids. Source: Goyal et al., "Making the V in VQA Matter", CVPR 2017."""

    def __init__(self, spec: Vqav2Spec) -> None:
        self.spec, self.root = spec, Path(spec.root)

    def load(self) -> DatasetContent:
        """Raises ``DataError``: file and place, and what is missing."""
        spec = self.spec
        read = {half: self._questions(half) for half in SIZES}
        notes = other_size({half: len(of) for half, of in read.items()}, SIZES, "questions")
        names = self._vocabulary(read)
        splits = _with_val(read, spec.val_pictures)
        halves = {"train": "train2014", "val": "train2014", "test": "val2014"}
        folders = {half: ABOUT.folder(self.root, half, f"images/{half}") for half in SIZES}
        named = {(halves[name], one.picture) for name, questions in splits.items() for one in questions}
        of = {(half, image): folders[half] / f"COCO_{half}_{image:012d}.jpg" for half, image in sorted(named)}
        shown = media_in_files(
            list(of.values()),
            "pictures",
            f"{self.root}",
            spec,
            ABOUT,
            lambda some: file_pictures(some, self.root, self.files, spec.background),
        )
        index, items = Vocabulary(names), {}
        for name, questions in splits.items():
            items[name] = tuple(
                self._item(name, one, shown.of[of[halves[name], one.picture]], index) for one in questions
            )
            lost = sum(not one.target for one in items[name])
            if lost:
                so = "they are not trained on" if name == "train" else "they score 0"
                notes += (f"{lost:,} of {len(questions):,} questions of {name} have no answer in the vocabulary; {so}",)
        return DatasetContent(items, names, self._split_id(len(names)), notes + shown.notes)

    def _item(self, split: str, one: Question, picture: Media, index: Vocabulary) -> Item:
        thirds = split == "train" and self.spec.train_scores == "thirds"
        scores = index.scores(one.answers, thirds)
        text = Media.of_text(one.text, f"question {one.id}")
        target = (scores or None) if split == "train" else scores
        return Item(one.id, {"image": picture, "text": text}, target, groups=one.groups)

    def _questions(self, half: str) -> list[Question]:
        names = (f"v2_OpenEnded_mscoco_{half}_questions.json", f"v2_mscoco_{half}_annotations.json")
        files = [ABOUT.file(self.root, name, *(f"{folder}/{name}" for folder in _FOLDERS)) for name in names]
        asked, answered = _rows(files[0], "questions"), _rows(files[1], "annotations")
        require_once((str(row["question_id"]) for row in asked.values()), files[0])
        if lost := [str(id_) for id_ in asked.keys() ^ answered.keys()]:
            raise DataError(
                f"{counted(len(lost), 'question ids', 'stand')} in one alone of {files[0]} and {files[1]}; take the "
                f"two that belong together:{some_of(sorted(lost))}"
            )
        return [_joined(f"{files[1]}: question {id_}", asked[id_], answered[id_]) for id_ in asked]

    def _vocabulary(self, read: Mapping[str, Sequence[Question]]) -> tuple[str, ...]:
        if self.spec.vocabulary_file is not None:
            return _listed(Path(self.spec.vocabulary_file))
        halves = read if self.spec.vocabulary_of == "train+val" else ("train2014",)
        counts = Counter(vocabulary_form(one.commonest) for half in halves for one in read[half])
        names = sorted(name for name, count in counts.items() if name and count >= self.spec.vocabulary_least)
        if not names:
            raise DataError(
                f"dataset.vocabulary_least: no answer is the commonest of {self.spec.vocabulary_least} questions"
            )
        return tuple(names)

    def _split_id(self, classes: int) -> str:
        spec = self.spec
        val = f"val {spec.val_pictures} pictures of train2014 by hash" if spec.val_pictures else "no val"
        if spec.vocabulary_file is not None:
            of = f"{Path(spec.vocabulary_file).name} (sha256 {sha256_of(Path(spec.vocabulary_file))[:12]})"
        else:
            of = f"{spec.vocabulary_of}, {spec.vocabulary_least} times"
        return f"vqav2, train2014, {val}, test val2014; official score over {classes:,} answers of {of}"


class Vocabulary:
    """The classes, as the official evaluation would compare each of them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._raw: dict[str, list[int]] = defaultdict(list)
        self._normal: dict[str, list[int]] = defaultdict(list)
        for index, name in enumerate(names):
            self._raw[cleaned(name)].append(index)
            self._normal[normalised(cleaned(name))].append(index)

    def scores(self, answers: Sequence[str], thirds: bool = False) -> dict[int, float]:
        """Class to its score, of those that score at all."""
        counts, as_they_are = official_counts(answers)
        index = self._raw if as_they_are else self._normal
        people = len(answers)
        return {
            one: min(count / _THIRDS, 1.0) if thirds else answer_score(count, people)
            for answer, count in counts.items()
            for one in index.get(answer, ())
        }


#: Where people keep the annotation files, beside the root itself.
_FOLDERS = ("annotations", "questions", "Annotations", "Questions")


def _rows(path: Path, key: str) -> dict[int, Any]:
    """Question id to its row."""
    value = read_json(path, f'object {{"{key}": [...]}}')
    rows = field(str(path), value, key, list)
    found = {field(f"{path}: {key}[{number}]", row, "question_id", int): row for number, row in enumerate(rows)}
    if len(found) < len(rows):
        require_once((str(row["question_id"]) for row in rows), path)
    return found


def _joined(place: str, asked: Any, answered: Any) -> Question:
    if field(place, asked, "image_id", int) != field(place, answered, "image_id", int):
        raise DataError(f"{place} is of another picture than in the file of questions; take those that belong together")
    answers = tuple(field(place, one, "answer", str) for one in field(place, answered, "answers", list))
    if not answers:
        raise DataError(f"{place} has no answers; fetch the file again")
    groups = _groups(str(answered.get("question_type", "")), str(answered.get("answer_type", "")))
    text, commonest = field(place, asked, "question", str), field(place, answered, "multiple_choice_answer", str)
    return Question(str(asked["question_id"]), asked["image_id"], text, answers, commonest, groups)


@cache
def _groups(question_type: str, answer_type: str) -> Mapping[str, str]:
    """One object for all questions of a type."""
    return {"question_type": question_type, "answer_type": answer_type}


def _with_val(read: Mapping[str, Sequence[Question]], pictures: int) -> dict[str, list[Question]]:
    """Some pictures of train with all their questions: the same on every machine."""
    train, test = read["train2014"], list(read["val2014"])
    if not pictures:
        return {"train": list(train), "test": test}
    of = sorted({one.picture for one in train}, key=lambda one: hashlib.sha256(str(one).encode()).digest())
    if len(of) <= pictures:
        raise DataError(f"dataset.val_pictures: train2014 has {len(of)} pictures; take fewer for val")
    val = set(of[:pictures])

    def part(chosen: bool) -> Iterator[Question]:
        return (one for one in train if (one.picture in val) == chosen)

    return {"train": list(part(False)), "val": list(part(True)), "test": test}


def _listed(path: Path) -> tuple[str, ...]:
    value = read_json(path, 'list ["yes", "no", ...]')
    if not isinstance(value, list) or not value or not all(isinstance(one, str) and one for one in value):
        raise DataError(f'{path}: expected a list of answers, ["yes", "no", ...]')
    require_once(value, path)
    return tuple(value)
