"""A lock: everything that a pipeline's numbers depend on and that can be told before a model is loaded. Light.

``make_lock`` makes one. It ends with the sha256 over all else in it, so that one that was altered is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from ...registry.errors import UserError, one_line
from ..storage.json_files import json_in
from ..storage.made_with import Installed
from ..storage.record import Json, Record, Versioned
from ..storage.sealed import SEAL, is_unaltered, sealed


class LockError(UserError):
    """A lock that cannot be read, was altered, or does not hold here; the message names each difference."""


class Weights(Record):
    """The weights behind stored vectors."""

    weights: str
    """Their sha256."""
    revision: str | None
    """Of the model, where it has one."""


class Lock(Versioned):
    """What ``lock.json`` holds, and a lock that stands beside a spec."""

    NOUN: ClassVar[str] = "lock"
    REMEDY: ClassVar[str] = "lock again: graftwork lock SPEC"
    FORMAT_KEY: ClassVar[str] = "lock"
    ERROR: ClassVar[type[UserError]] = LockError
    LEFT_OUT: ClassVar[frozenset[str]] = frozenset({"chosen", "sampled_items"})

    lock: Literal[1]
    """The format of this file."""
    graftwork: str
    """The version of Graftwork that wrote it."""
    pipeline: Json
    """The resolved spec: defaults filled in, paths absolute, nothing extended."""
    plugins: Mapping[str, Installed]
    """The plugins that it uses."""
    components: Mapping[str, int | str]
    """Kind and type of each component to its version; of a third party's also a digest of its source."""
    versions: Mapping[str, str]
    """Packages that the numbers depend on."""
    models: Mapping[str, Json | None]
    """`encoder` and `captioner`: what each one's spec tells of its files; `null` where they are not on the machine."""
    encoder: Mapping[str, Weights]
    """The modalities whose weights were noted beside stored vectors."""
    start_from: str | None
    """sha256 of the manifest of the run that training starts from."""
    data_fingerprint: str
    """sha256 over contents and labels of the data set."""
    chosen: Json | None = None
    """Of a run alone: dotted path to the search value that was chosen."""
    sampled_items: Mapping[str, Sequence[str]] | Literal["all"] | None = None
    """Of a run alone: seed to the ids of its labelled items."""
    sha256: str = ""
    """Over all keys but this one."""

    def sealed(self) -> Self:
        """With its own sha256."""
        return self.model_copy(update={SEAL: sealed(self.to_json())[SEAL]})


def read_lock(lock: str | Path | Mapping[str, Any]) -> tuple[Lock, str]:
    """A lock that was written by us and not altered since, and what messages call it. Raises ``LockError``."""
    if isinstance(lock, Mapping):
        return _unaltered(lock, "the lock"), "the lock"
    try:
        return _unaltered(json_in(lock), str(lock)), str(lock)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise LockError(one_line(f"{lock} cannot be read: {reason}")) from None


def _unaltered(lock: Any, name: str) -> Lock:
    if not isinstance(lock, Mapping) or "lock" not in lock:
        raise LockError(f"{name} is no lock; `graftwork lock SPEC` writes one")
    Lock.require_known_format(lock, name)
    if not is_unaltered(lock):
        raise LockError(f"{name} was altered since it was written; {Lock.REMEDY}")
    return Lock.from_json(lock, name)
