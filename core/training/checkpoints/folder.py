"""Checkpoints of one training: whole or not there, the newest whole one taken, two kept.

    NAME.partial/checkpoints/KEY/EPOCHS-STEPS/    after so many epochs, and so many steps of the next
        state.safetensors  manifest.json

Each is written under another name, its manifest last, and renamed. KEY is of spec and seeds, as that of a finished
training.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ....registry.errors import UserError
from ...events import Note, Tell
from ...storage.claim import CHECKPOINT_EVERY
from ...storage.files import StorageError, storage_error
from ...storage.manifest import MANIFEST, listed_files, seal
from ...storage.record import Json
from ...storage.run_folder import RunFolderError
from .differences import differences
from .state_file import read_state, write_state
from .tree import NotKept, Tree, flattened, rebuilt

#: What writing them may take of a training's time: after a slow one the next comes later.
SHARE = 0.02
#: What can be done about a training of other code, data or weights.
BRING_BACK = "bring that back, or begin anew: --restart"
STATE = "state.safetensors"
_UNFINISHED = ".graftwork-partial-"
#: How many are kept: the newest, and one that a disk which loses its last write still has.
KEPT = 2


class ResumeError(UserError):
    """An interrupted run cannot be gone on with; the message names what differs."""


@dataclass
class Checkpoints:
    """Of one training, written in ``folder``. ``about()``: all that it depends on beside its spec."""

    folder: Path
    about: Callable[[], Json]
    require_ours: Callable[[], None]
    tell: Tell
    every: float = CHECKPOINT_EVERY
    #: Whether one that cannot be gone on with is an error rather than no checkpoint.
    strict: bool = True
    _since: float = field(default_factory=time.perf_counter)
    _took: float = 0.0
    _failed: str = ""

    def due(self) -> bool:
        """Whether the next is to be written."""
        return time.perf_counter() - self._since >= max(self.every, self._took / SHARE)

    def write(self, place: str, tree: Tree) -> None:
        """One more, of the training as it is at ``place``. Where the disk does not take it that is said, and the
        training goes on. Raises ``Taken`` where the run folder is no longer ours.
        """
        began, whole = time.perf_counter(), self.folder / place
        if not whole.exists():  # else it is the one that was gone on with
            self.require_ours()
            partial = self.folder / f"{_UNFINISHED}{uuid.uuid4().hex}"
            try:
                self._write(partial, whole, tree)
            except (StorageError, NotKept) as error:
                shutil.rmtree(partial, ignore_errors=True)
                self._say_once(f"no checkpoint is written: {error}")
        self._since = time.perf_counter()
        self._took = self._since - began

    def _write(self, partial: Path, whole: Path, tree: Tree) -> None:
        said, tensors = flattened({**tree, "of": self.about()})
        try:
            partial.mkdir(parents=True)
            write_state(partial / STATE, said, tensors, lambda digest: seal(partial, {STATE: digest}))
            os.rename(partial, whole)
            with contextlib.suppress(OSError):  # not all systems let a folder be opened
                _flush(self.folder)
        except OSError as error:
            raise storage_error(self.folder, error) from error
        for old in _written(self.folder)[KEPT:]:
            _remove(old)

    def newest(self) -> Tree | None:
        """What the newest whole one holds; ``None`` where there is none.

        Raises ``ResumeError`` where it was made with other code, data or weights, and where none is whole.
        """
        damaged: list[tuple[Path, RunFolderError]] = []
        for path in _written(self.folder):
            try:
                tree = _read(path)
            except RunFolderError as error:
                damaged.append((path, error))
                continue
            return self._taken(path, tree, damaged)
        if damaged:
            self._refuse(
                f"{damaged[0][1]}\n{self.folder} holds no checkpoint that is whole; remove it to begin this training "
                "anew, or --restart to begin all of them"
            )
        return None

    def _taken(self, path: Path, tree: Tree, damaged: list[tuple[Path, RunFolderError]]) -> Tree | None:
        if differs := list(differences(tree["of"], self.about())):
            said = "".join(f"\n  {one}" for one in differs)
            self._refuse(f"{path}: what was trained before was trained otherwise:{said}\n{BRING_BACK}")
            return None
        for altered, error in damaged:
            self.tell(Note(f"{error}; the checkpoint before it is taken"))
            _remove(altered)
        return tree

    def _refuse(self, why: str) -> None:
        if self.strict:
            raise ResumeError(why)
        self.tell(Note(f"trained anew: {why.splitlines()[0]}"))
        self.remove()

    def remove(self) -> None:
        """All of them."""
        if self.folder.is_dir():
            shutil.rmtree(self.folder, ignore_errors=True)

    def _say_once(self, said: str) -> None:
        if said != self._failed:
            self._failed = said
            self.tell(Note(said))


def swept(folder: Path, finished: Path) -> None:
    """Remove what a killed run left unfinished in the ``checkpoints`` of a run, and those of trainings that are
    ``finished``.
    """
    for training in folder.iterdir() if folder.is_dir() else ():
        for partial in training.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(partial, ignore_errors=True)
        if (finished / f"{training.name}.safetensors").exists() or not any(training.iterdir()):
            shutil.rmtree(training, ignore_errors=True)


def interrupted_epochs(folder: Path) -> list[int]:
    """The epoch in which each training stands that has a checkpoint in the ``checkpoints`` of a run."""
    newest = [_written(training)[:1] for training in sorted(folder.iterdir())] if folder.is_dir() else []
    return [int(one.name.partition("-")[0]) + 1 for found in newest for one in found]


def place_of(epochs: int, steps: int) -> str:
    """The name of a checkpoint; they sort as they follow each other."""
    return f"{epochs:08}-{steps:08}"


def _written(folder: Path) -> list[Path]:
    """Newest first."""
    there = folder.iterdir() if folder.is_dir() else ()
    return sorted((one for one in there if one.name.replace("-", "").isdecimal()), reverse=True)


def _read(path: Path) -> Tree:
    """Raises ``RunFolderError``."""
    if STATE not in listed_files(path).files:
        raise RunFolderError(f"{path / MANIFEST} lists no {STATE}")
    said, tensors = read_state(path / STATE)
    try:
        tree = rebuilt(said, tensors)
    except (ValueError, KeyError, TypeError) as error:
        raise RunFolderError(f"{path / STATE} cannot be read: {error}") from None
    if not isinstance(tree, dict) or "of" not in tree:
        raise RunFolderError(f"{path / STATE} is no checkpoint")
    return tree


def _remove(path: Path) -> None:
    """At once: a half removed one has the name of what is swept."""
    gone = path.with_name(f"{_UNFINISHED}{uuid.uuid4().hex}")
    with contextlib.suppress(OSError):
        os.rename(path, gone)
        shutil.rmtree(gone)


def _flush(path: Path) -> None:
    """What was written of it."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
