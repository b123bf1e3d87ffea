"""A run that is done once: found by all that its numbers depend on, or run and kept under that name."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from ...registry.build import build
from ...registry.catalogue import Catalogue
from ...registry.errors import GraftworkError
from ...registry.spec import Spec
from ..events import Tell
from ..roles.dataset import Dataset
from ..roles.specs import DatasetSpec
from ..run.jobs.machine import Jobs, each, fitting, require_jobs, shared_threads, with_threads
from ..run.jobs.runs import Wanted, runs_beside
from ..run.provenance import code_of
from ..run.resume import Resume
from ..run.run import run_pipeline
from ..spec.node_kinds import modalities_of
from ..spec.pipeline_spec import PipelineSpec
from ..stages.context import RunContext
from ..stages.list_tasks import of_data_sets
from ..storage.claim import CHECKPOINT_EVERY, PARTIAL
from ..storage.manifest import require_whole
from ..storage.record import Json
from ..storage.result import Result
from ..storage.store import identity_key
from ..training.devices import own_randomness, resolve_device


@dataclass(frozen=True, slots=True)
class Done:
    """A finished run."""

    folder: Path
    typed: Result
    #: Whether it was found rather than run.
    found: bool

    @property
    def result(self) -> Json:
        """What ``result.json`` holds."""
        return self.typed.to_json()


#: Digits of the content at the end of a folder's name: 2 ** 48 contents, of which a folder holds some thousands.
DIGITS = 12
#: Letters of what people call it.
LONGEST = 48


class RunCache:
    """Runs pipelines into folders ``parent/NAME-CONTENT``; a finished one is found by its content, whatever its name,
    and not run again; one that was interrupted goes on where it was, unless ``resume`` says ``anew``.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        store: Path,
        parent: Path,
        resume: Resume = "where equal",
        checkpoint_every: float = CHECKPOINT_EVERY,
    ) -> None:
        self.catalogue, self.store, self.parent = catalogue, store, parent
        self._resume, self._every = resume, checkpoint_every
        self._known: dict[str, str] = {}

    def __call__(self, spec: PipelineSpec, name: str) -> Done:
        """The finished run of ``spec``. Raises what ``run_pipeline`` raises; a failed run is tried again next time.

        Raises ``RunFolderError`` where a finished one was altered since.
        """
        folder = self._folder(name, self.key(spec))
        if (found := _found(folder)) is not None:
            return found
        run = run_pipeline(spec, self.catalogue, self.store, folder, resume=self._resume, checkpoint_every=self._every)
        return Done(run.folder, run.typed, False)

    def each(
        self,
        named: Sequence[tuple[PipelineSpec, str]],
        jobs: Jobs = 1,
        tell: Tell = lambda event: None,
        survived: tuple[type[Exception], ...] = (),
    ) -> Generator[tuple[int, Done | GraftworkError], None, None]:
        """The finished run of each spec, by its number, as it ends, or why it failed; ``jobs`` processes beside each
        other run them.

        An error of ``survived`` becomes a ``GraftworkError``. ``tell`` hears what the processes do. Raises
        ``UserError`` for no number of processes.
        """
        require_jobs(jobs)
        left = dict(enumerate(named))
        threads = torch.get_num_threads() if jobs == "auto" or jobs == 1 else shared_threads(jobs)
        count = 1 if jobs == "auto" else jobs
        spent, made = 0.0, 0
        with with_threads(threads):
            while left:
                if count > 1:
                    with contextlib.closing(self._beside(left, count, threads, tell)) as ended:
                        for number, outcome in ended:
                            del left[number]
                            yield number, outcome
                    count, jobs = 1, 1  # what is left now is a run twice, or one that other processes cannot make
                    continue
                number, (spec, name) = next(iter(left.items()))
                since = time.perf_counter()
                outcome = self._tried(spec, name, survived)
                seconds = time.perf_counter() - since
                del left[number]
                yield number, outcome
                if jobs == "auto" and isinstance(outcome, Done) and not outcome.found:
                    spent, made = spent + seconds - _stored(outcome.typed), made + 1
                    count = _fitting([one for one, _ in left.values()], outcome.typed, each(spent, made))

    def _tried(self, spec: PipelineSpec, name: str, survived: tuple[type[Exception], ...]) -> Done | GraftworkError:
        try:
            return self(spec, name)
        except GraftworkError as error:
            return error
        except survived as error:
            failure = GraftworkError(f"{type(error).__name__}: {error}")
            failure.__cause__ = error
            return failure

    def _beside(
        self, left: Mapping[int, tuple[PipelineSpec, str]], count: int, threads: int, tell: Tell
    ) -> Generator[tuple[int, Done | GraftworkError], None, None]:
        """Those that are there, and those that processes make; not a run that stands there twice, a second time."""
        wanted: dict[Path, tuple[int, Wanted]] = {}
        for number, (spec, name) in list(left.items()):
            try:
                folder = self._folder(name, self.key(spec))
                if (found := _found(folder)) is not None:
                    yield number, found
                else:
                    wanted.setdefault(folder, (number, Wanted(spec, folder, name, self._resume, self._every)))
            except GraftworkError as error:
                yield number, error
        if len(wanted) < 2:
            return
        numbers, runs = zip(*wanted.values(), strict=True)
        with contextlib.closing(runs_beside(runs, self.catalogue, self.store, count, threads, tell)) as ended:
            for index, failure in ended:
                yield numbers[index], failure or replace(_read(runs[index].folder), found=False)

    def key(self, spec: PipelineSpec) -> str:
        """Of spec, versions of Graftwork and of each component, data, encoder weights and the run it starts from.

        The weights are those noted beside the stored vectors; only where none are stored the model is loaded.
        """
        elsewhere = {"name", "reporters"}  # they say where results go, not what they are
        identity = {
            "pipeline": {key: value for key, value in spec.to_json().items() if key not in elsewhere},
            **code_of(spec, self.catalogue),
            "data": [self._once(one, partial(self._fingerprint, one)) for one in (spec.dataset, *of_data_sets(spec))],
            "weights": {
                modality: self._once(spec.encoder.tower(modality), lambda: self._weights(spec, modality))  # noqa: B023
                for modality in _modalities(spec)
            },
        }
        return identity_key(identity)

    def _folder(self, name: str, key: str) -> Path:
        """The one that is there, finished or not, or was written when folders had the whole key for a name."""
        there = {path.name.removesuffix(PARTIAL) for path in self.parent.glob(f"*{key[:DIGITS]}*")}
        known = [one for one in sorted(there) if one == key or one.endswith(f"-{key[:DIGITS]}")]
        said = re.sub(r"[^A-Za-z0-9._+]+", "-", name)[:LONGEST].strip("-.") or "run"
        return self.parent / next(iter(known), f"{said}-{key[:DIGITS]}")

    def _once(self, section: Spec, find: Callable[[], str]) -> str:
        key = f"{type(section).__name__} {section.model_dump_json()}"
        if key not in self._known:
            self._known[key] = find()
        return self._known[key]

    def _fingerprint(self, dataset: DatasetSpec) -> str:
        return build(Dataset, self.catalogue, dataset).load().fingerprint()

    def _weights(self, spec: PipelineSpec, modality: str) -> str:
        device = resolve_device(spec.device)
        with own_randomness(device):
            return (
                RunContext(self.catalogue, self.store, find_device=lambda: device).encoder(spec).facts(modality).weights
            )


