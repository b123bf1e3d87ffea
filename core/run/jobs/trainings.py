"""Trainings of one run side by side: processes write them where a run that goes on after an interrupt finds them.

The run itself stays one process. It asks for training after training in their order, as ever, and finds each finished,
with its epochs: nothing that it writes depends on who trained.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ....registry.catalogue import Catalogue
from ...events import JobAdvanced, Note
from ...spec.load_spec import spec_from_dict
from ...spec.pipeline_spec import PipelineSpec
from ...storage.claim import LOCK, Claim, Taken
from ...training.devices import own_randomness
from ...training.finished import FinishedTrainings
from ...training.members import Hear, TrainingError
from ...training.trial import Trial
from ..experiment import Experiment
from ..meter import Usage
from ..resume import code_here
from ..search import search_of
from .known import unknown_in_words, used
from .machine import Jobs, each, fitting, shared_threads, with_threads
from .pool import Job, Killed, Pool


@contextlib.contextmanager
def trained_beside(experiment: Experiment, finished: FinishedTrainings, claimed: Claim, jobs: Jobs) -> Iterator[None]:
    """Within it trainings of the run are done by ``jobs`` processes, of ``auto`` where it pays; on the CPU alone."""
    device = experiment.device.type
    why = "tasks are learnt one after another" if experiment.spec.tasks else None if device == "cpu" else f"on {device}"
    if jobs == 1 or why:
        if jobs not in (1, "auto"):
            experiment.tell(Note(f"{why}: one process does all trainings of this run, jobs {jobs} is left out"))
        yield
        return
    with contextlib.ExitStack() as stack:
        beside = _Beside(experiment, finished, claimed, jobs, stack)
        finished.beside = beside.wait
        yield


class _Beside:
    """The trainings of a run, and the processes that do them once there are some."""

    def __init__(
        self,
        experiment: Experiment,
        finished: FinishedTrainings,
        claimed: Claim,
        jobs: Jobs,
        stack: contextlib.ExitStack,
    ) -> None:
        self._experiment, self._finished, self._jobs, self._stack = experiment, finished, jobs, stack
        self._pool: Pool | None = None
        #: By their key, those that nobody began here, in their order.
        self._offered: dict[str, Job] = {}
        #: What was heard of those that are not asked for yet.
        self._epochs: defaultdict[Job, list[Any]] = defaultdict(list)
        #: Those of whose end was heard.
        self._ended: set[Job] = set()
        #: How many were trained here, and since when.
        self._here, self._since = 0, time.perf_counter()
        spec = experiment.spec
        self._of = {
            "spec": spec.to_json() | {"reporters": []},
            "store": str(experiment.store),
            "device": str(experiment.device),
            "folder": str(finished.folder),
            "every": finished.every,
            "lock": [str(claimed.partial / LOCK), os.fstat(claimed.lock.fileno()).st_ino],
        }
        self._threads = torch.get_num_threads() if jobs == "auto" else shared_threads(jobs)
        search = search_of(spec) if spec.trials is None else ()
        known = [(values, experiment.spec_of(values)) for values in search]
        for values, one in known:
            self._offer(one, _in_words(values))
        if jobs != "auto":  # they begin while this process prepares what they share
            self._start(min(jobs, len(self._offered) if spec.trials is None else len(spec.seeds)))
        for _, one in known:
            experiment.engine(one).prepare(one)
        stack.enter_context(with_threads(self._threads))
        if self._pool is not None:
            self._pool.add(list(self._offered.values()))

    def _offer(self, spec: PipelineSpec, name: str = "") -> list[Job]:
        """The seeds of a combination that are not there yet."""
        new = []
        for seed in spec.seeds:
            key = self._finished.key(spec, seed)
            if key not in self._offered and not self._finished.holds(spec, seed):
                said = {"do": "train", "of": self._of, "spec": spec.to_json() | {"reporters": []}, "seed": seed}
                job = self._offered[key] = Job(said, ", ".join(filter(None, [name, f"seed {seed}"])))
                new.append(job)
        return new

    def wait(self, spec: PipelineSpec, seed: int, hear: Hear) -> bool:
        """As ``FinishedTrainings.beside``. Raises what went wrong there; what was killed there is done here."""
        key = self._finished.key(spec, seed)
        if key not in self._offered and self._finished.holds(spec, seed):  # of before
            return False
        new = self._offer(spec) if key not in self._offered else []
        job = self._offered[key]
        if self._pool is None and self._jobs == "auto":
            self._start(self._fitting(left := self._from(job)))
            if self._pool is not None:
                self._pool.add(left)
        elif self._pool is not None:
            self._pool.add(new)
        while self._pool is not None and job not in self._ended:
            self._hear(self._pool)
        if self._pool is None:
            self._here += 1
        if isinstance(job.error, Killed):
            self._experiment.tell(Note(f"{job.name}: {job.error}; it is trained here, again"))
            return False
        epochs = self._epochs.pop(job, [])
        if job.error is not None:
            for epoch in epochs:  # those of one that ended well are found with it
                hear(*epoch)
            raise TrainingError(str(job.error)) if job.error.kind == TrainingError.__name__ else job.error
        return job in self._ended

    def _from(self, job: Job) -> list[Job]:
        """It, and those after it."""
        offered = list(self._offered.values())
        return offered[offered.index(job) :]

    def _fitting(self, left: Sequence[Job]) -> int:
        """Processes that pay for what is left, by those that were trained here; 1 before there is one."""
        if not self._here:
            self._since = time.perf_counter()
            return 1
        megabytes = max(usage.peak_memory_mb for usage in self._experiment.meter.stages.values())
        seconds = each(time.perf_counter() - self._since, self._here)
        count = fitting(len(left), torch.get_num_threads(), seconds, megabytes)  # threads that a training has here
        if count > 1:
            self._experiment.tell(Note(f"{len(left)} trainings are left, and go on in {count} processes"))
        return count

    def _start(self, count: int) -> None:
        if count > 1:
            known = used([self._experiment.spec.model_copy(update={"reporters": ()})], self._experiment.catalogue)
            self._pool = self._stack.enter_context(Pool(count, self._threads, known))

    def _hear(self, pool: Pool) -> None:
        """The next thing that a process says."""
        said = pool.hear()
        if said is None:
            self._experiment.tell(Note(unknown_in_words(pool.unknown)))
            self._pool, self._jobs = None, 1
            return
        job, total = said.job, self._experiment.spec.trainer.epochs
        if said.what == "epoch":
            self._epochs[job].append(said.value)
            self._experiment.tell(JobAdvanced((job.slot or 0) + 1, job.name, said.value[0], total))
        elif said.what == "note":
            self._experiment.tell(Note(said.value))
        elif said.what == "end":
            self._ended.add(job)
            self._experiment.tell(JobAdvanced((job.slot or 0) + 1, job.name, 0, 0))
            if job.answer is not None:
                usage = self._experiment.meter.stages.setdefault("train", Usage())
                usage.peak_memory_mb = max(usage.peak_memory_mb, job.answer["peak_memory_mb"])


def _in_words(values: Mapping[str, Any]) -> str:
    said = {key: one.get("type", "...") if isinstance(one, dict) else one for key, one in values.items()}
    return ", ".join(f"{key.rpartition('.')[2]} {one}" for key, one in said.items())


class Opened:
    """The other side: trainings of one run, by a process of their own."""

    def __init__(self, of: Mapping[str, Any], catalogue: Catalogue, say: Callable[[str, Any], None]) -> None:
        device = torch.device(of["device"])
        spec = spec_from_dict(of["spec"], catalogue=catalogue)
        path, inode = of["lock"]

        def require_ours() -> None:
            with contextlib.suppress(OSError):
                if os.lstat(path).st_ino == inode:
                    return
            raise Taken(f"{Path(path).parent} was moved or removed by others while it was written")

        self._finished = FinishedTrainings(
            Path(of["folder"]), code_here(catalogue, device), require_ours, lambda event: None, False, of["every"]
        )
        self._experiment = Experiment(
            spec, catalogue, Path(of["store"]), device, lambda event: None, finished=self._finished
        )
        self._say = say

    def train(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """One training, written where its run finds it."""
        experiment = self._experiment
        spec = spec_from_dict(said["spec"], catalogue=experiment.catalogue)

        def hear(*epoch: Any) -> None:
            self._say("epoch", epoch)

        with own_randomness(experiment.device):
            engine = experiment.engine(spec)
            engine.train(Trial({}, spec, engine.prepare(spec)), said["seed"], hear)
        self._finished.write()
        return {"peak_memory_mb": max(usage.peak_memory_mb for usage in experiment.meter.stages.values())}
