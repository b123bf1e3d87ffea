"""Adapter folders on the Hugging Face hub: fetched by id, and put there. Three files, safetensors and JSON alone."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ...registry.errors import UserError
from ..storage.adapter_config import CONFIG, TENSORS
from ..storage.manifest import MANIFEST

#: What an adapter folder consists of; nothing else is fetched, and nothing else is put there.
FILES = (CONFIG, TENSORS, MANIFEST)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class HubError(UserError):
    """The hub does not have it, does not let it, or cannot be reached; the message says which, and what to do."""


def fetched(source: str | Path, revision: str | None = None, files: Sequence[str] = FILES) -> Path:
    """The folder itself, or for a hub id (OWNER/NAME, where neither folder exists) its snapshot in the hub's cache.

    Downloads what the cache lacks of ``files``, names or patterns; with HF_HUB_OFFLINE nothing. Raises ``HubError``.
    """
    folder = Path(os.path.expanduser(source))  # that of pathlib raises where nobody knows the home
    # Where there is a folder OWNER, as `runs`, a path was meant.
    if isinstance(source, Path) or folder.exists() or not _HUB_ID.fullmatch(source) or folder.parent.is_dir():
        if revision is not None:
            raise HubError(f"{source} is a folder and has no revision; it belongs to a hub id (OWNER/NAME)")
        return folder
    from huggingface_hub import snapshot_download

    missing = " is neither a folder here nor in the hub's cache, and the hub cannot be reached; where it can: "
    with _explained(source, revision, missing + _command(source, revision, files)):
        return Path(snapshot_download(source, revision=revision, allow_patterns=list(files)))


def require_hub_id(repo_id: str) -> None:
    """Raises ``HubError`` for what is no OWNER/NAME."""
    if not _HUB_ID.fullmatch(repo_id):
        raise HubError(f"`{repo_id}` is no hub id; write OWNER/NAME")


def upload(
    folder: Path,
    repo_id: str,
    *,
    private: bool | None,
    revision: str | None,
    token: str | None,
    files: Sequence[str] = FILES,
) -> str:
    """Put those files of a folder into a repository of the hub, made if need be. Returns the commit's address.

    Raises ``HubError``.
    """
    from huggingface_hub import HfApi, get_token

    require_hub_id(repo_id)
    if token is None and get_token() is None:
        raise HubError(f"no token for the hub to write `{repo_id}`: run `hf auth login`, or set HF_TOKEN")
    api = HfApi(token=token)
    with _explained(repo_id, revision, ": the hub cannot be reached and nothing was uploaded; try again where it can"):
        api.create_repo(repo_id, private=private, exist_ok=True)
        done = api.upload_folder(repo_id=repo_id, folder_path=folder, allow_patterns=list(files), revision=revision)
    return str(done.commit_url)


@contextmanager
def _explained(repo: str, revision: str | None, unreachable: str) -> Iterator[None]:
    from huggingface_hub import errors
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    http = errors.HTTPError  # type: ignore[attr-defined]  # of whichever library this release of the client uses

    try:
        yield
    except GatedRepoError as error:
        raise HubError(f"`{repo}` is gated: accept its terms on https://huggingface.co/{repo}") from error
    except RepositoryNotFoundError as error:
        raise HubError(f"the hub has no `{repo}`; check the id, or `hf auth login` if it is private") from error
    except RevisionNotFoundError as error:
        raise HubError(f"`{repo}` has no revision `{revision}`") from error
    except HfHubHTTPError as error:  # refused: the server's own words
        raise HubError(f"`{repo}`: {error}") from error
    except (OSError, ValueError, http) as error:  # no network, or told to be offline
        raise HubError(f"`{repo}`{unreachable}") from error


def _command(repo: str, revision: str | None, files: Sequence[str]) -> str:
    chosen = [word for one in files if "*" in one for word in ("--include", one)]
    named = [one for one in files if "*" not in one]
    return shlex.join(["hf", "download", repo, *named, *chosen, *(["--revision", revision] if revision else [])])
