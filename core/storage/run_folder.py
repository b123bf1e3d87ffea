"""A finished run on disk: whole and unaltered, or refused.

    result.json  events.jsonl  lock.json  [unreadable.jsonl]
    adapter/  adapter_config.json  adapter_model.safetensors  pipeline.json  support.safetensors  README.md
              [fisher.safetensors]  manifest.json

The ``adapter`` folder is shaped as PEFT's, stands by itself, and holds no weight of the frozen model. ``manifest.json``
is written last and lists the sha256 of every other file. The whole run is written under a temporary name and renamed.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ...registry.errors import GraftworkError, UserError
from .files import storage_error, write_whole
from .json_files import json_in

PARTIAL = ".partial"


class RunFolderError(UserError):
    """A run folder that is missing, incomplete, altered, or in the way."""


def new_run_folder(name: str, out: Path | None) -> Path:
    """Where a run will stand: ``out``, which must not exist yet, or the first free ``runs/NAME``, ``runs/NAME-2``."""
    if out is not None:
        if out.exists():
            raise RunFolderError(f"{out} exists already; name another --out, or remove it first")
        return out.absolute()
    for number in itertools.count(1):
        folder = Path("runs") / (name if number == 1 else f"{name}-{number}")
        if not folder.exists() and not folder.with_name(folder.name + PARTIAL).exists():
            return folder.absolute()
    raise AssertionError("unreachable")


@contextlib.contextmanager
def writing(folder: Path, keep_on: tuple[type[Exception], ...] = ()) -> Iterator[Path]:
    """A folder to write into that becomes ``folder`` when the block ends well.

    It goes when the block ends in an error that was explained to the user. After an interrupt, a crash or one of
    ``keep_on`` it stays as ``folder.partial``: its events tell how far the run came.
    """
    partial = folder.with_name(folder.name + PARTIAL)
    with _storage_errors(folder):
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
    try:
        yield partial
    except GraftworkError as error:
        if not isinstance(error, keep_on):
            shutil.rmtree(partial, ignore_errors=True)
        raise
    with _storage_errors(folder):
        os.replace(partial, folder)


@contextlib.contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error(path, error) from error


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON, whole or not at all."""
    write_whole(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON lines, whole or not at all."""
    write_whole(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())


def read_json_file(path: Path) -> dict[str, Any]:
    """A JSON object written by us. Raises ``RunFolderError``."""
    try:
        value = json_in(path)
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise RunFolderError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(value, dict):
        raise RunFolderError(f"{path} holds no JSON object")
    return value
