"""Watch what a component does to the world outside: files it writes, addresses it asks for."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..storage.root import store_root

#: Audit events that change a file or folder; the first argument is its path.
_CHANGES = {
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.truncate",
    "os.link",
    "os.symlink",
    "shutil.rmtree",
    "shutil.copyfile",
}
_ADDRESSES = {"socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.sendto"}


#: How the names of our own work folders begin.
WORK = "graftwork-kit-"


class Refused(PermissionError):
    """What the watched code may not do."""


class _Watch:
    """What is allowed just now, and what was tried beyond it. One a process: an audit hook stays for good."""

    def __init__(self) -> None:
        self.folders: tuple[str, ...] | None = None
        self.offline = False
        self.tried: list[str] = []
        self.installed = False

    def install(self) -> None:
        if not self.installed:
            sys.addaudithook(self._hear)
            self.installed = True

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.offline and event in _ADDRESSES:
            address = arguments[1] if event in ("socket.connect", "socket.sendto") else arguments[0]
            if not isinstance(address, str) or not address.startswith("/"):
                self._refuse(f"{event} {address}")
        if self.folders is not None and (path := _written(event, arguments)) is not None and not self._may(path):
            self._refuse(f"{event} {path}")

    def _may(self, path: str) -> bool:
        whole = os.path.realpath(path)
        # The work folder of an earlier case goes when that is collected, whoever runs just then.
        own = whole.startswith(("/dev/", "/proc/")) or f"{os.sep}__pycache__" in whole or f"{os.sep}{WORK}" in whole
        return own or any(whole == folder or whole.startswith(folder + os.sep) for folder in self.folders or ())

    def _refuse(self, what: str) -> None:
        self.tried.append(what)
        raise Refused(f"the conformance kit allows no {what}")


_WATCH = _Watch()


def _written(event: str, arguments: tuple[Any, ...]) -> str | None:
    """The path that an audit event is about to change; ``None`` where it changes none."""
    if event == "open":
        path, mode, flags = arguments
        writes = bool(set(mode) & set("wax+")) if isinstance(mode, str) else bool(flags & (os.O_WRONLY | os.O_RDWR))
        return os.fsdecode(path) if writes and isinstance(path, str | bytes | os.PathLike) else None
    if event in _CHANGES and isinstance(arguments[0], str | bytes | os.PathLike):
        return os.fsdecode(arguments[0])
    return None


@contextlib.contextmanager
def offline() -> Iterator[list[str]]:
    """No name is looked up and nothing connected to; gives what was tried, swallowed or not."""
    _WATCH.install()
    _WATCH.offline, _WATCH.tried = True, []
    try:
        yield _WATCH.tried
    finally:
        _WATCH.offline = False


@contextlib.contextmanager
def writing_only(folder: Path) -> Iterator[list[str]]:
    """Files are written in ``folder`` alone (temporary ones, too) and in Graftwork's cache; gives what else was tried.

    Python's own calls are refused. What native code writes by a relative path is found afterwards: it would lie in
    ``folder / "cwd"``, which is the working directory meanwhile.
    """
    _WATCH.install()
    here, temporary = os.getcwd(), tempfile.tempdir
    inside = folder / "cwd"
    inside.mkdir(exist_ok=True)
    tempfile.tempdir = str(folder)
    os.chdir(inside)
    _WATCH.folders = tuple(os.path.realpath(one) for one in (folder, store_root()))
    _WATCH.tried = []
    try:
        yield _WATCH.tried
        _WATCH.tried += [f"a relative path: {one.name}" for one in inside.iterdir()]
    finally:
        _WATCH.folders = None
        os.chdir(here)
        tempfile.tempdir = temporary
