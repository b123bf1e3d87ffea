"""What a transformers model's folder holds: its JSON files, and the files of its weights. Light."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CONFIG = "config.json"
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
#: Files of weights that may run code when they are opened, or that transformers reads with other libraries.
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")


def read_json(file: Path) -> Any:
    """The value in a JSON file; ``None`` where there is none, or none that can be read."""
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder, there or not; none where it names none."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    index = read_json(folder / INDEX)
    shards = index.get("weight_map") if isinstance(index, dict) else None
    return sorted({folder / str(name) for name in shards.values()}) if isinstance(shards, dict) else []


def pickles_in(folder: Path) -> list[str]:
    """Names of the files of weights that are not opened."""
    return sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
