"""Who uses a namespace, and who writes it: locks on files that die with their process.

Where the file system knows no locks, or takes no file, there are none: then two processes may compute the same, and
each stores whole shards all the same.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

#: How often the time of the last use is written down.
DAY = 86_400.0
#: Letters of a lock's file, so that none of the holder's before is left.
_SAID = 512


class NoLocks(OSError):
    """The file system knows no locks, or takes no file."""


def keep_used(user: object, path: Path) -> None:
    """Say that this process uses something for as long as ``user`` lives, where the file system knows locks.

    The file's time of modification says to the day when it was used last.
    """
    try:
        descriptor = _locked(path, exclusive=False, wait=True)
    except OSError:
        return
    weakref.finalize(user, _released, descriptor)
    with contextlib.suppress(OSError):
        if time.time() - os.fstat(descriptor).st_mtime > DAY:
            os.utime(path)


@contextlib.contextmanager
def writing(path: Path, wait: Callable[[str], None]) -> Iterator[None]:
    """Within it no other process is. ``wait`` is told who is, before it is waited for."""
    descriptor = None
    with contextlib.suppress(OSError):
        try:
            descriptor = _locked(path, exclusive=True, wait=False)
        except BlockingIOError:
            wait(_holder(path))
            descriptor = _locked(path, exclusive=True, wait=True)
        said = json.dumps({"process": os.getpid(), "host": socket.gethostname()})
        os.pwrite(descriptor, said.ljust(_SAID).encode(), 0)
    try:
        yield
    finally:
        if descriptor is not None:
            _released(descriptor)


@contextlib.contextmanager
def alone(*paths: Path) -> Iterator[None]:
    """Within it no process uses or writes. Raises ``BlockingIOError`` where one does, and ``NoLocks``."""
    with contextlib.ExitStack() as held:
        for path in paths:
            held.callback(_released, _locked(path, exclusive=True, wait=False))
        yield


def _locked(path: Path, *, exclusive: bool, wait: bool) -> int:
    """A descriptor of the locked file. Raises ``BlockingIOError`` where others hold it, and ``NoLocks``."""
    if sys.platform == "win32":
        raise NoLocks("no file locks")
    import fcntl

    how = (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB)
    while True:
        descriptor = _opened(path)
        try:
            fcntl.flock(descriptor, how)
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise
        except FileNotFoundError:  # who held it has removed it: a new one is locked
            pass
        except OSError as error:
            os.close(descriptor)
            raise NoLocks(*error.args) from error
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _released(descriptor: int) -> None:
    """Unlocked, and closed. Closing alone leaves it locked while a process that was just forked, by another thread,
    has a copy of the descriptor: until it becomes another program."""
    if sys.platform != "win32":
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def _opened(path: Path) -> int:
    """Raises ``NoLocks``."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        with contextlib.suppress(OSError):
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        raise NoLocks(*error.args) from error


def _holder(path: Path) -> str:
    """Who holds a lock, in words."""
    try:
        said = json.loads(path.read_text("utf-8"))
        process, host = int(said["process"]), str(said["host"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "another process"
    return f"process {process}" + ("" if host == socket.gethostname() else f" on {host}")
