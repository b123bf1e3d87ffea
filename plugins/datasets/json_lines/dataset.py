"""Items of any task, declared a line each."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from ....core.data.items import DataError, DatasetContent, Item, Media, Target, some_of
from ....core.roles import Dataset
from ....core.storage.files import sha256_of
from ..media_in_files import file_pictures, file_sounds
from ..specs import JsonLinesSpec
from .line import FILES, Line, View, read_lines
from .line_forms import require_ids_once, require_one_form
from .line_targets import targets_of

SPLITS = ("train", "val", "test")
#: Modality and path to media.
Found = Mapping[tuple[str, str], Media]


class JsonLines(Dataset):
    """One file a split. What its lines have says what is learnt: ``label`` a class (or one a pass), ``answers`` soft
    scores, neither of the two which image belongs to which text."""

    def __init__(self, spec: JsonLinesSpec) -> None:
        self.spec, self.root = spec, Path(spec.root)

    def load(self) -> DatasetContent:
        """Ids are ``SPLIT/ID``; pictures and sounds are hashed, not opened. Raises ``DataError``: file and line."""
        files = self._files()
        lines = {split: list(read_lines(file)) for split, file in files.items()}
        for split, some in lines.items():
            if not some:
                raise DataError(f"{files[split]} holds no items; write a line for each")
            require_ids_once(some)
        every = list(chain.from_iterable(lines.values()))
        require_one_form(every)
        targets, media = targets_of(lines, self.spec), self._media(every)
        hashes = ", ".join(f"{split} {file.name} (sha256 {sha256_of(file)[:12]})" for split, file in files.items())
        splits = {
            split: tuple(_item(split, line, targets.of[line.place], media) for line in some)
            for split, some in lines.items()
        }
        return DatasetContent(splits, targets.class_names, f"json_lines, {hashes}", targets.notes)

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
        """Every file once, known by its bytes, a picture also by how it is seen."""
        first: dict[tuple[str, str], str] = {}
        for line in lines:
            for key in _file_keys(line):
                first.setdefault(key, line.place)
        paths = {key: self.root / key[1] for key in first}
        if missing := [f"{first[key]}: {key[1]}" for key, path in paths.items() if not os.path.isfile(path)]:
            raise DataError(
                f"{len(missing)} of {len(paths)} files are not in {self.root}; put them there, or set dataset.root to "
                f"the folder that paths count from:{some_of(missing)}"
            )
        pictures, sounds = ({key: path for key, path in paths.items() if key[0] == kind} for kind in FILES)
        seen = file_pictures(list(pictures.values()), self.root, self.files, self.spec.background)
        heard = file_sounds(list(sounds.values()), self.root, self.files)
        return dict(zip(pictures, seen, strict=True)) | dict(zip(sounds, heard, strict=True))


def _file_keys(line: Line) -> Iterator[tuple[str, str]]:
    for view in (line.shared, *line.passes):
        for kind in FILES:
            if kind in view:
                yield kind, view[kind]


def _item(split: str, line: Line, target: Target | None, media: Found) -> Item:
    def shown(view: View) -> dict[str, Media]:
        return {
            kind: media[kind, value] if kind in FILES else Media.of_text(value, f"text of {line.place}")
            for kind, value in view.items()
        }

    return Item(f"{split}/{line.id}", shown(line.shared), target, tuple(shown(own) for own in line.passes))
