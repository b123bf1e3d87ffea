"""What can be told of a transformers model from its files alone, without importing transformers or torch."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from ...core.storage.files import remembered_sha256
from ..pocket import LLAVA_FOLDER

CONFIG = "config.json"
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
#: Files that hold weights as pickles: opening one can run code.
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
#: Files that a description may depend on; a README is not among them.
CONTENT = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "additional_chat_templates/*.jinja")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+\Z", re.ASCII)


def resolved(model: str) -> str:
    """Folders as absolute paths, so that a saved pipeline works from anywhere; `pocket` and hub ids as they are.

    Raises ``ValueError`` for what is neither.
    """
    expanded = os.path.expanduser(model)
    if model == "pocket" or (_HUB_ID.match(model) and not os.path.isdir(expanded)):
        return model
    if os.path.isdir(expanded) or os.sep in model:
        return os.path.abspath(expanded)
    raise ValueError(f"`{model}` is neither `pocket`, nor a folder here, nor a hub id `OWNER/NAME`")


def is_hub_id(model: str) -> bool:
    """Whether a resolved model is one on the hub."""
    return model != "pocket" and not os.path.isabs(model)


def folder_of(model: str, revision: str | None) -> Path | None:
    """Where the model's files are on this machine: its folder, or its snapshot in the hub's cache."""
    if model == "pocket":
        return LLAVA_FOLDER
    if not is_hub_id(model):
        return Path(model)
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model, CONFIG, revision=revision)
    return Path(found).parent if isinstance(found, str) else None


def commit(model: str, revision: str | None) -> str | None:
    """The commit of a hub model's snapshot on this machine; ``None`` for a folder."""
    folder = folder_of(model, revision) if is_hub_id(model) else None
    return folder.name if folder else None


def missing(model: str, revision: str | None) -> str | None:
    """What must be on this machine and is not, and how to get it; ``None`` where everything is there."""
    folder, what = folder_of(model, revision), "the pocket LLaVA" if model == "pocket" else model
    if folder is None:
        return f"{model} is neither a folder here nor in the hub's cache; {_how_to_get(model, revision)}"
    if not folder.is_dir():
        remedy = "reinstall graftwork" if model == "pocket" else "name a folder, `pocket`, or a hub id `OWNER/NAME`"
        return f"{what}: {folder} does not exist; {remedy}"
    if not (folder / CONFIG).is_file():
        return f"{what}: {folder} holds no {CONFIG}; name a folder as save_pretrained() of transformers writes it"
    absent = _absent_weights(folder)
    if absent and (pickles := sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))):
        return (
            f"{what}: the weights in {folder} are pickles ({', '.join(pickles[:3])}), which can run code when they are "
            "opened; only safetensors are loaded. Take a revision with safetensors, or convert where you trust the "
            "file: load it with transformers and save_pretrained() it"
        )
    if absent:
        how = _how_to_get(model, revision) if is_hub_id(model) else "complete the folder"
        return f"{what}: {folder} lacks {', '.join(absent[:3])}{' ...' if len(absent) > 3 else ''}; {how}"
    return None


def _how_to_get(model: str, revision: str | None) -> str:
    command = f"hf download {model}" + (f" --revision {revision}" if revision else "")
    return (
        f"where there is a network, `{command}` gets it (size and licence are not known here: see "
        f"https://huggingface.co/{model})"
    )


def _absent_weights(folder: Path) -> list[str]:
    if (folder / WEIGHTS).is_file():
        return []
    try:
        shards = set(json.loads((folder / INDEX).read_text("utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [WEIGHTS]
    return sorted(shard for shard in shards if not (folder / str(shard)).is_file())


def identity(model: str, revision: str | None) -> dict[str, Any]:
    """Local files by content, wherever they stand; a hub model by id and revision (its commit is noted when loaded)."""
    folder = folder_of(model, revision)
    if is_hub_id(model) or folder is None or not folder.is_dir():
        return {"id": model, "revision": revision}
    files = sorted({path for pattern in CONTENT for path in folder.glob(pattern) if path.is_file()})
    return {"files": {path.relative_to(folder).as_posix(): remembered_sha256(path) for path in files}}