def _found(folder: Path) -> Done | None:
    """The finished run in a folder. Raises ``RunFolderError`` where it was altered since."""
    return _read(folder) if (folder / "result.json").is_file() else None


def _read(folder: Path) -> Done:
    require_whole(folder)
    return Done(folder, Result.read(folder / "result.json"), True)


def _stored(made: Result) -> float:
    """Seconds of what a run stored, and those after it find."""
    return sum(made.stages[stage].seconds for stage in ("describe", "encode") if stage in made.stages)


def _fitting(left: Sequence[PipelineSpec], like: Result, seconds: float) -> int:
    """Processes that pay for what is left, at so many seconds each, by a run that was made here."""
    megabytes = max(usage.peak_memory_mb for usage in like.stages.values())
    threads = 1 if all(spec.level == "features" for spec in left) else torch.get_num_threads()
    return fitting(len(left), threads, seconds, megabytes)


def _modalities(spec: PipelineSpec) -> tuple[str, ...]:
    """What the encoder is asked for: the nodes' modalities, and texts for prompts; all where its towers run."""
    if spec.level == "layers":
        return tuple(sorted(spec.encoder.modalities() or ("image", "text")))
    return tuple(dict.fromkeys([*modalities_of(spec), *(["text"] if spec.task.uses_prompts() else [])]))
