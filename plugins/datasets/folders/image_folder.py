"""Pictures from a folder, labelled by class folders or by ``metadata.jsonl``."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ....core.data.items import DataError, DatasetContent, Item, Media
from ....core.data.pictures import SUFFIXES
from ....core.roles import Dataset
from ....core.spec.json_source import parse_json
from ....core.storage.files import read_regular, sha256_of
from ....core.storage.text_files import lines_of
from ....registry.errors import SpecError
from ..coop_split import read_coop_split
from ..labelled_files import items_of
from ..media_in_files import file_pictures
from ..missing_splits import how_cut, require_classes_everywhere, with_missing_splits
from ..split_names import USUAL_NAMES, split_of
from .class_folders import ClassFolders
from .class_names import beside, require_known, require_several, shown_names
from .specs import ImageFolderSpec

METADATA = "metadata.jsonl"


@dataclass(frozen=True, slots=True)
class _Found:
    """What the folder, or the split file, says."""

    #: Split to items; what is in none is in ``train``.
    given: Mapping[str, list[Item]]
    class_names: tuple[str, ...]
    #: All that the files name, excluded ones too.
    known: Collection[str]
    #: In words, where they come from.
    source: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Row:
    """One picture as found: where, which class, which split (``None``: not said), which words."""

    path: Path
    label: str
    split: str | None
    text: str | None


class ImageFolder(Dataset):
    """Layouts: class folders, split folders of class folders, ``metadata.jsonl`` (as Hugging Face's imagefolder), and
    any tree of pictures with a split file as CoOp's."""

    def __init__(self, spec: ImageFolderSpec) -> None:
        self.spec, self.root = spec, Path(spec.root)

    def load(self) -> DatasetContent:
        """Ids are paths relative to the root. Raises ``DataError`` naming folder, file or class."""
        if not self.root.is_dir():
            raise DataError(f"dataset.root: {self.root} is no folder")
        found = self._from_split_file() if self.spec.split_file else self._from_folders()
        fractions = {"val": self.spec.val_fraction, "test": self.spec.test_fraction}
        shown = shown_names(found.class_names, self.spec.class_names, found.known, self.root)
        with beside(found.notes):
            splits = with_missing_splits(found.given, fractions, str(self.root), self.to_score)
            require_classes_everywhere(
                splits,
                found.class_names,
                str(self.root),
                excludes=not self.spec.split_file,
                to_score=self.to_score,
            )
        return DatasetContent(
            {name: tuple(split) for name, split in splits.items() if split},
            shown,
            f"{found.source}, {how_cut(found.given, fractions)}",
            found.notes,
        )

    def _from_split_file(self) -> _Found:
        path = Path(str(self.spec.split_file))
        listed = read_coop_split(path)
        splits = items_of(listed, self.root, self.files, self.spec.background)
        source = f"image_folder, split file {path.name} (sha256 {sha256_of(path)[:12]})"
        return _Found(splits, listed.class_names, listed.class_names, source)

    def _from_folders(self) -> _Found:
        tree = ClassFolders(self.root, self.spec.exclude, SUFFIXES, "pictures", METADATA)
        rows = list(_rows(tree))
        if not rows:
            kinds = ", ".join(sorted(SUFFIXES))
            raise DataError(
                f"dataset.root: {self.root} holds no pictures ({kinds}) in class folders, and no {METADATA}"
            )
        labels = {row.label for row in rows} | tree.excluded
        require_known("exclude", self.spec.exclude, labels, self.root)
        rows = [row for row in rows if row.label not in self.spec.exclude]
        names = tuple(sorted({row.label for row in rows}))
        if not any(part.listed for part in tree.parts):
            require_several(names, "pictures", self.root, self.to_score)
        index = {name: number for number, name in enumerate(names)}
        given: dict[str, list[Item]] = {"train": [], "val": [], "test": []}
        pictures = file_pictures([row.path for row in rows], self.root, self.files, self.spec.background)
        for row, picture in zip(rows, pictures, strict=True):
            given[row.split or "train"].append(self._item(row, picture, index[row.label]))
        left_out = f" without {', '.join(sorted(self.spec.exclude))}" if self.spec.exclude else ""
        return _Found(given, names, labels, f"image_folder{left_out}", tuple(tree.notes))

    def _item(self, row: _Row, picture: Media, target: int) -> Item:
        modalities = {"image": picture}
        if row.text is not None:
            modalities["text"] = Media.of_text(row.text, f"text of {row.path}")
        return Item(row.path.relative_to(self.root).as_posix(), modalities, target)


def _rows(tree: ClassFolders) -> Iterator[_Row]:
    for part in tree.parts:
        if part.listed:
            yield from _metadata_rows(part.folder.path, part.split)
        else:
            yield from (_Row(path, label, part.split, None) for path, label in tree.files(part))


def _metadata_rows(folder: Path, split: str | None) -> Iterator[_Row]:
    metadata = folder / METADATA
    try:
        lines = lines_of(read_regular(metadata))
    except ValueError as error:
        raise DataError(f"{metadata}: {error}") from None
    except OSError as error:
        raise DataError(f"{metadata}: cannot be read: {error.strerror or error}") from None
    seen: dict[Path, int] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            row = _metadata_row(folder, f"{metadata}:{number}", line, split)
            if (first := seen.setdefault(row.path.resolve(), number)) != number:
                raise DataError(f"{metadata}:{number}: {row.path} stands in line {first} already")
            yield row


def _metadata_row(folder: Path, place: str, line: str, split: str | None) -> _Row:
    try:
        row = parse_json(line, place).value
    except SpecError as error:
        raise DataError(f"{place}: not JSON: {error.problems[0].reason}") from None
    if not isinstance(row, dict) or not isinstance(row.get("file_name"), str) or not isinstance(row.get("label"), str):
        raise DataError(
            f'{place}: needs strings "file_name" and "label", for example {{"file_name": "a.png", "label": "cat"}}'
        )
    path = folder / row["file_name"].replace("\0", "\N{REPLACEMENT CHARACTER}")
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise DataError(f"{place}: {row['file_name']} lies outside {folder}")
    if not path.is_file():
        raise DataError(f"{place}: {path} does not exist")
    said, text = split if row.get("split") is None else row["split"], row.get("text")
    meant = split_of(said) if isinstance(said, str) else None
    if said is not None and meant is None:
        raise DataError(f"{place}: split {said!r} is none of {USUAL_NAMES}")
    if text is not None and not isinstance(text, str):
        raise DataError(f'{place}: "text" must be a string, not {text!r}')
    return _Row(path, row["label"], meant, text)
