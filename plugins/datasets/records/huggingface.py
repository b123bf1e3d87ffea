"""Data sets of the ``datasets`` library, from the Hub or from disk, memory-mapped or streamed.

Code of a data set is never run: the library has had no loading scripts since version 4, and a spec cannot ask for any.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import datasets

from ....core.data.items import DataError, DatasetContent, Media, some_of
from ....core.data.media_files import read_file
from ....core.data.pictures import picture_media
from ....core.events import StageAdvanced, StageStarted
from ....core.roles import Dataset
from ....core.storage.root import store_root
from ....registry.errors import nearest
from ..media_in_files import file_pictures
from ..split_names import split_of
from .arrow_pictures import picture_rows
from .class_labels import ClassLabels
from .items import Record, as_label, as_text, content_of, given_names
from .kept_pictures import KeptPictures
from .open_dataset import in_words, open_dataset
from .specs import HuggingFaceSpec

STREAMED = 10_000
#: The usual names of our splits; where none of them is there, one that means the same (``Testing``).
USUAL = {"train": ("train",), "val": ("validation", "val", "valid", "dev"), "test": ("test",)}


class HuggingFace(Dataset):
    """Ids are ``SPLIT/ROW``, rows counted from 0."""

    def __init__(self, spec: HuggingFaceSpec) -> None:
        self.spec, self.path = spec, Path(os.path.expanduser(spec.path))
        self.cap = spec.max_items or (STREAMED if spec.streaming else None)
        self._unused: list[str] = []

    def load(self) -> DatasetContent:
        """Hashes the encoded pictures; none is decoded, and never more than a batch of them is in memory."""
        names = given_names(self.spec)
        tables = self._chosen(open_dataset(self.spec, self.may_download))
        for table in tables.values():
            self._require_columns(table)
        labels = ClassLabels(tables, self.spec.label, names, self.spec.path)
        read = self._streamed if self.spec.streaming else self._mapped
        splits = {split: list(read(split, table, labels)) for split, table in tables.items()}
        return content_of(splits, labels.names, self.spec, self._where(), self._notes(splits), to_score=self.to_score)

    def _chosen(self, tables: Mapping[str, Any]) -> dict[str, Any]:
        """Our splits to its tables. Raises ``DataError`` for names that it does not have."""
        wanted: dict[str, str] = {str(ours): name for ours, name in (self.spec.splits or {}).items()}
        wanted = wanted or {ours: self._usual(ours, tables) for ours in USUAL}
        self._unused = [name for name in tables if name not in wanted.values()]
        for ours, name in wanted.items():
            if name not in tables and (self.spec.splits or ours == "train"):
                near = nearest(name, tables)
                hint = f"did you mean `{near}`?" if near else f"it has {', '.join(tables)}"
                raise DataError(f"dataset.splits.{ours}: {self.spec.path} has no split `{name or ours}`; {hint}")
        if "train" not in wanted:
            raise DataError("dataset.splits: `train` is missing; the others may be cut off it")
        return {ours: tables[name] for ours, name in wanted.items() if name in tables}

    def _usual(self, ours: str, tables: Mapping[str, Any]) -> str:
        """Its split that is called as ours usually are; ``""`` without one. Raises ``DataError`` for several."""
        if known := next((name for name in USUAL[ours] if name in tables), None):
            return known
        meant = [name for name in tables if split_of(name) == ours]
        if len(meant) > 1:
            raise DataError(
                f"dataset.splits: {self.spec.path}: {' and '.join(meant)} both mean {ours}; name one of them: "
                f'"splits": {{"{ours}": "{meant[0]}", ...}}'
            )
        return meant[0] if meant else ""

    def _require_columns(self, table: Any) -> None:
        with in_words(self.path):
            columns = table.column_names or list(next(iter(table), {}))  # some streams know only by their first row
        asked = {"image": self.spec.image, "label": self.spec.label, "text": self.spec.text}
        for field, column in asked.items():
            if column is not None and column not in columns:
                near = nearest(column, columns)
                hint = f"did you mean `{near}`?" if near else f"it has {', '.join(columns)}"
                raise DataError(f"dataset.{field}: {self.spec.path} has no column `{column}`; {hint}")

    def _mapped(self, split: str, table: Any, classes: ClassLabels) -> Iterator[Record]:
        """Rows of a table on disk; each picture is read from there again when it is needed."""
        rows = picture_rows(table, self.spec.image, self.files)[: self.cap]
        empty = [f"row {row}" for row, (found, path) in enumerate(rows) if not found and not path]
        if empty:
            raise DataError(f"{self.spec.path}: {len(empty)} rows of `{split}` have no picture:{some_of(empty)}")
        on_disk = [Path(path) for found, path in rows if not found]
        files = iter(file_pictures(on_disk, self.path.absolute(), self.files, self.spec.background))
        raw = table.cast_column(self.spec.image, datasets.Image(decode=False))
        labels, texts = list(table[self.spec.label]), list(table[self.spec.text]) if self.spec.text else None
        for row, (found, _) in enumerate(rows):
            source = f"{self.spec.path}, {split}, row {row}"
            read = partial(_row_bytes, raw, row, self.spec.image, source)
            picture = picture_media(found, source, read, self.spec.background) if found else next(files)
            yield self._record(split, row, picture, classes, labels[row], texts[row] if texts else None)

    def _streamed(self, split: str, table: Any, classes: ClassLabels) -> Iterator[Record]:
        """The first rows of a stream; each picture is kept in the store, once."""
        kept = KeptPictures(store_root(self.files.store))
        stage = f"stream {split}"
        self.files.tell(StageStarted(stage, self.cap or 0))
        raw = table.cast_column(self.spec.image, datasets.Image(decode=False))
        with in_words(self.path):
            for number, row in enumerate(itertools.islice(raw, self.cap)):
                source = f"{self.spec.path}, {split}, row {number}"
                picture = kept.keep(_encoded(row[self.spec.image], source), source, self.spec.background)
                text = row[self.spec.text] if self.spec.text else None
                yield self._record(split, number, picture, classes, row[self.spec.label], text)
                self.files.tell(StageAdvanced(stage, number + 1))

    def _record(self, split: str, row: int, picture: Media, classes: ClassLabels, label: Any, text: Any) -> Record:
        place = f"{self.spec.path}, row {row} of {split}"
        found = classes.of(split, as_label(label, f"{place}, column `{self.spec.label}`"))
        return Record(f"{row:07d}", picture, found, as_text(text, f"{place}, column `{self.spec.text}`"))

    def _where(self) -> str:
        name = self.path.name if self.path.exists() else self.spec.path
        more = [self.spec.config, self.spec.revision and f"revision {self.spec.revision}"]
        cap = self.cap and f"first {self.cap:,} rows of each split"
        return ", ".join(part for part in (name, *more, cap) if part)

    def _notes(self, splits: Mapping[str, list[Record]]) -> list[str]:
        cut = [split for split, records in splits.items() if len(records) == self.cap]
        notes = [f"{self.spec.path}: no more than {self.cap:,} rows of {', '.join(cut)} are used"] if cut else []
        if self._unused:
            notes.append(f"{self.spec.path}: its splits {', '.join(self._unused)} are not used")
        if not self.spec.revision and not self.path.exists():
            notes.append(f"{self.spec.path}: no revision is named, so the Hub may give other data tomorrow")
        return notes


def _row_bytes(table: Any, row: int, column: str, source: str) -> bytes:
    return _encoded(table[row][column], source)


def _encoded(value: Mapping[str, Any] | None, source: str) -> bytes:
    """The bytes of a picture as the library gives it undecoded."""
    if value and value.get("bytes"):
        return bytes(value["bytes"])
    if value and value.get("path") and Path(value["path"]).is_file():
        return read_file(Path(value["path"]))
    raise DataError(f"{source}: no picture: {value!r:.100}")
