"""One writer a folder: it is claimed by a folder made at once, and by a lock in it that dies with its process.

    NAME.partial/.graftwork-writing    while a run writes, and after it died

The lock's file says whose it is by its own inode: a copy, or a folder of the user's, never counts as ours.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import shutil
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from io import FileIO
from pathlib import Path
from typing import Any

from ...registry.errors import GraftworkError
from .files import absolute, storage_error
from .run_folder import RunFolderError

PARTIAL, LOCK = ".partial", ".graftwork-writing"
#: Folders of finished trainings, with the pipeline that they are of, and of how far others came, in one of an
#: unfinished run: the next run that claims it finds them.
TRAININGS, CHECKPOINTS = "trainings", "checkpoints"
#: Folder of the states of a sequence, one a task, in a run folder.
TASKS = "tasks"
#: Seconds between two checkpoints of a training, where nobody says otherwise.
CHECKPOINT_EVERY = 60.0
#: What runs and adapters write, by name, by suffix and by how it begins; where something else stands, others put it in.
_WRITTEN = {"adapter", TASKS, "events.jsonl", "lock.json", "result.json", "predictions.jsonl", "unreadable.jsonl"}
_WRITTEN |= {"manifest.json", "pipeline.json", "adapter_config.json", "README.md"}
_STAY = {LOCK, TRAININGS, CHECKPOINTS}
_WRITTEN_AS, _UNFINISHED = ".safetensors", ".graftwork-"


class Taken(RunFolderError):
    """A folder exists, another process writes it, or what stands in its way is not ours to remove."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to make ``folder``, for as long as this process lives."""

    #: What is made, and where it is written until it is whole.
    folder: Path
    partial: Path
    #: The open file of the lock.
    lock: FileIO
    #: Where that was put which others had written beside what a dead run left; ``None``: there was nothing.
    kept: Path | None = None

    def kept_in_words(self) -> str | None:
        """The note on ``kept``."""
        found = "a dead run left it, with files that no run writes" if self.kept else None
        return f"what stood in {self.partial} is kept in {self.kept}: {found}" if found else None

    def is_ours(self) -> bool:
        """Whether what is written still stands under its name: the lock there is the one that we hold."""
        try:
            return os.path.samestat(os.lstat(self.partial / LOCK), os.fstat(self.lock.fileno()))
        except (OSError, ValueError):  # closed: given up already
            return False

    def require_ours(self) -> None:
        """Raises ``Taken`` where what was written was moved or removed, whatever stands in its place now."""
        if not self.is_ours():
            raise Taken(
                f"{self.partial} was moved or removed by others while it was written, so {self.folder} is not made; "
                "look for it under another name, or run it again"
            )

    def require_free(self) -> None:
        """Raises ``Taken`` as ``require_ours``, and where others have made the folder meanwhile: then what was written
        stays for good.
        """
        self.require_ours()
        if os.path.lexists(self.folder):
            self._keep()
            raise Taken(
                f"{self.folder} was made by others meanwhile; what was written stays in {self.partial}: move it"
            )

    def finish(self) -> None:
        """What was written becomes the folder. Raises ``Taken`` and ``StorageError``: then it stays where it is."""
        self.require_free()
        try:
            os.rename(self.partial, self.folder)
        except OSError as error:
            self._keep()
            raise storage_error(self.folder, error, f"what was written stays in {self.partial}: move it") from error
        tidy(self.folder)
        self.leave()

    def drop(self) -> None:
        """Remove what was written; what others have put in its place stays, and so do trainings."""
        if self.is_ours() and not _holds_trainings(self.partial):
            with contextlib.suppress(OSError):
                _empty(self.partial)
                tidy(self.partial)
                self.partial.rmdir()
        self.leave()

    def leave(self) -> None:
        """Leave what was written to the next run that claims the folder."""
        self.lock.close()

    def _keep(self) -> None:
        """Nobody clears it away who finds no lock in it."""
        (self.partial / LOCK).unlink(missing_ok=True)
        self.leave()


