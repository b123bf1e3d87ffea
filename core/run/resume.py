"""Go on with an interrupted run: its trainings, finished or not, are found again, or begun anew if that is asked."""

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
from ..storage.claim import CHECKPOINTS, PARTIAL, TRAININGS, Claim, run_folders, tidy
from ..storage.manifest import require_whole
from ..storage.record import Json
from ..storage.run_folder import RunFolderError, read_json_file, write_json
from ..training.checkpoints.differences import differences
from ..training.checkpoints.folder import ResumeError, interrupted_epochs, swept
from ..training.finished import FinishedTrainings, trained_spec, written_trainings
from .lock import read_lock
from .lock_check import hold
from .make_lock import installed_versions
from .provenance import code_of

#: ``ask``: refuse to go past trainings of an interrupted run; ``go on`` with them, where all that they depend on is as
#: it was; ``where equal``: those that depend on something else are trained anew; ``anew``: all are.
Resume = Literal["ask", "go on", "where equal", "anew"]
#: The pipeline whose trainings they are, beside them.
_PIPELINE = Path(TRAININGS) / "pipeline.json"


def finished_run(spec: PipelineSpec, catalogue: Catalogue, store: Path, out: Path | None) -> Path | None:
    """The folder of this very run, where it came to its end: nothing is left to go on with. ``None`` where there is
    none, where another stands there, or where an interrupted one waits.
    """
    folders = [out] if out else list(itertools.takewhile(os.path.lexists, run_folders(spec.name)))
    following = out or next(one for one in run_folders(spec.name) if not os.path.lexists(one))
    if not folders or _in_words(following.with_name(following.name + PARTIAL)):
        return None
    try:
        require_whole(folders[-1])
        lock, name = read_lock(folders[-1] / "lock.json")
        hold(lock, spec, catalogue, store, name)
    except GraftworkError:
        return None
    tidy(folders[-1])
    return folders[-1]


def interrupted_run(run: Path) -> tuple[Path, Json]:
    """The folder that an interrupted run makes, by that name or as ``NAME.partial``, and its pipeline.

    Raises ``RunFolderError`` where there is none to go on with.
    """
    folder = run.with_name(run.name.removesuffix(PARTIAL))
    partial = folder.with_name(folder.name + PARTIAL)
    if not partial.is_dir():
        ended = "it came to its end" if folder.is_dir() else "there is no such folder"
        raise RunFolderError(f"{run} is no interrupted run: {ended}; nothing is to be gone on with")
    if not (partial / _PIPELINE).is_file():
        raise RunFolderError(f"{partial} does not say of which pipeline it is; name SPEC and --out {folder}")
    return folder, read_json_file(partial / _PIPELINE)


def code_here(catalogue: Catalogue, device: torch.device) -> Callable[[PipelineSpec], Json]:
    """What a training of a spec depends on that is installed on this machine."""
    installed = {"versions": installed_versions(), "device": device.type}
    return lambda spec: code_of(spec.model_copy(update={"reporters": ()}), catalogue) | installed


@contextlib.contextmanager
def resumed(
    claimed: Claim,
    spec: PipelineSpec,
    resume: Resume,
    code: Callable[[PipelineSpec], Json],
    tell: Tell,
    every: float,
) -> Iterator[FinishedTrainings]:
    """The trainings of a run, which go with its end. Where the block ends otherwise, those that wait are written.

    Raises ``ResumeError`` where there are some and nobody said what becomes of them, or they are of another spec.
    """
    partial = claimed.partial
    trainings, checkpoints = partial / TRAININGS, partial / CHECKPOINTS
    if resume == "anew":
        _remove(trainings, checkpoints)
    swept(checkpoints, trainings)
    if found := _in_words(partial):
        if resume == "ask":
            raise ResumeError(
                f"{partial} holds {found} of a run that did not come to its end; --resume goes on with it, --restart "
                "begins anew"
            )
        if resume == "go on":
            _require_same(partial, spec, found)
    write_json(partial / _PIPELINE, spec.to_json())
    finished = FinishedTrainings(trainings, code, claimed.require_ours, tell, strict=resume == "go on", every=every)
    try:
        yield finished
    except BaseException:
        with contextlib.suppress(GraftworkError, OSError):  # what ended the block is what is to be said
            finished.write()
            if found := _in_words(partial):
                tell(Note(f"{partial} holds {found}; --resume goes on from there"))
        raise


def _require_same(partial: Path, spec: PipelineSpec, found: str) -> None:
    """What was trained there is this spec's, but for what a search varies. Raises ``ResumeError`` naming the rest."""
    if not (partial / _PIPELINE).exists():
        return
    before = read_json_file(partial / _PIPELINE)
    varied = {*before.get("search", {}), *spec.search}
    now = trained_spec(spec)
    before = {key: one for key, one in before.items() if key in now}
    before["evaluation"] = {key: one for key, one in before.get("evaluation", {}).items() if key != "seeds"}
    differs = [one for one in differences(before, now) if not _is_within(one.partition(": was ")[0], varied)]
    if differs:
        raise ResumeError(
            f"{partial} holds {found} of another spec:"
            + "".join(f"\n  {one}" for one in differs)
            + "\nbring that back, begin anew (--restart), or name another --out"
        )


def _is_within(path: str, varied: set[str]) -> bool:
    return any(f"{path}.".startswith(f"{one}.") for one in varied)


def _remove(*folders: Path) -> None:
    for folder in folders:
        if folder.is_dir():
            shutil.rmtree(folder)


def found_in_words(finished: FinishedTrainings) -> list[str]:
    """The note on those that were not repeated."""
    return [f"{_counted(finished.found)} of before found again, not repeated"] if finished.found else []


def _in_words(partial: Path) -> str:
    """The trainings that an unfinished run holds; empty where there are none."""
    finished, epochs = written_trainings(partial / TRAININGS), interrupted_epochs(partial / CHECKPOINTS)
    said = [_counted(finished)] if finished else []
    if epochs:
        count = f"{len(epochs)} training{'s' if len(epochs) != 1 else ''}"
        said.append(f"{count} interrupted in epoch {', '.join(map(str, epochs))}")
    return " and ".join(said)


def _counted(count: int) -> str:
    return f"{count} finished training{'s' if count != 1 else ''}"
