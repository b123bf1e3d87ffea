"""How a model of the hub is fetched. Light: no torch, no transformers."""

from __future__ import annotations

import shlex
from pathlib import Path

from ...core.roles import EncoderError

#: What is fetched: configurations, vocabularies and safetensors; never a pickle, never code.
PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors")


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
