"""Whole files or none: write beside, flush to disk, rename."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import time
import uuid
from functools import cache
from pathlib import Path

from ...registry.errors import GraftworkError

_TEMPORARY = ".graftwork-partial-"


class StorageError(GraftworkError):
    """The disk would not take what was to be written; nothing partial was left."""


def write_whole(path: Path, content: bytes, durable: bool = True) -> None:
    """Write ``content`` to ``path`` so that any reader sees all of it or nothing. Raises ``StorageError``.

    Without ``durable`` that may be false after the machine itself goes down: for what its readers verify.
    """
    partial = path.with_name(f"{_TEMPORARY}{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "xb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def absolute(path: Path) -> Path:
    """``path`` from the root on. Raises ``StorageError`` where it counts from a working folder that is gone."""
    try:
        return path.absolute()
    except FileNotFoundError:
        raise StorageError(f"{path} counts from the working folder, which was removed; cd to one that exists") from None


def storage_error(path: Path, error: OSError, remedy: str | None = None) -> StorageError:
    """The same failure in words, with what to do."""
    if remedy is None:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        freed = "free some space, or point GRAFTWORK_CACHE or --out elsewhere"
        remedy = freed if full else "check the path and its permissions"
    return StorageError(f"cannot write {path}: {error.strerror or error}; {remedy}")


def sweep_partials(folder: Path, older_than: float = 3600.0) -> None:
    """Remove what killed writers left behind more than ``older_than`` seconds ago."""
    for partial in folder.rglob(f"{_TEMPORARY}*"):
        with contextlib.suppress(OSError):
            if time.time() - partial.stat().st_mtime > older_than:
                partial.unlink()


def sha256_of(path: Path) -> str:
    """sha256 (hex) of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remembered_sha256(path: Path) -> str:
    """The same, read once in this process as long as time and size of the file stay as they are."""
    status = path.stat()
    return _sha256_as_of(path, status.st_mtime_ns, status.st_size)


@cache
def _sha256_as_of(path: Path, mtime_ns: int, size: int) -> str:
    return sha256_of(path)
