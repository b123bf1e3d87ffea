"""How a model of the hub is fetched. Light: no torch, no transformers."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

#: What is fetched at least: configurations, vocabularies and safetensors; never a pickle, never code.
PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors")
#: The same weights once more, in the layout of their authors' own code.
_TWICE = ("consolidated*", "original/*")


class NotFetched(Exception):
    """A model of the hub cannot be had; the message says why, and what to do."""

    def __init__(self, field: str, reason: str) -> None:
        #: The field of the spec that is at fault: ``model`` or ``revision``.
        self.field = field
        super().__init__(reason)


def command(model: str, revision: str | None, patterns: Sequence[str] = ()) -> str:
    """What fetches a model of the hub, or what of its files fits the patterns."""
    words = ["hf", "download", model, *(["--revision", revision] if revision else [])]
    return shlex.join([*words, *(part for pattern in patterns for part in ("--include", pattern))])


def how_to_get(command: str, model: str) -> str:
    """That a command gets a model of the hub, and where its size and licence stand."""
    see = f"https://huggingface.co/{model}"
    return f"where there is a network, `{command}` gets it (size and licence are not known here: see {see})"


def fetch(model: str, revision: str | None, patterns: Sequence[str], how: str) -> Path:
    """Download what is missing of a hub model's files of these patterns; with HF_HUB_OFFLINE without trying.

    ``how`` is what to do where the hub can be reached. Raises ``NotFetched``.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        wanted, twice = list(patterns), list(_TWICE)
        return Path(snapshot_download(model, revision=revision, allow_patterns=wanted, ignore_patterns=twice))
    except GatedRepoError as error:
        remedy = f"accept its terms on https://huggingface.co/{model} and run `hf auth login`"
        raise NotFetched("model", f"`{model}` is gated: {remedy}") from error
    except RepositoryNotFoundError as error:
        remedy = "check the id, or `hf auth login` if it is private"
        raise NotFetched("model", f"the hub has no model `{model}`; {remedy}") from error
    except RevisionNotFoundError as error:
        raise NotFetched("revision", f"`{model}` has no revision `{revision}`") from error
    except (OSError, ValueError) as error:  # no network, or told to be offline
        reason = f"`{model}` is not on this machine, and the hub cannot be reached; {how}"
        raise NotFetched("model", reason) from error


@contextlib.contextmanager
def asking_once() -> Iterator[None]:
    """Where the hub cannot be reached, libraries that fetch by themselves meanwhile take what is stored at once.

    Else each of their requests is tried six times, with pauses of half a minute in all.
    """
    from huggingface_hub import constants, get_session

    before = constants.HF_HUB_OFFLINE
    try:
        if not before:
            get_session().head(constants.ENDPOINT, timeout=constants.HF_HUB_ETAG_TIMEOUT)
    except Exception as error:  # of whichever library makes the requests: connection, name, proxy, time
        if not isinstance(error, (OSError, ValueError)) and "http" not in type(error).__module__:
            raise
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
