"""Items of any task, declared a line each."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from ....core.data.items import DataError, DatasetContent, Item, Media, Target, some_of
from ....core.data.media_files import absent_media
from ....core.data.video import Clip, clip_media, frame_media, require_video, sound_media
from ....core.roles import Dataset
from ....core.storage.files import sha256_of
from ..media_in_files import file_clips, file_pictures, file_sounds, of_no_length, seconds_of_clips
from ..missing_splits import how_cut, require_classes_everywhere, with_missing_splits
from .line import Line, read_lines
from .line_forms import require_ids_once, require_one_form
from .line_targets import targets_of
from .line_view import Shown, View
from .specs import JsonLinesSpec

SPLITS = ("train", "val", "test")
#: Modality and what is shown of a file to media.
Found = Mapping[tuple[str, Shown], Media]


class JsonLines(Dataset):
    """One file a split. What its lines have says what is learnt: ``label`` a class (or one a pass), ``answers`` soft
    scores, neither of the two which image belongs to which text."""

    def __init__(self, spec: JsonLinesSpec) -> None:
        self.spec, self.root = spec, Path(spec.root)

    def load(self) -> DatasetContent:
        """Ids are ``SPLIT/ID``; pictures and sounds are hashed, not opened. Raises ``DataError``: file and line."""
        files = self._files()
        columns = {str(ours): name for ours, name in self.spec.columns.items()}
        lines = {split: list(read_lines(file, columns)) for split, file in files.items()}
        for split, some in lines.items():
            if not some:
                raise DataError(f"{files[split]} holds no items; write a line for each")
            require_ids_once(some)
        lines = _as_said(lines)
        every = list(chain.from_iterable(lines.values()))
        require_one_form(every)
        targets, media = targets_of(lines, self.spec), self._media(every)
        hashes = ", ".join(f"{split} {file.name} (sha256 {sha256_of(file)[:12]})" for split, file in files.items())
        splits = {
            split: tuple(_item(split, line, targets.of[line.place], media) for line in some)
            for split, some in lines.items()
        }
        splits, cut = self._cut(splits, targets.class_names)
        return DatasetContent(splits, targets.class_names, f"json_lines, {hashes}{cut}", targets.notes)

    def _cut(
        self, splits: Mapping[str, tuple[Item, ...]], names: Sequence[str]
    ) -> tuple[dict[str, tuple[Item, ...]], str]:
        """With the splits that ``val_fraction`` and ``test_fraction`` ask for; and how, in words."""
        fractions = {"val": self.spec.val_fraction, "test": self.spec.test_fraction}
        fractions = {split: share for split, share in fractions.items() if share > 0 and not splits.get(split)}
        if not fractions:
            return dict(splits), ""
        if not all(item.target is None or isinstance(item.target, int) for item in splits["train"]):
            raise DataError(
                "dataset.val_fraction and dataset.test_fraction cut class by class, and these items have no single "
                "class; give a file a split, under dataset.splits"
            )
        made = with_missing_splits(splits, fractions, str(self.root), self.to_score)
        require_classes_everywhere(made, names, str(self.root), to_score=self.to_score)
        return {split: tuple(items) for split, items in made.items() if items}, f", {how_cut(splits, fractions)}"

    def _files(self) -> dict[str, Path]:
        if not self.root.is_dir():
            raise DataError(f"dataset.root: {self.root} is no folder")
        if self.spec.splits is not None:
            return {split: self.root / name for split, name in self.spec.splits.items()}
        files = {split: self.root / f"{split}.jsonl" for split in SPLITS}
        files = {split: file for split, file in files.items() if file.is_file()}
        if "train" not in files:
            raise DataError(f"dataset.root: {self.root} holds no train.jsonl; name the files with dataset.splits")
        return files

    def _media(self, lines: Iterable[Line]) -> Found:
        """Every file once, known by its bytes, a picture also by how it is seen; and each part that is shown of it."""
        first: dict[tuple[str, Shown], str] = {}
        for line in lines:
            for key in _files_of(line):
                first.setdefault(key, line.place)
        named: dict[tuple[str, str], str] = {}
        for (kind, shown), place in first.items():
            named.setdefault((kind, shown.path), place)
        there = self._there(named)
        opened = {kind: [key for key in first if _opener(*key) == kind] for kind in ("picture", "sound", "clip")}
        if opened["clip"]:
            require_video()
        paths = {
            kind: [path for path in dict.fromkeys(shown.path for _, shown in keys) if path in there]
            for kind, keys in opened.items()
        }
        files = {kind: [self.root / path for path in some] for kind, some in paths.items()}
        seen = dict(zip(paths["picture"], self._pictures(files["picture"]), strict=True))
        heard = dict(zip(paths["sound"], file_sounds(files["sound"], self.root, self.files), strict=True))
        clips = dict(zip(paths["clip"], file_clips(files["clip"], self.root, self.files), strict=True))
        parted = dict.fromkeys(self.root / one.path for _, one in first if one.part is not None and one.path in there)
        lengths = seconds_of_clips(list(parted), self.root, self.files) if parted else {}

        def media(kind: str, shown: Shown) -> Media:
            if shown.path not in there:
                return absent_media(self.root / shown.path)
            if (opener := _opener(kind, shown)) != "clip":
                return (seen if opener == "picture" else heard)[shown.path]
            seconds = lengths.get(self.root / shown.path)
            if shown.part is not None and not seconds:
                return of_no_length(self.root / shown.path)
            return self._part(kind, clips[shown.path], _timed(kind, shown, seconds))

        return {key: media(*key) for key in first}

    def _pictures(self, paths: Sequence[Path]) -> Sequence[Media]:
        return file_pictures(paths, self.root, self.files, self.spec.background)

    def _part(self, kind: str, clip: Clip, shown: Shown) -> Media:
        start = shown.start or 0.0
        if kind == "image":
            return frame_media(clip, start, self.spec.beyond)
        if kind == "audio":
            return sound_media(clip, start, shown.end, self.spec.beyond, self.spec.absent)
        sampling = self.spec.sampling()
        return clip_media(clip, sampling.frames, sampling.every, start, shown.end)

    def _there(self, first: Mapping[tuple[str, str], str]) -> set[str]:
        """The paths that are files. Raises ``DataError`` naming the others, unless unreadable items are left out."""
        missing = [key for key in first if not os.path.isfile(self.root / key[1])]
        if missing and self.spec.on_error == "fail":
            raise DataError(
                f"{len(missing)} of {len(first)} files are not in {self.root}; put them there, or set dataset.root to "
                f"the folder that paths count from:{some_of([f'{first[key]}: {key[1]}' for key in missing])}"
            )
        return {path for _, path in first} - {path for _, path in missing}


def _as_said(lines: Mapping[str, list[Line]]) -> dict[str, list[Line]]:
    """Where the lines of one file say their splits, by these. Raises ``DataError`` where some do not."""
    every = list(chain.from_iterable(lines.values()))
    if not any(line.split for line in every):
        return dict(lines)
    if silent := next((line for line in every if line.split is None), None):
        raise DataError(f"{silent.place}: says no split, and others do; say it of each")
    if len(lines) > 1:
        raise DataError(f"{every[0].place}: says its split, and dataset.splits names a file for each; leave out one")
    said = {split: [line for line in every if line.split == split] for split in SPLITS}
    if not said["train"]:
        raise DataError(f"{every[0].place.rpartition(':')[0]}: no line says split train")
    return {split: some for split, some in said.items() if some}


def _files_of(line: Line) -> Iterator[tuple[str, Shown]]:
    for view in (line.shared, *line.passes):
        for kind, value in view.items():
            if isinstance(value, Shown):
                yield kind, value


def _timed(kind: str, shown: Shown, seconds: float | None) -> Shown:
    """With the times of the part that it is of a file so long; of a picture that of the part's middle."""
    if shown.part is None or seconds is None:
        return shown
    number, count = shown.part
    start, end = ((number + one) * seconds / count for one in (0, 1))
    return Shown(shown.path, (start + end) / 2) if kind == "image" else Shown(shown.path, start, end)


def _opener(kind: str, shown: Shown) -> str:
    """What opens it: parts of sounds by time are read as those of clips are."""
    if kind == "video" or shown.is_clip or shown.start is not None or shown.part is not None:
        return "clip"
    return "picture" if kind == "image" else "sound"


def _item(split: str, line: Line, target: Target | None, media: Found) -> Item:
    def shown(view: View) -> dict[str, Media]:
        return {
            kind: media[kind, value] if isinstance(value, Shown) else Media.of_text(value, f"text of {line.place}")
            for kind, value in view.items()
        }

    return Item(f"{split}/{line.id}", shown(line.shared), target, tuple(shown(own) for own in line.passes))
