"""Whole runs side by side: each by a process, into a folder of its own that is read afterwards."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....registry.catalogue import Catalogue
from ... import events
from ...events import NOTES, EpochFinished, Event, JobAdvanced, RunStarted, StageStarted, Tell, TrainingFinished
from ...spec.pipeline_spec import PipelineSpec
from ..reporters import log
from ..resume import Resume
from .known import unknown_in_words, used
from .pool import Job, JobError, Pool, Said


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run that is to be made."""

    spec: PipelineSpec
    folder: Path
    #: What it is called on the page of progress.
    name: str
    resume: Resume
    #: Seconds between two checkpoints of a training.
    every: float


def runs_beside(
    wanted: Sequence[Wanted], catalogue: Catalogue, store: Path, count: int, threads: int, tell: Tell
) -> Generator[tuple[int, JobError | None], None, None]:
    """Make them in ``count`` processes of so many threads; each, by its number, as it ends, with why it failed.

    What several encode alike the first of them encodes. Ends before all did where other processes do not know the
    components; that is said as a note.
    """
    jobs = [_job(one, store) for one in wanted]
    with Pool(min(count, len(jobs)), threads, used([one.spec for one in wanted], catalogue)) as pool:
        pool.add(jobs)
        pages = {job: _Page(job, tell) for job in jobs}
        left = len(jobs)
        while left:
            said = pool.hear()
            if said is None:
                NOTES.warning("%s", unknown_in_words(pool.unknown))
                return
            pages[said.job].hear(said)
            if said.what == "end":
                left -= 1
                yield jobs.index(said.job), said.job.error


def _job(one: Wanted, store: Path) -> Job:
    said: dict[str, Any] = {"do": "run", "spec": one.spec.to_json(), "folder": str(one.folder), "store": str(store)}
    said |= {"resume": one.resume, "every": one.every}
    sections = [
        section and section.model_dump(mode="json")
        for section in (one.spec.dataset, one.spec.encoder, one.spec.captioner)
    ]
    stores = one.spec.level == "features" or one.spec.captioner is not None
    return Job(said, one.name, json.dumps(sections) if stores else None)


class _Page:
    """The line of a run on the page of progress; what its process logs is logged here."""

    def __init__(self, job: Job, tell: Tell) -> None:
        self._job, self._tell = job, tell
        self._done, self._total = 0, 0

    def hear(self, said: Said) -> None:
        """One thing more."""
        if said.what == "note":
            NOTES.warning("%s: %s", self._job.name, said.value)
        elif said.what == "event":
            name, fields = said.value
            self._show(getattr(events, name)(**fields))
        elif said.what == "end":
            self._tell(JobAdvanced((self._job.slot or 0) + 1, self._job.name, 0, 0))

    def _show(self, event: Event) -> None:
        log(event)
        what = ""
        match event:
            case RunStarted():
                self._total = event.trainings
            case StageStarted():
                what = event.stage
            case EpochFinished():
                what = f"epoch {event.epoch}"
            case TrainingFinished():
                self._done = event.training
            case _:
                return
        name = f"{self._job.name}: {what}" if what else self._job.name
        self._tell(JobAdvanced((self._job.slot or 0) + 1, name, self._done, max(self._total, 1)))
