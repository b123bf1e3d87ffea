"""Vectors that somebody else's encoder made, with their classes: npy, npz, parquet."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ....core.data.items import DataError, DatasetContent, Item, Media
from ....core.data.vector_files import Columns, read_columns, vectors_in
from ....core.roles import Dataset
from ....core.storage.files import sha256_of
from ..missing_splits import how_cut, require_classes_everywhere, with_missing_splits
from ..split_names import USUAL_NAMES, split_of
from .specs import VectorsSpec


class Vectors(Dataset):
    """A row an item."""

    def __init__(self, spec: VectorsSpec) -> None:
        self.spec, self.file = spec, Path(spec.file)

    def load(self) -> DatasetContent:
        """Ids are those of the file, else the rows' numbers, the first is 0. Raises ``DataError``: file, row, what."""
        columns = read_columns(self.file, {str(ours): name for ours, name in self.spec.columns.items()})
        vectors = vectors_in(columns, str(self.file))
        labels, names = self._labels(columns, len(vectors))
        texts, ids = self._words(columns, "text", len(vectors)), self._words(columns, "id", len(vectors))
        given: dict[str, list[Item]] = {"train": [], "val": [], "test": []}
        for row, (split, label) in enumerate(zip(self._splits(columns, len(vectors)), labels, strict=True)):
            modalities = {"vector": _media(vectors[row], f"{self.file} row {row}")}
            if texts is not None:
                modalities["text"] = Media.of_text(texts[row], f"text of {self.file} row {row}")
            given[split].append(Item(ids[row] if ids is not None else str(row), modalities, label))
        fractions = {"val": self.spec.val_fraction, "test": self.spec.test_fraction}
        splits = with_missing_splits(given, fractions, str(self.file), self.to_score)
        require_classes_everywhere(splits, names, str(self.file), to_score=self.to_score)
        return DatasetContent(
            {name: tuple(items) for name, items in splits.items() if items},
            names,
            f"vectors, {self.file.name} (sha256 {sha256_of(self.file)[:12]}), {how_cut(given, fractions)}",
        )

    def _labels(self, columns: Columns, rows: int) -> tuple[list[int | None], tuple[str, ...]]:
        """A class each, ``None`` of one that is unlabelled (-1, or an empty name)."""
        given = columns.get("label")
        if self.spec.labels is not None:
            beside = read_columns(Path(self.spec.labels), {})
            given = beside.get("label", beside.get("vector"))
        where = self.spec.labels or str(self.file)
        if given is None:
            raise DataError(
                f"{self.file} holds no labels; name their array or column in dataset.columns.label, or a file of them "
                "in dataset.labels"
            )
        given = _one_a_row(given)
        if given.ndim != 1 or len(given) != rows:
            raise DataError(f"{where}: labels of shape {given.shape} for {rows:,} vectors; one a vector is needed")
        if given.dtype.kind in "iub":
            return self._numbers(given, where)
        if given.dtype.kind not in "US":
            whole = given.dtype.kind == "f" and bool((given == np.floor(given)).all())
            hint = "; these are whole: save them as such (labels.astype(int))" if whole else ""
            raise DataError(f"{where}: labels are whole numbers or names, not {given.dtype}{hint}")
        named = _names(given, where)
        names = self.spec.class_names or tuple(sorted({name for name in named if name}))
        index = {name: number for number, name in enumerate(names)}
        if strange := next((name for name in named if name and name not in index), None):
            raise DataError(f"{where}: label {strange!r:.80} is none of dataset.class_names")
        return [index[name] if name else None for name in named], names

    def _numbers(self, given: np.ndarray[Any, Any], where: str) -> tuple[list[int | None], tuple[str, ...]]:
        if strange := next((int(one) for one in given if not -1 <= one < 2**63), None):
            raise DataError(f"{where}: label {strange} is no class: they are counted from 0, and -1 is unlabelled")
        names = self.spec.class_names
        if names is None:
            present = sorted({int(one) for one in given if one >= 0})
            if len(present) == 1 and -1 in given:
                raise DataError(
                    f"{where}: labels are -1 and {present[0]}, and -1 is an item without a label, so one class is "
                    "left: call two classes 0 and 1, or by names"
                )
            index = {number: place for place, number in enumerate(present)}
            return [index.get(int(one)) for one in given], tuple(map(str, present))
        if (greatest := int(given.max())) >= len(names):
            raise DataError(f"{where}: label {greatest} is beyond the {len(names)} names of dataset.class_names")
        return [int(one) if one >= 0 else None for one in given], names

    def _splits(self, columns: Columns, rows: int) -> list[str]:
        said = self._words(columns, "split", rows)
        if said is None:
            return ["train"] * rows
        meant = [split_of(one) for one in said]
        if None in meant:
            row = meant.index(None)
            raise DataError(f"{self.file} row {row}: split {said[row]!r:.80} is none of {USUAL_NAMES}")
        return [one for one in meant if one]

    def _words(self, columns: Columns, name: str, rows: int) -> list[str] | None:
        if (given := columns.get(name)) is None:
            return None
        given = _one_a_row(given)
        if given.ndim != 1 or len(given) != rows:
            raise DataError(
                f"{self.file}: `{name}` of shape {given.shape} for {rows:,} vectors; one a vector is needed"
            )
        words = [str(one) for one in given] if given.dtype.kind in "iu" else _names(given, str(self.file))
        if name == "id" and len(set(words)) < rows:
            raise DataError(f"{self.file}: some ids stand there twice; leave the column out, or mend it")
        return words


def _one_a_row(given: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """[N] of [N, 1] or [1, N]."""
    return given.reshape(-1) if given.ndim == 2 and 1 in given.shape else given


def _names(given: np.ndarray[Any, Any], where: str) -> list[str]:
    if given.dtype.kind not in "US":
        raise DataError(f"{where}: words are strings, not {given.dtype}")
    try:
        return [one.decode() if isinstance(one, bytes) else str(one) for one in given]
    except UnicodeDecodeError:
        raise DataError(f"{where}: words are not UTF-8") from None


def _media(vector: np.ndarray[Any, Any], source: str) -> Media:
    return Media(hashlib.sha256(vector.tobytes()).hexdigest(), source, partial(_as_it_is, vector))


def _as_it_is(vector: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return vector
