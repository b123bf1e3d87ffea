"""Which state of a run over tasks is asked, and about which task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ....registry.errors import nearest
from ...storage.claim import TASKS
from ...storage.result import Result
from ...storage.result_parts import TaskSequence
from ...storage.run_folder import RunFolderError

UNTOLD = (
    "its figures are of items whose task is known, and none was named: an answer is now any class of any task. Name "
    "the task of the items (`--task`, `load(run, task=...)`)"
)


def sequence_of(run: Path) -> TaskSequence | None:
    """What is known of the tasks of a run, or of the run that a state stands in; ``None`` without any."""
    for folder in (run, run.parent.parent) if run.parent.name == TASKS else (run,):
        if (folder / "result.json").is_file():
            return Result.read(folder / "result.json").tasks
    return None


def state_after(run: Path, task: str) -> Path:
    """The folder of the state after a task. Raises ``RunFolderError`` where there is none."""
    _require_task(run, task)
    found = [one for one in (run / TASKS).glob("*") if one.name.partition("-")[2] == task]
    if not found:
        there = ", ".join(sorted(one.name for one in (run / TASKS).glob("*"))) or "none"
        raise RunFolderError(f"{run} has no state after `{task}`; its states: {there}")
    return found[0]


def classes_of(run: Path, task: str) -> Sequence[str]:
    """The classes of a task. Raises ``RunFolderError`` for one that the run does not know."""
    return _require_task(run, task).classes[task]


def _require_task(run: Path, task: str) -> TaskSequence:
    found = sequence_of(run)
    if found is None:
        raise RunFolderError(f"{run} was trained on one task, and has no task `{task}`")
    if task not in found.classes:
        near = nearest(task, found.classes)
        hint = f"did you mean `{near}`?" if near else f"it has {', '.join(found.classes)}"
        raise RunFolderError(f"{run} has no task `{task}`; {hint}")
    return found
