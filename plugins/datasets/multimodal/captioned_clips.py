"""Items of clips with captions, and of clips with questions, whatever data set they are of."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....core.data.file_memo import FileMemo
from ....core.data.items import DataError, DatasetContent, Item, Media, Target
from .clips import clips_of
from .release import Release, field, other_size, read_json, require_in_every_split, require_once
from .specs import ClipsSpec


@dataclass(frozen=True, slots=True)
class Said:
    """A text of a clip: a caption, or a question with its answer."""

    id: str
    clip: str
    text: str
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Texts:
    """All texts of a data set under one protocol."""

    splits: Mapping[str, Sequence[Said]]
    #: Who says so, for messages.
    source: Path
    #: Names the protocol.
    split_id: str
    #: Clips (of captions) or questions a split, when it is whole.
    published: Mapping[str, int]


def content_of_clips(
    texts: Texts, files_of_clips: Mapping[str, Path], spec: ClipsSpec, release: Release, root: Path, files: FileMemo
) -> DatasetContent:
    """A text an item, with the frames of its clip as passes; ``files_of_clips`` has a path for every clip.

    Raises ``DataError`` for ids that stand twice, and clips that are not there.
    """
    for split, said in texts.splits.items():
        require_once((one.id for one in said), f"{texts.source}, split {split}")
    named = [one.clip for said in texts.splits.values() for one in said]
    clips = clips_of((files_of_clips[name] for name in named), texts.source, spec, release, root, files)
    there = {name: (files_of_clips[one.clip] in clips for one in said) for name, said in texts.splits.items()}
    require_in_every_split(there, "clips", release)
    shown = {name: clips.frames(files_of_clips[name], spec.frames) for name in dict.fromkeys(named)}
    asked = any(one.answer is not None for said in texts.splits.values() for one in said)
    names = _commonest(texts.splits["train"], spec.answers) if asked else ()
    targets = {name: index for index, name in enumerate(names)} if asked else {n: i for i, n in enumerate(shown)}

    def item(split: str, one: Said) -> Item:
        text = Media.of_text(one.text, f"text {one.id}")
        target: Target | None = targets.get(one.clip)
        if one.answer is not None:
            known = {targets[one.answer]: 1.0} if one.answer in targets else {}
            target = (known or None) if split == "train" else known
        return Item(one.id, {"text": text}, target, shown[one.clip], {"clip": one.clip})

    splits = {name: tuple(item(name, one) for one in said) for name, said in texts.splits.items()}
    notes = [*other_size(_sizes(texts, asked), texts.published, "questions" if asked else "clips"), *clips.notes]
    for name, items in splits.items():
        if asked and (lost := sum(not one.target for one in items)):
            so = "they are not trained on" if name == "train" else "they score 0"
            notes.append(f"{lost:,} of {len(items):,} answers of {name} are not among the {len(names)} classes; {so}")
    seen = f"; {spec.frames} frames evenly" + (f", {len(names):,} answers" if asked else "")
    return DatasetContent(splits, names, texts.split_id + seen, tuple(notes))


def a_caption(place: str, text: str) -> str:
    """The text itself. Raises ``DataError`` for one without letters, which says nothing of a clip."""
    if not text.strip():
        raise DataError(f"{place}: a caption is empty; take it out")
    return text


def captions(of: Mapping[str, Sequence[str]], names: Sequence[str], most: int | None = None) -> list[Said]:
    """The first ``most`` captions of those clips, one an item: ``CLIP/NUMBER``."""
    return [Said(f"{name}/{number}", name, text) for name in names for number, text in enumerate(of[name][:most])]


def questions(path: Path, prefix: str, names: Mapping[int, str] | None = None) -> list[Said]:
    """Of a file of MSRVTT-QA or MSVD-QA; a clip is ``names[video_id]``, or the number after ``prefix``."""
    rows = read_json(path, 'list [{"id": 1, "video_id": 7010, "question": "...", "answer": "..."}]')
    if not isinstance(rows, list) or not rows:
        raise DataError(f"{path}: expected a list of questions")
    return [_question(f"{path}: [{number}]", row, prefix, names) for number, row in enumerate(rows)]


def _question(place: str, row: Any, prefix: str, names: Mapping[int, str] | None) -> Said:
    number = field(place, row, "video_id", int)
    if names is not None and number not in names:
        raise DataError(f"{place}: no clip is called vid{number}; take the mapping that belongs to the questions")
    clip = names[number] if names is not None else f"{prefix}{number}"
    text, answer = field(place, row, "question", str), field(place, row, "answer", str)
    return Said(str(field(place, row, "id", int)), clip, text, answer)


def held_out_clips(names: Sequence[str], count: int) -> set[str]:
    """So many of them, by sha256 of the name."""
    return set(sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:count])


def _commonest(said: Sequence[Said], most: int) -> tuple[str, ...]:
    counts = Counter(one.answer for one in said if one.answer is not None)
    return tuple(sorted(sorted(counts, key=lambda answer: (-counts[answer], answer))[:most]))


def _sizes(texts: Texts, asked: bool) -> dict[str, int]:
    return {name: len(said) if asked else len({one.clip for one in said}) for name, said in texts.splits.items()}
