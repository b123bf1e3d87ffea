"""Arrays of vectors in files: npy, npz, parquet. No pickle is ever opened."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .items import DataError

Array = np.ndarray[Any, Any]
#: Our name to an array of the file: ``vector`` [N, d], ``label``, ``text``, ``id`` and ``split`` [N].
Columns = Mapping[str, Array]
SUFFIXES = frozenset({".npy", ".npz", ".parquet"})
#: What such arrays and columns are called; the first that is there counts.
_USUAL = {
    "vector": ("vectors", "vector", "X", "x", "embeddings", "embedding", "features"),
    "label": ("labels", "label", "y", "targets", "target", "classes", "class"),
    "text": ("texts", "text", "captions", "caption"),
    "id": ("ids", "id"),
    "split": ("splits", "split"),
}


def read_columns(file: Path, names: Mapping[str, str]) -> Columns:
    """The arrays of a file under our names; ``names`` says which of its own are meant, where they are called otherwise.

    Of a ``.npy`` file all of it is ``vector``. Raises ``DataError``.
    """
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{file}: vectors are read from {', '.join(sorted(SUFFIXES))}")
    try:
        if suffix == ".npy":
            return {"vector": np.load(file, allow_pickle=False)}
        found = _parquet(file) if suffix == ".parquet" else _npz(file)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        why = "it holds Python objects, which are never opened" if "pickle" in str(error) else str(error)
        raise DataError(
            f"{file}: cannot be read as {suffix}: {why}; save plain arrays of numbers and of strings"
        ) from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from None
    if strange := next((f"{ours} `{name}`" for ours, name in names.items() if name not in found), None):
        raise DataError(f"{file}: dataset.columns: there is no {strange}; there are: {', '.join(found)}")
    usual = {ours: next((name for name in those if name in found), None) for ours, those in _USUAL.items()}
    return {ours: found[name] for ours, name in {**usual, **names}.items() if name is not None}


def vectors_in(columns: Columns, where: str) -> Array:
    """float32 [N, d]. Raises ``DataError`` for another shape, and for a row that is not finite or has no direction."""
    if "vector" not in columns:
        names = ", ".join(_USUAL["vector"])
        raise DataError(f"{where}: holds no vectors; they are called {names}, or as dataset.columns.vector says")
    return as_vectors(columns["vector"], where)


def as_vectors(given: Any, where: str) -> Array:
    """The same of an array."""
    array = np.asarray(given)
    if array.dtype.kind not in "fiu":
        raise DataError(f"{where}: vectors are numbers, not {array.dtype}")
    if array.ndim != 2 or 0 in array.shape:
        raise DataError(f"{where}: vectors of shape {array.shape}; [N, d] is needed, a row an item")
    with np.errstate(over="ignore"):
        made = np.ascontiguousarray(array, dtype=np.float32)
    if not (finite := np.isfinite(made).all(axis=1)).all():
        raise DataError(f"{where} row {int(finite.argmin())}: is NaN, or beyond what float32 holds; leave it out")
    if not (directed := made.any(axis=1)).all():
        raise DataError(f"{where} row {int(directed.argmin())}: is zero, which has no direction; leave it out")
    return made


def _npz(file: Path) -> dict[str, Array]:
    if not zipfile.is_zipfile(file):
        raise ValueError("it is no archive of arrays")
    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _parquet(file: Path) -> dict[str, Array]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise DataError(f'{file}: parquet needs pyarrow: pip install "graftwork[data]"') from None
    try:
        table = parquet.read_table(file)
    except ArrowException as error:
        raise ValueError(str(error).partition("\n")[0]) from None
    return {name: _column(file, name, table.column(name).to_pylist()) for name in table.column_names}


def _column(file: Path, name: str, values: list[Any]) -> Array:
    if any(isinstance(one, list) for one in values):
        lengths = {len(one) if isinstance(one, list) else 0 for one in values}
        if len(lengths) > 1:
            raise DataError(
                f"{file}: column `{name}` has lists of {min(lengths)} to {max(lengths)} numbers; all are alike"
            )
        return np.array([[np.nan if number is None else number for number in one] for one in values])
    kinds = {type(one) for one in values if one is not None}
    empty: Any = "" if kinds == {str} else -1
    return np.array([empty if one is None else one for one in values]) if len(kinds) == 1 else np.array([])
