"""Go on with an interrupted run: its finished trainings are found again, or begun anew where that is asked for."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import torch

from ...registry.catalogue import Catalogue
from ...registry.errors import GraftworkError
from ..events import Note, Tell
from ..spec.pipeline_spec import PipelineSpec
from ..storage.claim import PARTIAL, TRAININGS, Claim, run_folders
from ..storage.manifest import require_whole
from ..storage.record import Json
from ..training.finished import FinishedTrainings, ResumeError, written_trainings
from .lock import read_lock
from .lock_check import hold
from .make_lock import installed_versions
from .provenance import code_of

#: ``ask``: refuse to go past finished trainings of an interrupted run; ``go on`` with them, where all that they depend
#: on is as it was; ``where equal``: those that depend on something else are trained anew; ``anew``: all are.
Resume = Literal["ask", "go on", "where equal", "anew"]


def finished_run(spec: PipelineSpec, catalogue: Catalogue, store: Path, out: Path | None) -> Path | None:
    """The folder of this very run, where it came to its end: nothing is left to go on with. ``None`` where there is
    none, where another stands there, or where an interrupted one waits.
    """
    folders = [out] if out else list(itertools.takewhile(os.path.lexists, run_folders(spec.name)))
    following = out or next(one for one in run_folders(spec.name) if not os.path.lexists(one))
    if not folders or written_trainings(following.with_name(following.name + PARTIAL) / TRAININGS):
        return None
    try:
        require_whole(folders[-1])
        lock, name = read_lock(folders[-1] / "lock.json")
        hold(lock, spec, catalogue, store, name)
    except GraftworkError:
        return None
    return folders[-1]


def code_here(catalogue: Catalogue, device: torch.device) -> Callable[[PipelineSpec], Json]:
    """What a training of a spec depends on that is installed on this machine."""
    installed = {"versions": installed_versions(), "device": device.type}
    return lambda spec: code_of(spec.model_copy(update={"reporters": ()}), catalogue) | installed


@contextlib.contextmanager
def resumed(
    claimed: Claim, resume: Resume, code: Callable[[PipelineSpec], Json], tell: Tell
) -> Iterator[FinishedTrainings]:
    """The finished trainings of a run. When the block ends well, they go; else those that wait are written.

    Raises ``ResumeError`` where there are some and nobody said what becomes of them.
    """
    folder = claimed.partial / TRAININGS
    if resume == "anew" and folder.is_dir():
        shutil.rmtree(folder)
    if resume == "ask" and (count := written_trainings(folder)):
        raise ResumeError(
            f"{claimed.partial} holds {_counted(count)} of a run that did not come to its end; --resume goes on with "
            "it, --restart begins anew"
        )
    finished = FinishedTrainings(folder, code, claimed.require_ours, tell, strict=resume == "go on")
    try:
        yield finished
    except BaseException:
        with contextlib.suppress(GraftworkError, OSError):  # what ended the block is what is to be said
            finished.write()
            if count := written_trainings(folder):
                tell(Note(f"{folder} holds {_counted(count)}; --resume goes on from there"))
        raise
    shutil.rmtree(folder, ignore_errors=True)


def found_in_words(finished: FinishedTrainings) -> list[str]:
    """The note on those that were not repeated."""
    return [f"{_counted(finished.found)} of before found again, not repeated"] if finished.found else []


def _counted(count: int) -> str:
    return f"{count} finished training{'s' if count != 1 else ''}"
