"""Pictures from a folder, labelled by class folders or by ``metadata.jsonl``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ....core.data.items import DataError, DatasetContent, Item, Media
from ....core.data.pictures import SUFFIXES
from ....core.roles import Dataset
from ....core.spec.json_source import parse_json
from ....core.storage.files import sha256_of
from ....registry.errors import SpecError
from ..coop_split import read_coop_split
from ..labelled_files import file_pictures, items_of
from ..missing_splits import how_cut, require_classes_everywhere, with_missing_splits
from ..specs import ImageFolderSpec
from .class_folders import SPLIT_FOLDERS, class_files, parts_of
from .class_names import require_known, shown_names

METADATA = "metadata.jsonl"
#: Given splits, class names, all that the files name (excluded ones too), and in words where they come from.
Found = tuple[Mapping[str, list[Item]], tuple[str, ...], Collection[str], str]


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
        given, names, known, source = self._from_split_file() if self.spec.split_file else self._from_folders()
        fractions = {"val": self.spec.val_fraction, "test": self.spec.test_fraction}
        shown = shown_names(names, self.spec.class_names, known, self.root)
        splits = with_missing_splits(given, fractions, str(self.root))
        require_classes_everywhere(splits, names, str(self.root))
        return DatasetContent(
            {name: tuple(split) for name, split in splits.items() if split},
            shown,
            f"{source}, {how_cut(given, fractions)}",
        )

    def _from_split_file(self) -> Found:
        path = Path(str(self.spec.split_file))
        listed = read_coop_split(path)
        splits = items_of(listed, self.root, self.files)
        return (
            splits,
            listed.class_names,
            listed.class_names,
            f"image_folder, split file {path.name} (sha256 {sha256_of(path)[:12]})",
        )

    def _from_folders(self) -> Found:
        """The given splits; what is in none is in ``train``."""
        rows = list(self._rows())
        if not rows:
            kinds = ", ".join(sorted(SUFFIXES))
            raise DataError(
                f"dataset.root: {self.root} holds no pictures ({kinds}) in class folders, and no {METADATA}"
            )
        labels = {row.label for row in rows}
        require_known("exclude", self.spec.exclude, labels, self.root)
        rows = [row for row in rows if row.label not in self.spec.exclude]
        names = tuple(sorted({row.label for row in rows}))
        index = {name: number for number, name in enumerate(names)}
        given: dict[str, list[Item]] = {"train": [], "val": [], "test": []}
        for row, picture in zip(rows, file_pictures([row.path for row in rows], self.root, self.files), strict=True):
            given[row.split or "train"].append(self._item(row, picture, index[row.label]))
        left_out = f" without {', '.join(sorted(self.spec.exclude))}" if self.spec.exclude else ""
        return given, names, labels, f"image_folder{left_out}"

    def _rows(self) -> Iterator[_Row]:
        if (self.root / METADATA).is_file():
            yield from _metadata_rows(self.root, None)
            return
        for folder, split in parts_of(self.root):
            listed = split is not None and (folder / METADATA).is_file()
            yield from _metadata_rows(folder, split) if listed else _class_rows(folder, split)

    def _item(self, row: _Row, picture: Media, target: int) -> Item:
        modalities = {"image": picture}
        if row.text is not None:
            modalities["text"] = Media.of_text(row.text, f"text of {row.path}")
        return Item(row.path.relative_to(self.root).as_posix(), modalities, target)


def _class_rows(folder: Path, split: str | None) -> Iterator[_Row]:
    return (_Row(path, label, split, None) for path, label in class_files(folder, SUFFIXES, "pictures"))


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