def claim_run(name: str, out: Path | None, moved: bool = False, written: Sequence[str] = ()) -> Claim:
    """See ``claim``. ``out``, or the first free of ``runs/NAME``, ``runs/NAME-2``, ... Raises ``Taken`` for ``out``."""
    if out is not None:
        return claim(out, moved, written)
    for folder in run_folders(name):
        with contextlib.suppress(Taken):
            return claim(folder, moved, written)
    raise AssertionError("unreachable")


def run_folders(name: str) -> Iterator[Path]:
    """Those that a run of that name takes the first free of."""
    for number in itertools.count(1):
        yield Path("runs") / (name if number == 1 else f"{name}-{number}")


def claim(folder: Path, moved: bool = False, written: Sequence[str] = ()) -> Claim:
    """The right to make ``folder``; what a dead run left of it is cleared away, or kept where others wrote into it.
    Its trainings stay where they are. ``moved``: a folder that was copied or renamed is a dead run's, too. ``written``:
    patterns of paths that reporters write, beside what every run does.

    Raises ``Taken`` where it exists, another process writes it, or something else than such a run's is in the way;
    ``StorageError`` where the disk does not take it.
    """
    folder = absolute(folder)
    _require_absent(folder)
    partial = folder.with_name(folder.name + PARTIAL)
    try:
        lock = _claimed(partial, moved)
        claimed = Claim(folder, partial, lock, _cleared(partial, written))
    except OSError as error:
        raise storage_error(folder, error) from error
    try:
        _require_absent(folder)  # another run may have become it since
    except Taken:
        claimed.drop()
        raise
    return claimed


@contextlib.contextmanager
def writing(claimed: Claim, keep_on: tuple[type[Exception], ...] = ()) -> Iterator[Path]:
    """A folder to write into that becomes ``claimed.folder`` when the block ends well.

    It goes when the block ends in an error that was explained to the user. After an interrupt, a crash or one of
    ``keep_on`` it stays, until the next run claims the folder: its events tell how far this one came. Raises ``Taken``
    where others took it away, which is what made files fail that were written into it.
    """
    try:
        try:
            yield claimed.partial
        except GraftworkError as error:
            if not isinstance(error, (Taken, *keep_on)):
                claimed.drop()
            raise
        except OSError:
            claimed.require_ours()
            raise
        claimed.finish()
    finally:
        claimed.leave()


def _require_absent(folder: Path) -> None:
    if os.path.lexists(folder):
        what = "is a link to nothing" if not folder.exists() else "exists already"
        raise Taken(f"{folder} {what}; name another --out, or remove it first")


def _claimed(partial: Path, moved: bool) -> FileIO:
    """The lock of ``partial``, which is made, or was left by a dead run."""
    partial.parent.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            partial.mkdir()
        except FileExistsError:
            lock = _of_the_dead(partial, moved)
        else:
            lock = _fresh_lock(partial)
        if lock is not None:
            return lock


def _fresh_lock(partial: Path) -> FileIO | None:
    """It gets its name when it is held and says whose it is: nobody finds it before. ``None`` where another process was
    first, or the folder is gone.
    """
    unnamed = partial / f"{LOCK}-{uuid.uuid4().hex}"
    lock = None
    try:
        lock = FileIO(unnamed, "x+")
        _is_held(lock)  # where the file system knows no locks the folder alone is the claim, and stays when we die
        lock.write(json.dumps(_said(partial, lock)).encode())
        _name(unnamed, partial / LOCK)
    except BaseException as error:
        if lock is not None:
            lock.close()
        if isinstance(error, FileExistsError | FileNotFoundError):
            return None
        raise
    finally:
        with contextlib.suppress(OSError):
            unnamed.unlink(missing_ok=True)
            partial.rmdir()  # only if it is empty
    return lock


def _name(unnamed: Path, path: Path) -> None:
    """Raises ``FileExistsError`` where another has that name."""
    try:
        os.link(unnamed, path)
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:  # a file system without links: who looks first is not told apart from who looks at the same time
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        os.rename(unnamed, path)


