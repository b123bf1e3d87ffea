"""Where a model of the hub, or of a path, lies on this machine, and how to get it. Light: no torch, no transformers."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from ...core.encoder import EncoderError
from ...registry.nearest import nearest
from ..pocket import TRANSFORMERS_FOLDERS

#: What a model that ships with Graftwork begins with: `pocket:ast`.
POCKET = "pocket:"
#: What is fetched: configurations, vocabularies and safetensors; never a pickle, never code.
PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors")
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


def command(model: str, revision: str | None) -> str:
    """What fetches a model of the hub."""
    words = ["hf", "download", model, *(["--revision", revision] if revision else [])]
    return shlex.join([*words, *(part for pattern in PATTERNS for part in ("--include", pattern))])


def fetch(model: str, revision: str | None) -> Path:
    """Download what is missing of a hub model. Raises ``EncoderError``; with HF_HUB_OFFLINE without trying."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=list(PATTERNS)))
    except GatedRepoError as error:
        remedy = f"accept its terms on https://huggingface.co/{model} and run `hf auth login`"
        raise EncoderError(f"encoder.model: `{model}` is gated: {remedy}") from error
    except RepositoryNotFoundError as error:
        remedy = "check the id, or `hf auth login` if it is private"
        raise EncoderError(f"encoder.model: the hub has no model `{model}`; {remedy}") from error
    except RevisionNotFoundError as error:
        raise EncoderError(f"encoder.revision: `{model}` has no revision `{revision}`") from error
    except (OSError, ValueError) as error:  # no network, or told to be offline
        raise EncoderError(
            f"encoder.model: `{model}` is not on this machine, and the hub cannot be reached; where it can: "
            f"{command(model, revision)}"
        ) from error
