"""What a transformers model's folder holds: its JSON files, and the files of its weights. Light."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...core.storage.files import IRREGULAR, irregular_in
from ...core.storage.json_files import json_in

CONFIG = "config.json"
ADAPTER = "adapter_config.json"
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
#: Files of weights that may run code when they are opened, or that transformers reads with other libraries.
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")


def read_json(file: Path) -> Any:
    """The value in a JSON file; ``None`` where there is none, or none that can be read."""
    try:
        return json_in(file)
    except (OSError, ValueError):
        return None


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder, there or not; none where it names none."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    index = read_json(folder / INDEX)
    shards = index.get("weight_map") if isinstance(index, dict) else None
    return sorted({folder / str(name) for name in shards.values()}) if isinstance(shards, dict) else []


def refused(folder: Path) -> str | None:
    """Why a model folder is not opened, whatever else is in it: it leads out of itself, or waits for ever."""
    if stray := next((path for path in weight_files(folder) if path.parent.resolve() != folder.resolve()), None):
        return f"{folder / INDEX} names weights outside of its folder: {stray}"
    if (folder / ADAPTER).exists():  # transformers would load the model that it names in place of this one
        return f"{folder} holds an adapter of PEFT ({ADAPTER}), which names another model; merge it into one first"
    if irregular := irregular_in(folder):
        return f"{irregular} {IRREGULAR}"
    return None


def pickles_in(folder: Path) -> list[str]:
    """Names of the files of weights that are not opened."""
    return sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
