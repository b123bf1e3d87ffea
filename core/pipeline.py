"""The pipeline as a Python object; it says the same as the JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ..registry.catalogue import Catalogue
from ..registry.discovery import default_catalogue
from ..registry.errors import UserError
from .events import Event, Tell
from .spec.load_spec import load_spec, spec_from_dict
from .spec.pipeline_spec import PipelineSpec
from .storage.claim import CHECKPOINT_EVERY
from .storage.root import store_root

if TYPE_CHECKING:
    from .run.jobs.machine import Jobs
    from .run.lock import Lock
    from .run.resume import Resume
    from .run.run import Run
    from .stages.stage_plan import Plan
    from .studies.compare_report import Comparison
    from .studies.sweep import Grid, Hear, Point
    from .studies.sweep_report import WrittenSweep


class Pipeline:
    """A validated pipeline.

        Pipeline.from_file("spec.json", {"graph.threshold": 0.8}).run()

    ``overrides`` are dotted paths to values, as ``--set`` on the command line. ``catalogue`` defaults to what is
    installed. Every constructor raises ``SpecError`` with all problems at once.
    """

    def __init__(self, spec: PipelineSpec | Mapping[str, Any], catalogue: Catalogue | None = None) -> None:
        self.catalogue = catalogue or default_catalogue()
        given = spec.to_json() if isinstance(spec, PipelineSpec) else spec
        self.spec = spec_from_dict(given, catalogue=self.catalogue)
        self._locked: tuple[Lock, str] | None = None

    def __repr__(self) -> str:
        spec = self.spec
        parts = [f"{spec.dataset.type} data", f"encoder {spec.encoder.type}", f"adapter {spec.adapter.type}"]
        return f"Pipeline({spec.name!r}: {', '.join(parts)}, task {spec.task.type})"

    @classmethod
    def _of(cls, spec: PipelineSpec, catalogue: Catalogue, locked: tuple[Lock, str] | None = None) -> Self:
        """Of a spec that was validated when it was read: it is not validated again."""
        made = cls.__new__(cls)
        made.spec, made.catalogue, made._locked = spec, catalogue, locked
        return made

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        overrides: Mapping[str, Any] | None = None,
        catalogue: Catalogue | None = None,
        root: str | Path | None = None,
    ) -> Self:
        """From a JSON file and what it extends; errors carry lines and columns. ``root``: see ``load_spec``."""
        catalogue = catalogue or default_catalogue()
        return cls._of(load_spec(path, overrides, catalogue, root), catalogue)

    @classmethod
    def from_dict(
        cls, value: Mapping[str, Any], overrides: Mapping[str, Any] | None = None, catalogue: Catalogue | None = None
    ) -> Self:
        """From a dictionary as JSON would give it."""
        catalogue = catalogue or default_catalogue()
        return cls._of(spec_from_dict(value, overrides, catalogue), catalogue)

    @classmethod
    def from_folder(
        cls,
        path: str | Path,
        overrides: Mapping[str, Any] | None = None,
        catalogue: Catalogue | None = None,
        store: str | Path | None = None,
    ) -> Self:
        """What ``graftwork init`` would write for a folder or a file of data. ``store`` remembers what files hold.

        Raises ``DataError`` for data that no data set reads, or that tells no classes apart.
        """
        from .survey.draft import draft

        catalogue = catalogue or default_catalogue()
        return cls._of(draft(path, overrides or {}, catalogue, store_root(store)).spec, catalogue)

    @classmethod
    def from_lock(cls, lock: str | Path | Mapping[str, Any], catalogue: Catalogue | None = None) -> Self:
        """What a lock (a file, or what ``lock()`` gave) holds; it runs only where nothing differs from it.

        Raises ``LockError`` naming what is installed otherwise; ``run`` raises it for data and models.
        """
        from .run.lock import read_lock
        from .run.lock_check import locked_spec

        catalogue = catalogue or default_catalogue()
        whole, name = read_lock(lock)
        return cls._of(locked_spec(whole, catalogue, name), catalogue, (whole, name))

    @classmethod
    def from_interrupted(cls, run: str | Path, catalogue: Catalogue | None = None) -> Self:
        """What an interrupted run was to be, named by its folder, NAME or NAME.partial.

        ``.run(NAME, resume=True)`` goes on with it.

        Raises ``RunFolderError`` where there is none to go on with.
        """
        from .run.resume import interrupted_run

        return cls.from_dict(interrupted_run(Path(run))[1], catalogue=catalogue)

    def lock(self, store: str | Path | None = None) -> dict[str, Any]:
        """Everything that this pipeline's numbers depend on, as JSON (see ``Lock``). Loads and fetches nothing.

        Raises ``DataError`` where the data set is not on this machine.
        """
        from .run.make_lock import make_lock

        return make_lock(self.spec, self.catalogue, store_root(store)).to_json()

    def locked_by(self, lock: str | Path | Mapping[str, Any]) -> Self:
        """This pipeline, which runs only where nothing differs from the lock. Raises ``LockError`` as ``from_lock``."""
        from .run.lock import read_lock

        return self._of(self.spec, self.catalogue, read_lock(lock))

    def plan(
        self,
        store: str | Path | None = None,
        tell: Callable[[Event], None] = lambda event: None,
        leaks_above: float | None = None,
    ) -> Plan:
        """What a run would do, what is stored already, how many parameters. Loads no model.

        ``tell`` hears of the reading of files, where a data set has many, and of notes on the data. ``leaks_above``, a
        cosine in (0, 1]: from it on, contents of two splits are near-duplicates, and ``leaks`` of the plan has them.
        """
        from .run.plan import make_plan

        return make_plan(self.spec, self.catalogue, store_root(store), tell, leaks_above)

    def run(
        self,
        out: str | Path | None = None,
        store: str | Path | None = None,
        *,
        resume: bool | None = None,
        show: bool = False,
        checkpoint_every: float = CHECKPOINT_EVERY,
        jobs: Jobs = 1,
    ) -> Run:
        """Train, select, test, save. ``out``: the run folder to make (default: the first free ``runs/NAME``);
        ``store``: where encoded vectors are kept (default: ``$GRAFTWORK_CACHE``, else the user's cache folder).

        ``resume``: go on with the trainings, finished or not, that an interrupted run of that folder left, or
        (``False``) begin anew. Where nothing is said and there are some, it raises ``ResumeError``, and where they are
        of another spec, other code or data. ``checkpoint_every``: seconds between two checkpoints of a training.

        ``show``: progress and table on standard error, as the spec's reporters say them. Without it what happens is in
        the log alone: ``logging.getLogger("graftwork.run")``, where notes are warnings.

        ``jobs``: processes that train seeds and search values beside each other, to the same result; ``"auto"``: as
        many as the machine takes, where it pays.
        """
        from .run.run import run_pipeline

        root, folder = store_root(store), None if out is None else Path(out)
        going: Resume = "ask" if resume is None else "go on" if resume else "anew"
        if self._locked is None:
            return run_pipeline(
                self.spec,
                self.catalogue,
                root,
                folder,
                resume=going,
                show=show,
                checkpoint_every=checkpoint_every,
                jobs=jobs,
            )
        from .run.lock_check import hold, hold_weights

        lock, name = self._locked
        hold(lock, self.spec, self.catalogue, root, name)
        return run_pipeline(
            self.spec,
            self.catalogue,
            root,
            folder,
            lambda trial: hold_weights(lock, trial, name),
            going,
            show,
            checkpoint_every=checkpoint_every,
            jobs=jobs,
        )

    def sweep(
        self,
        grid: Grid | None = None,
        seeds: Sequence[int] | None = None,
        out: str | Path | None = None,
        store: str | Path | None = None,
        hear: Hear | None = None,
        *,
        resume: bool = True,
        checkpoint_every: float = CHECKPOINT_EVERY,
        jobs: Jobs = 1,
        tell: Tell = lambda event: None,
    ) -> WrittenSweep:
        """Run at every point of ``grid`` (default: the search values) and write table and chart into ``out`` (default:
        ``runs/NAME-sweep``), where finished points are found again. ``hear(number, total, point)`` after each.

        A point that was interrupted goes on where it was, or without ``resume`` begins anew.

        ``jobs``: processes that run points beside each other; ``"auto"``: as many as the machine takes, where it pays.
        ``tell`` hears what they do."""
        from .studies.sweep import sweep
        from .studies.sweep_report import WrittenSweep, write_sweep

        folder = Path(out or Path("runs") / f"{self.spec.name}-sweep").absolute()
        root = store_root(store)
        going: Resume = "where equal" if resume else "anew"
        done = sweep(
            self.spec,
            grid,
            seeds,
            self.catalogue,
            root,
            folder,
            hear or _unheard,
            resume=going,
            checkpoint_every=checkpoint_every,
            jobs=jobs,
            tell=tell,
        )
        return WrittenSweep(done, folder, tuple(write_sweep(done, folder)))


def compare(
    given: Sequence[str | Path | Pipeline | Run],
    overrides: Mapping[str, Any] | None = None,
    *,
    seeds: Sequence[int] | None = None,
    against: str | None = None,
    out: str | Path | None = None,
    store: str | Path | None = None,
    catalogue: Catalogue | None = None,
    resume: bool = True,
    checkpoint_every: float = CHECKPOINT_EVERY,
    jobs: Jobs = 1,
) -> Comparison:
    """Put runs beside each other, as ``graftwork compare`` does: spec files, pipelines, run folders, runs.

    What is no run yet is run first, with ``overrides`` and ``seeds``, into ``out/runs`` (default: ``runs/compare``),
    unless it was before; one that was interrupted goes on where it was, or without ``resume`` begins anew. Table and
    chart are written into ``out``. Every other run is paired with ``against``, the name of one; by default with the
    first. ``jobs``: as of ``Pipeline.sweep``. A pipeline that fails is in ``failures``. Raises ``SpecError`` and
    ``RunFolderError`` before anything is run, ``UserError`` where nothing is given, or one that is in no list.
    """
    if not isinstance(given, (list, tuple)) or not given:
        raise UserError("compare takes a list of at least one spec file, pipeline, run folder or run")
    from .studies.compare import compare as compared
    from .studies.compare import write_comparison

    changes = {**(overrides or {}), **({"evaluation.seeds": list(seeds)} if seeds else {})}
    opened = [_spec_or_place(one) for one in given]
    known = catalogue or next((one.catalogue for one in given if isinstance(one, Pipeline)), None)
    folder = Path(out or Path("runs") / "compare").absolute()
    going: Resume = "where equal" if resume else "anew"
    root = store_root(store)
    found = compared(
        opened,
        changes,
        known or default_catalogue(),
        root,
        folder,
        against=against,
        resume=going,
        checkpoint_every=checkpoint_every,
        jobs=jobs,
    )
    write_comparison(found, folder)
    return found


def _unheard(number: int, total: int, point: Point) -> None:
    pass


def _spec_or_place(given: str | Path | Pipeline | Run) -> PipelineSpec | str | Path:
    if isinstance(given, Pipeline):
        return given.spec
    return given if isinstance(given, (str, Path)) else given.folder
