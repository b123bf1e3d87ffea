"""Data sets of the ``datasets`` library, from the Hub or from disk, memory-mapped or streamed.

Code of a data set is never run: the library has had no loading scripts since version 4, and a spec cannot ask for any.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import datasets

from ....core.data.items import DataError, DatasetContent, Media, some_of
from ....core.data.pictures import decode
from ....core.events import StageAdvanced, StageStarted
from ....core.roles import Dataset
from ....core.storage.root import store_root
from ....registry.errors import nearest
from ..labelled_files import file_pictures
from ..specs import HuggingFaceSpec
from .arrow_pictures import picture_rows
from .items import Record, content_of, given_names
from .kept_pictures import keep
from .open_dataset import in_words, open_dataset

STREAMED = 10_000
#: The usual names of our splits.
USUAL = {"train": ("train",), "val": ("validation", "val", "valid", "dev"), "test": ("test",)}


class HuggingFace(Dataset):
    """Ids are ``SPLIT/ROW``, rows counted from 0."""

    def __init__(self, spec: HuggingFaceSpec) -> None:
        self.spec, self.path = spec, Path(spec.path).expanduser()
        self.cap = spec.max_items or (STREAMED if spec.streaming else None)

    def load(self) -> DatasetContent:
        """Hashes the encoded pictures; none is decoded, and never more than a batch of them is in memory."""
        names = given_names(self.spec)
        tables = self._chosen(open_dataset(self.spec, self.may_download))
        for table in tables.values():
            self._require_columns(table)
        names = names or _names_of(tables["train"], self.spec.label)
        read = self._streamed if self.spec.streaming else self._mapped
        splits = {split: list(read(split, table)) for split, table in tables.items()}
        return content_of(splits, names, self.spec, self._where(), self._notes(splits))

    def _chosen(self, tables: Mapping[str, Any]) -> dict[str, Any]:
        """Our splits to its tables. Raises ``DataError`` for names that it does not have."""
        wanted: dict[str, str] = {str(ours): name for ours, name in (self.spec.splits or {}).items()} or {
            ours: next((name for name in usual if name in tables), "") for ours, usual in USUAL.items()
        }
        for ours, name in wanted.items():
            if name not in tables and (self.spec.splits or ours == "train"):
                near = nearest(name, tables)
                hint = f"did you mean `{near}`?" if near else f"it has {', '.join(tables)}"
                raise DataError(f"dataset.splits.{ours}: {self.spec.path} has no split `{name or ours}`; {hint}")
        if "train" not in wanted:
            raise DataError("dataset.splits: `train` is missing; the others may be cut off it")
        return {ours: tables[name] for ours, name in wanted.items() if name in tables}

    def _require_columns(self, table: Any) -> None:
        with in_words(self.path):
            columns = table.column_names or list(next(iter(table), {}))  # some streams know only by their first row
        asked = {"image": self.spec.image, "label": self.spec.label, "text": self.spec.text}
        for field, column in asked.items():
            if column is not None and column not in columns:
                near = nearest(column, columns)
                hint = f"did you mean `{near}`?" if near else f"it has {', '.join(columns)}"
                raise DataError(f"dataset.{field}: {self.spec.path} has no column `{column}`; {hint}")

    def _mapped(self, split: str, table: Any) -> Iterator[Record]:
        """Rows of a table on disk; each picture is read from there again when it is needed."""
        rows = picture_rows(table, self.spec.image, self.files)[: self.cap]
        empty = [f"row {row}" for row, (digest, path) in enumerate(rows) if not digest and not path]
        if empty:
            raise DataError(f"{self.spec.path}: {len(empty)} rows of `{split}` have no picture:{some_of(empty)}")
        on_disk = [Path(path) for digest, path in rows if not digest]
        files = iter(file_pictures(on_disk, self.path.absolute(), self.files))
        raw = table.cast_column(self.spec.image, datasets.Image(decode=False))
        labels, texts = list(table[self.spec.label]), list(table[self.spec.text]) if self.spec.text else None
        for row, (digest, _) in enumerate(rows):
            source = f"{self.spec.path}, {split}, row {row}"
            read = partial(_row_picture, raw, row, self.spec.image, source)
            picture = Media(digest, source, read) if digest else next(files)
            yield Record(f"{row:07d}", picture, labels[row], texts[row] if texts else None)

    def _streamed(self, split: str, table: Any) -> Iterator[Record]:
        """The first rows of a stream; each picture is kept in the store, once."""
        store = store_root(self.files.store)
        stage = f"stream {split}"
        self.files.tell(StageStarted(stage, self.cap or 0))
        raw = table.cast_column(self.spec.image, datasets.Image(decode=False))
        with in_words(self.path):
            for number, row in enumerate(itertools.islice(raw, self.cap)):
                source = f"{self.spec.path}, {split}, row {number}"
                picture = keep(store, _encoded(row[self.spec.image], source), source)
                text = row[self.spec.text] if self.spec.text else None
                yield Record(f"{number:07d}", picture, row[self.spec.label], text)
                self.files.tell(StageAdvanced(stage, number + 1))

    def _where(self) -> str:
        name = self.path.name if self.path.exists() else self.spec.path
        more = [self.spec.config, self.spec.revision and f"revision {self.spec.revision}"]
        cap = self.cap and f"first {self.cap:,} rows of each split"
        return ", ".join(part for part in (name, *more, cap) if part)

    def _notes(self, splits: Mapping[str, list[Record]]) -> list[str]:
        cut = [split for split, records in splits.items() if len(records) == self.cap]
        notes = [f"{self.spec.path}: no more than {self.cap:,} rows of {', '.join(cut)} are used"] if cut else []
        if not self.spec.revision and not self.path.exists():
            notes.append(f"{self.spec.path}: no revision is named, so the Hub may give other data tomorrow")
        return notes


def _names_of(table: Any, column: str) -> tuple[str, ...] | None:
    feature = (table.features or {}).get(column)
    return tuple(feature.names) if isinstance(feature, datasets.ClassLabel) else None


def _row_picture(table: Any, row: int, column: str, source: str) -> Any:
    return decode(_encoded(table[row][column], source), source)


def _encoded(value: Mapping[str, Any] | None, source: str) -> bytes:
    """The bytes of a picture as the library gives it undecoded."""
    if value and value.get("bytes"):
        return bytes(value["bytes"])
    if value and value.get("path") and Path(value["path"]).is_file():
        return Path(value["path"]).read_bytes()
    raise DataError(f"{source}: no picture: {value!r:.100}")