def _is_bare(partial: Path) -> bool:
    """Whether it holds nothing but locks without a name: its run was killed between making the folder and naming its
    lock, or after it had removed all else.
    """
    try:
        return all(one.name.startswith(f"{LOCK}-") for one in partial.iterdir())
    except OSError:
        return False


def _of_the_dead(partial: Path, moved: bool) -> FileIO | None:
    """The lock of a folder that a dead run left; ``None`` if it is gone. Raises ``Taken`` for all else."""
    path = partial / LOCK
    if not os.path.lexists(path):
        time.sleep(0.2)  # whoever made the folder just now is about to name its lock
    if not os.path.lexists(partial):
        return None
    if not os.path.lexists(path) and not partial.is_symlink() and _is_bare(partial):
        return _fresh_lock(partial)
    if partial.is_symlink() or path.is_symlink() or not path.is_file():
        raise _in_the_way(partial)
    try:
        lock = FileIO(path, "r+")
    except FileNotFoundError:
        return None
    except OSError:
        raise _in_the_way(partial) from None
    try:
        said = _read(lock)
        if not _is_held(lock):
            raise Taken(f"another process ({said.get('process')}) writes {partial}; wait for it, or name another --out")
        if not path.exists() or path.stat().st_ino != os.fstat(lock.fileno()).st_ino:
            lock.close()  # its run ended between looking and locking
            return None
        now = _said(partial, lock)
        if said != now | {"process": said.get("process")} and not (moved and said.keys() == now.keys()):
            raise _in_the_way(partial)
        lock.seek(0)
        lock.truncate(lock.write(json.dumps(now).encode()))
    except BaseException:
        lock.close()
        raise
    return lock


def _in_the_way(partial: Path) -> Taken:
    return Taken(f"{partial} is in the way, and nothing that an unfinished run left: move it, or name another --out")


def _said(partial: Path, lock: FileIO) -> dict[str, Any]:
    """What the lock's file says; a copy has another inode, and a renamed folder another name."""
    return {"folder": partial.name, "inode": os.fstat(lock.fileno()).st_ino, "process": os.getpid()}


def _read(lock: FileIO) -> dict[str, Any]:
    try:
        said = json.loads(lock.read(4096))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _cleared(partial: Path, written: Sequence[str]) -> Path | None:
    """Remove all but what stays; or, where others have put something in, move it into a folder beside it."""
    own = [path for path in partial.iterdir() if path.name not in _STAY]
    if all(_is_written(path, partial, written) for one in own for path in (one, *one.rglob("*"))):
        _empty(partial)
        return None
    for number in itertools.count(1):
        kept = partial.with_name(f"{partial.name}-kept" if number == 1 else f"{partial.name}-kept-{number}")
        with contextlib.suppress(FileExistsError):
            kept.mkdir()
            break
    for path in partial.iterdir():
        if path.name not in _STAY:
            os.rename(path, kept / path.name)
    return kept


def tidy(folder: Path) -> None:
    """Remove from a finished run what only an unfinished one needs; until then it may be killed."""
    for name in (TRAININGS, CHECKPOINTS):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / LOCK).unlink(missing_ok=True)


def _holds_trainings(partial: Path) -> bool:
    return any((partial / TRAININGS).glob("*.safetensors")) or any((partial / CHECKPOINTS).glob("*/*"))


def _is_written(path: Path, partial: Path, written: Sequence[str]) -> bool:
    name, inside = path.name, path.relative_to(partial).as_posix()
    if name in _WRITTEN or name.endswith(_WRITTEN_AS) or name.startswith(_UNFINISHED):
        return True
    return _is_of_a_task(path, partial) or any(fnmatchcase(inside, pattern) for pattern in written)


def _is_of_a_task(path: Path, partial: Path) -> bool:
    """A folder of a sequence's states, whose names are the tasks'."""
    return path.is_dir() and path.relative_to(partial).parts[0] == TASKS


def _empty(partial: Path) -> None:
    """Remove all but what stays; what links lead to stays."""
    for path in partial.iterdir():
        if path.name in _STAY:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _is_held(lock: FileIO) -> bool:
    """Whether the lock is this process's now; it is free again when no process has the file open."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
