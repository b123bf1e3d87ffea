"""Where a model lies on this machine: one that ships, of a package, of a path, or of the hub. Light: no torch."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ...registry.errors import nearest
from ..pocket import LLAVA_FOLDER, TRANSFORMERS_FOLDERS
from .wheels import Loader, installed, is_wheel, not_installed, require_wheel

#: What a model that ships with Graftwork is called, or begins with: `pocket` (the LLaVA), `pocket:ast`.
POCKET = "pocket"
#: A folder with one of these is a model.
MARKERS = ("config.json", "modules.json")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9_][\w.-]*)?", re.ASCII)


def named(model: str, loader: Loader = "transformers") -> str:
    """A path made absolute, so that a saved pipeline works from anywhere; a hub id, pocket or wheel name as it stands.

    Raises ``ValueError`` for what can be none of these.
    """
    if ships(model):
        _require_pocket_model(model)
        return model
    if is_wheel(model):
        return require_wheel(model, loader)
    if is_path(model) or os.path.isdir(model):
        return os.path.abspath(os.path.expanduser(model))
    if not _HUB_ID.fullmatch(model):
        raise ValueError(
            f"`{model}` is neither a hub id (OWNER/NAME) nor a path (FOLDER exists, or starts with ./ or /)"
        )
    return model


def _require_pocket_model(model: str) -> None:
    known, name = sorted(TRANSFORMERS_FOLDERS), model.removeprefix(f"{POCKET}:")
    if model != POCKET and name not in known:
        near = nearest(name, known)
        hint = f"did you mean `{POCKET}:{near}`?" if near else f"there are: {', '.join(known)}"
        raise ValueError(f"no pocket model is called `{name}`; {hint}")


def ships(model: str) -> bool:
    """Whether ``model`` is named as one that ships with Graftwork."""
    return model == POCKET or model.startswith(f"{POCKET}:")


def is_path(model: str) -> bool:
    """Whether ``model`` is on this machine as it is, rather than a hub id."""
    return (
        ships(model)
        or is_wheel(model)
        or model.startswith(("/", "./", "../", "~"))
        or model in (".", "..")
        or os.path.isabs(model)
    )


def folder_of(model: str, revision: str | None) -> Path | None:
    """The folder of a path, or of what the hub's cache holds of a revision; ``None`` if there is none."""
    if is_path(model):
        folder = place_of(model)
        return folder if folder is not None and folder.is_dir() else None
    from huggingface_hub import try_to_load_from_cache

    found = (try_to_load_from_cache(model, marker, revision=revision) for marker in MARKERS)
    return next((Path(file).parent for file in found if isinstance(file, str)), None)


def place_of(model: str) -> Path | None:
    """The path that a model which is on this machine, or should be, stands for; ``None`` for a wheel that is not."""
    if is_wheel(model):
        return installed(model)
    return _shipped(model) if ships(model) else Path(model)


def absent(model: str) -> str:
    """That what should be on this machine is not, and what brings it."""
    if is_wheel(model):
        return not_installed(model)
    return f"{model} does not exist{'; reinstall graftwork' if ships(model) else ''}"


def _shipped(model: str) -> Path:
    return LLAVA_FOLDER if model == POCKET else TRANSFORMERS_FOLDERS[model.removeprefix(f"{POCKET}:")]


def commit_of(folder: Path) -> str | None:
    """The commit whose snapshot a folder of the hub's cache is."""
    return folder.name if folder.parent.name == "snapshots" else None
