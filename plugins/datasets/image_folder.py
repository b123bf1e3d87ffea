"""Pictures from a folder, labelled by class folders or by ``metadata.jsonl``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...core.dataset import DataError, Dataset, DatasetContent, Item, Media
from ...core.json_source import parse_json
from ...core.pictures import SUFFIXES, file_media
from ...registry.errors import SpecError
from . import ImageFolderSpec
from .stratified import stratified_split

METADATA = "metadata.jsonl"
#: Folder names that mean a split, as they are found in the wild.
SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True, slots=True)
class _Row:
    """One picture as found: where, which class, which split (``None``: not said), which words."""

    path: Path
    label: str
    split: str | None
    text: str | None


class ImageFolder(Dataset):
    """Layouts: class folders, split folders of class folders, ``metadata.jsonl`` (as Hugging Face's imagefolder)."""

    def __init__(self, spec: ImageFolderSpec) -> None:
        self.spec, self.root = spec, Path(spec.root)

    def load(self) -> DatasetContent:
        """Ids are paths relative to the root. Raises ``DataError`` naming folder, file or class."""
        if not self.root.is_dir():
            raise DataError(f"dataset.root: {self.root} is no folder")
        rows = list(self._rows())
        if not rows:
            kinds = ", ".join(sorted(SUFFIXES))
            raise DataError(
                f"dataset.root: {self.root} holds no pictures ({kinds}) in class folders, and no {METADATA}"
            )
        names = tuple(sorted({row.label for row in rows}))
        index = {name: number for number, name in enumerate(names)}
        items = [(row, self._item(row, index[row.label])) for row in rows]
        splits = self._splits(items)
        _require_classes_everywhere(splits, names, self.root)
        cut = {"val": self.spec.val_fraction, "test": self.spec.test_fraction}
        split_id = "image_folder, " + ", ".join(
            f"{name} {'as given' if any(row.split == name for row in rows) else f'{share:.0%} a class by content hash'}"
            for name, share in cut.items()
        )
        return DatasetContent({name: tuple(split) for name, split in splits.items() if split}, names, split_id)

    def _rows(self) -> Iterator[_Row]:
        if (self.root / METADATA).is_file():
            yield from _metadata_rows(self.root, None)
            return
        folders = _subfolders(self.root)
        others = [folder.name for folder in folders if folder.name not in SPLIT_FOLDERS]
        if {"train", "test"} <= {folder.name for folder in folders} and others:
            raise DataError(
                f"dataset.root: {self.root} has split folders beside {', '.join(others[:10])}; either all its folders "
                f"are splits ({', '.join(SPLIT_FOLDERS)}) or all are classes"
            )
        if folders and not others:
            for folder in folders:
                split = SPLIT_FOLDERS[folder.name]
                yield from (
                    _metadata_rows(folder, split) if (folder / METADATA).is_file() else _class_rows(folder, split)
                )
        else:
            yield from _class_rows(self.root, None)

    def _item(self, row: _Row, target: int) -> Item:
        modalities = {"image": file_media(row.path)}
        if row.text is not None:
            modalities["text"] = Media.of_text(row.text, f"text of {row.path}")
        return Item(row.path.relative_to(self.root).as_posix(), modalities, target)

    def _splits(self, items: list[tuple[_Row, Item]]) -> dict[str, list[Item]]:
        """The given splits; those that are missing are cut off ``train``."""
        given: dict[str, list[Item]] = {"train": [], "val": [], "test": []}
        for row, item in items:
            given.setdefault(row.split or "train", []).append(item)
        fractions = {"val": self.spec.val_fraction, "test": self.spec.test_fraction}
        missing = {name: share for name, share in fractions.items() if not given[name] and share > 0}
        if not missing:
            return given
        _require_two(given["train"], self.root)
        order = {item.id: item.modalities["image"].digest + item.id for item in given["train"]}
        return given | stratified_split(given["train"], order, {**missing, "train": 1.0})


def _subfolders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))


def _class_rows(folder: Path, split: str | None) -> Iterator[_Row]:
    for class_folder in _subfolders(folder):
        pictures = sorted(
            path for path in class_folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()
        )
        if not pictures:
            raise DataError(f"class folder {class_folder} holds no pictures; fill it or remove it")
        for path in pictures:
            yield _Row(path, class_folder.name, split, None)


def _metadata_rows(folder: Path, split: str | None) -> Iterator[_Row]:
    metadata = folder / METADATA
    try:
        lines = metadata.read_bytes().decode("utf-8-sig").split("\n")  # not splitlines: JSON may hold U+2028 as it is
    except UnicodeDecodeError as error:
        raise DataError(f"{metadata}: not UTF-8: byte {error.start}") from None
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
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"{place}: {row['file_name']} lies outside {folder}")
    if not path.is_file():
        raise DataError(f"{place}: {path} does not exist")
    said, text = split if row.get("split") is None else row["split"], row.get("text")
    if said is not None and not (isinstance(said, str) and said in SPLIT_FOLDERS):
        raise DataError(f"{place}: split {said!r} is none of {', '.join(SPLIT_FOLDERS)}")
    if text is not None and not isinstance(text, str):
        raise DataError(f'{place}: "text" must be a string, not {text!r}')
    return _Row(path, row["label"], SPLIT_FOLDERS[said] if said else None, text)


def _require_two(items: list[Item], root: Path) -> None:
    counts = Counter(item.id.split("/")[0] if item.target is None else item.target for item in items)
    for item in items:
        if counts[item.target if item.target is not None else ""] == 1:
            raise DataError(
                f"{root / item.id} is the only picture of its class, so the class cannot be divided into splits; "
                "add pictures, or give train, val and test folders"
            )


def _require_classes_everywhere(splits: dict[str, list[Item]], names: tuple[str, ...], root: Path) -> None:
    """A class that training never sees, or that no score covers, is a mistake in the data."""
    present = {split: {item.target for item in items} for split, items in splits.items() if items}
    for index, name in enumerate(names):
        lacking = [split for split, targets in present.items() if index not in targets]
        if lacking:
            having = [split for split, targets in present.items() if index in targets]
            raise DataError(
                f"class `{name}` is in {' and '.join(having)} but not in {' and '.join(lacking)} of {root}; "
                "every class needs pictures in every split"
            )
