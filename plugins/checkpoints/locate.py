"""Where a model of the hub, or of a path, lies on this machine. Light: no torch, no transformers."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ...registry.errors import nearest
from ..pocket import TRANSFORMERS_FOLDERS

#: What a model that ships with Graftwork begins with: `pocket:ast`.
POCKET = "pocket:"
#: A folder with one of these is a model.
MARKERS = ("config.json", "modules.json")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def named(model: str) -> str:
    """A path made absolute, or a hub id or pocket name as it stands. Raises ``ValueError`` for what can be neither."""
    if model.startswith(POCKET):
        known = sorted(TRANSFORMERS_FOLDERS)
        if (name := model.removeprefix(POCKET)) not in known:
            near = nearest(name, known)
            hint = f"did you mean `{POCKET}{near}`?" if near else f"there are: {', '.join(known)}"
            raise ValueError(f"no pocket model is called `{name}`; {hint}")
        return model
    if is_path(model) or os.path.isdir(model):
        return os.path.abspath(os.path.expanduser(model))
    if not _HUB_ID.fullmatch(model):
        raise ValueError(
            f"`{model}` is neither a hub id (OWNER/NAME) nor a path (FOLDER exists, or starts with ./ or /)"
        )
    return model


def is_path(model: str) -> bool:
    """Whether ``model`` is a folder of this machine rather than a hub id."""
    return model.startswith(("/", "./", "../", "~", POCKET)) or model in (".", "..") or os.path.isabs(model)


def folder_of(model: str, revision: str | None) -> Path | None:
    """The folder of a path, or of what the hub's cache holds of a revision; ``None`` if there is none."""
    if model.startswith(POCKET):
        shipped = TRANSFORMERS_FOLDERS[model.removeprefix(POCKET)]
        return shipped if shipped.is_dir() else None
    if is_path(model):
        return Path(model) if Path(model).is_dir() else None
    from huggingface_hub import try_to_load_from_cache

    found = (try_to_load_from_cache(model, marker, revision=revision) for marker in MARKERS)
    return next((Path(file).parent for file in found if isinstance(file, str)), None)


def commit_of(folder: Path) -> str | None:
    """The commit whose snapshot a folder of the hub's cache is."""
    return folder.name if folder.parent.name == "snapshots" else None
