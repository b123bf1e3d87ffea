"""Whole files or none: write beside, flush to disk, rename."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import stat
import sys
import tempfile
import time
import uuid
from functools import cache
from io import BufferedReader, BufferedWriter
from pathlib import Path

from ...registry.errors import GraftworkError

_TEMPORARY = ".graftwork-partial-"
#: What is said of what is read by nobody.
IRREGULAR = "is no regular file (a pipe, a socket or a device)"


class StorageError(GraftworkError):
    """The disk would not take what was to be written; nothing partial was left."""


def write_whole(path: Path, content: bytes, durable: bool = True) -> None:
    """Write ``content`` to ``path`` so that any reader sees all of it or nothing. Raises ``StorageError``.

    Where ``path`` is a link it is the file it leads to that is replaced; a pipe, a socket or a device is refused.
    Without ``durable`` that may be false after the machine itself goes down: for what its readers verify.
    """
    path = _replaceable(path)
    partial = path.with_name(f"{_TEMPORARY}{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(partial) as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
            if sys.platform != "win32":  # while it is locked nobody sweeps it; there it is swept by its age alone
                file.flush()
                os.replace(partial, path)
        if sys.platform == "win32":
            os.replace(partial, path)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _locked(path: Path) -> BufferedWriter:
    """A new file to write into, locked for as long as it is open where the file system knows locks."""
    while True:
        file = open(path, "xb")  # noqa: SIM115  # whoever asked closes it
        with contextlib.suppress(OSError, ImportError):
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
            if not path.exists():  # it was swept before it was locked
                file.close()
                continue
        return file


def _is_dead(path: Path, *, remove: bool = False) -> bool:
    """Whether no process writes a file; ``False`` where the file system does not know.

    It is removed while it is locked: a writer that has made it and is about to lock it then finds it gone.
    """
    try:
        import fcntl

        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if remove:
                path.unlink()
    except (OSError, ImportError):
        return False
    return True


def _replaceable(path: Path) -> Path:
    """The path that may be renamed over: where links lead to. Raises ``StorageError`` where no file may stand there."""
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            _require_regular(str(path), os.stat(path))
        return Path(os.path.realpath(path)) if path.is_symlink() else path
    except OSError as error:
        no_file = error.errno in (errno.EINVAL, errno.EISDIR, errno.ELOOP)
        raise storage_error(path, error, "name another file" if no_file else None) from error


def require_writable(path: Path) -> None:
    """Before work whose end is written to ``path``: raises ``StorageError`` where ``write_whole`` could not write it.

    A file without a name is opened in the innermost folder that is there, since permissions alone do not say it.
    """
    path = absolute(_replaceable(path))
    try:
        with contextlib.suppress(FileNotFoundError):
            os.lstat(path)  # a name may be too long, or lie below a file
        place = next(folder for folder in path.parents if os.path.lexists(folder))
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        raise storage_error(path, error) from error


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


def sweep_partials(folder: Path, older_than: float = 3600.0, *, below: bool = True) -> None:
    """Remove what killed writers left behind, at once where it is locked while it is written; else what was not touched
    for ``older_than`` seconds. In the folders ``below``, too.
    """
    for partial in (folder.rglob if below else folder.glob)(f"{_TEMPORARY}*"):
        remove_partial(partial, older_than)


def remove_partial(path: Path, older_than: float) -> bool:
    """Remove what is partial now; whether that was done."""
    if _is_dead(path, remove=True):
        return True
    with contextlib.suppress(OSError):
        if _is_old(path, older_than):
            path.unlink()
            return True
    return False


def is_partial(path: Path, older_than: float) -> bool:
    """Whether it is what a killed writer would have renamed: nobody locks it, or touched it for so many seconds."""
    with contextlib.suppress(OSError):
        return path.name.startswith(_TEMPORARY) and (_is_dead(path) or _is_old(path, older_than))
    return False


def _is_old(path: Path, older_than: float) -> bool:
    return time.time() - path.stat().st_mtime > older_than


def open_regular(path: str | Path) -> BufferedReader:
    """Open a file to read its bytes. Raises ``OSError``, also for a pipe, a socket or a device: one may never end."""
    return open(path, "rb", opener=_regular)


def read_regular(path: str | Path, most: int | None = None) -> bytes:
    """All bytes of a regular file. Raises ``OSError``, also for one of more than ``most`` bytes."""
    with open_regular(path) as file:
        content = file.read() if most is None else file.read(most + 1)
    if most is not None and len(content) > most:
        raise OSError(errno.EFBIG, f"larger than {most:,} bytes, the most that is read", str(path))
    return content


def irregular_in(folder: Path) -> Path | None:
    """The first pipe, socket or device in a folder or in the folders in it: libraries would wait for one."""
    own = _entries(folder)
    for entry in itertools.chain(own, *(_entries(entry.path) for entry in own if entry.is_dir())):
        if not entry.is_file() and not entry.is_dir() and os.path.exists(entry.path):
            return Path(entry.path)
    return None


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """By name; none of a folder that may not be read, which whoever reads it will say."""
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return []


def _regular(name: str, flags: int) -> int:
    """An opener. Devices are not opened at all, and a pipe put in a file's place meanwhile is not waited for."""
    _require_regular(name, os.stat(name))
    opened = os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
    try:
        _require_regular(name, os.fstat(opened))
    except OSError:
        os.close(opened)
        raise
    return opened


def _require_regular(name: str, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, IRREGULAR, name)


def sha256_of(path: Path) -> str:
    """sha256 (hex) of a regular file."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remembered_sha256(path: Path) -> str:
    """The same, read once in this process as long as time and size of the file stay as they are."""
    status = path.stat()
    return _sha256_as_of(path, status.st_mtime_ns, status.st_size)


@cache
def _sha256_as_of(path: Path, mtime_ns: int, size: int) -> str:
    return sha256_of(path)
