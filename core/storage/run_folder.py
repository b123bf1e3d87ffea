"""A finished run on disk: whole and unaltered, or refused.

    result.json  events.jsonl  lock.json  [predictions.jsonl]  [unreadable.jsonl]  manifest.json
    adapter/  adapter_config.json  adapter_model.safetensors  pipeline.json  support.safetensors  README.md
              [fisher.safetensors]  manifest.json

The ``adapter`` folder is shaped as PEFT's, stands by itself, and holds no weight of the frozen model. Either
``manifest.json`` is written last, lists the sha256 of every other file of its folder, and has one of its own; that of
the run knows that of the adapter. The whole run is written under a temporary name and renamed (``claim``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...registry.errors import UserError
from .files import write_whole
from .json_files import json_in


class RunFolderError(UserError):
    """A run folder that is missing, incomplete, altered, or in the way."""


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
