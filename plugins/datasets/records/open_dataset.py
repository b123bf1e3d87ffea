"""Opening a data set of the ``datasets`` library, wherever it is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub.constants
from datasets.exceptions import DatasetsError

from ....core.data.items import DataError
from ....core.storage.files import IRREGULAR, irregular_in
from .specs import HuggingFaceSpec

#: What tells a folder of ``save_to_disk``.
_SAVED = ("dataset_dict.json", "state.json")
_BUILDERS = {".parquet": "parquet", ".arrow": "arrow"}


def open_dataset(spec: HuggingFaceSpec, may_download: bool) -> Mapping[str, Any]:
    """Split to table (or stream). Raises ``DataError`` with the library's reason and what to do."""
    path = Path(os.path.expanduser(spec.path))
    with in_words(path):
        if path.exists():
            opened = _open_local(spec, path)
        elif spec.path.startswith((".", "/", "~")):
            raise DataError(f"dataset.path: {path} does not exist")
        else:
            opened = _open_from_hub(spec, may_download)
    return opened if isinstance(opened, dict) else {"train": opened}


@contextlib.contextmanager
def in_words(path: Path) -> Iterator[None]:
    """What the library raises while it opens or reads ``path``, as a ``DataError``."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, DatasetsError) as error:
        raise DataError(f"dataset.path: {path} cannot be read: {_reason(error)}{_remedy(path)}") from error


def _open_local(spec: HuggingFaceSpec, path: Path) -> Any:
    if irregular := irregular_in(path) if path.is_dir() else None if path.is_file() else path:
        raise DataError(f"dataset.path: {irregular} {IRREGULAR}")
    if any((path / name).is_file() for name in _SAVED):
        saved = datasets.load_from_disk(path)
        return saved.to_iterable_dataset() if spec.streaming and isinstance(saved, datasets.Dataset) else saved
    if path.is_file():
        if path.suffix not in _BUILDERS:
            raise DataError(f"dataset.path: {path} is no {' or '.join(_BUILDERS)} file and no folder")
        return datasets.load_dataset(_BUILDERS[path.suffix], data_files=str(path), streaming=spec.streaming)
    return datasets.load_dataset(str(path), name=spec.config, streaming=spec.streaming)


def _open_from_hub(spec: HuggingFaceSpec, may_download: bool) -> Any:
    with contextlib.nullcontext() if may_download else _offline():
        return datasets.load_dataset(spec.path, name=spec.config, revision=spec.revision, streaming=spec.streaming)


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """What ``HF_HUB_OFFLINE=1`` does, for a plan: what is in the library's cache opens, nothing is fetched."""
    places: tuple[Any, ...] = (datasets.config, huggingface_hub.constants)
    before = [place.HF_HUB_OFFLINE for place in places]
    for place in places:
        place.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.HF_HUB_OFFLINE = value


def _reason(error: BaseException) -> str:
    """The first line of the innermost reason: the library wraps what pyarrow says."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def _remedy(path: Path) -> str:
    if path.exists():
        return "; fetch or write it again"
    return (
        "; where the Hub cannot be reached (a plan never asks it), bring it as a folder: "
        f"hf download --repo-type dataset {path} --local-dir data/{path.name}"
    )
