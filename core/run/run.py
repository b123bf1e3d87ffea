"""Run a pipeline from spec to run folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...registry.build import build
from ...registry.catalogue import Catalogue
from ...registry.errors import UserError
from ...registry.hooks import Hooks
from ..data.html_table import html_table
from ..events import NOTES, Event, Note, RunFinished, RunStarted, StageFinished, Tell
from ..roles.reporter import Reporter
from ..spec.pipeline_spec import PipelineSpec
from ..spec.search_values import trial_count
from ..storage.claim import CHECKPOINT_EVERY, TASKS, TRAININGS, claim_run, writing
from ..storage.manifest import seal
from ..storage.result import Result
from ..storage.result_parts import Tried
from ..storage.run_folder import write_json, write_lines
from ..storage.store.prune import sweep_daily
from ..training.devices import own_randomness, resolve_device
from ..training.members import TrainingError
from ..training.trial import SplitScore, Trial
from .experiment import Experiment
from .item_predictions import item_predictions
from .jobs.machine import Jobs, require_jobs
from .jobs.trainings import trained_beside
from .make_lock import lock_of
from .measure_result import result_of, saved_index
from .measured import notes_of, result_rows
from .reporters import Reporters, log
from .resume import Resume, code_here, finished_run, found_in_words, resumed
from .save_adapter import model_card, save_adapter
from .sequences.learn import Sequences
from .sequences.plan import trainings_of

if TYPE_CHECKING:
    from ..training.predictor import Predictor


@dataclass(frozen=True, slots=True, repr=False)
class Run:
    """A finished run. A notebook shows it as a table."""

    #: Where it stands on disk.
    folder: Path
    #: What ``result.json`` holds.
    result: dict[str, Any]
    #: The same with a type.
    typed: Result
    #: Where its components are looked up.
    catalogue: Catalogue

    def __repr__(self) -> str:
        said = self.typed
        return f"Run({str(self.folder)!r}: {said.metric} {said.test[said.metric]} on {said.test_on})"

    def _repr_html_(self) -> str:
        title = f"{self.typed.name} on {self.typed.test_on}: {self.folder}"
        return html_table(("metric", "mean ± s.d."), result_rows(self.typed), title, notes_of(self.typed))

    def load(self, device: str = "auto") -> Predictor:
        """The trained pipeline, ready to predict."""
        from .load import load

        return load(self.folder, device=device, catalogue=self.catalogue)


def run_pipeline(
    spec: PipelineSpec,
    catalogue: Catalogue,
    store: Path,
    out: Path | None = None,
    prepared: Callable[[Trial[Any, Any]], None] = lambda trial: None,
    resume: Resume = "ask",
    show: bool = False,
    checkpoint_every: float = CHECKPOINT_EVERY,
    jobs: Jobs = 1,
) -> Run:
    """Train, select, test and save. ``prepared`` hears of each combination before it is trained, and may raise.
    Without ``show`` the reporters that write to a terminal are left out.

    ``resume``: of trainings, finished and not, in what an interrupted run of that folder left; how far a training came
    is written every ``checkpoint_every`` seconds. ``jobs``: how many processes train beside each other. Raises
    ``GraftworkError`` with nothing lost: encoded vectors stay stored, and so do finished trainings.
    """
    require_jobs(jobs)
    device = resolve_device(spec.device)
    _require_outside_data(spec, out or Path("runs"), "--out")
    _require_outside_data(spec, store, "--cache")
    if resume == "go on" and (found := finished_run(spec, catalogue, store, out)) is not None:
        NOTES.warning("%s is this run, and finished: nothing is trained; leave --resume out to train it again", found)
        typed = Result.read(found / "result.json")
        return Run(found.absolute(), typed.to_json(), typed, catalogue)
    written = [pattern for reporter in spec.reporters for pattern in reporter.writes]
    claimed = claim_run(spec.name, out, resume == "go on", written)
    folder = claimed.folder
    sweep_daily(store)
    with writing(claimed, keep_on=(TrainingError,)) as partial, own_randomness(device):
        reporters = Reporters(_reporters(spec, catalogue, partial, show), partial)
        hooks = Hooks(catalogue.plugins)
        tell = _teller(hooks)
        kept = resumed(claimed, spec, resume, code_here(catalogue, device), tell, checkpoint_every)
        with contextlib.closing(reporters), kept as finished:
            hooks.add(reporters, "reporters")
            experiment = Experiment(spec, catalogue, store, device, tell, hooks, finished)
            sequences = Sequences(experiment, partial / TRAININGS / TASKS) if spec.tasks else None
            tell(RunStarted(spec.name, str(folder), _trainings(spec)))
            if note := claimed.kept_in_words():
                tell(Note(note))
            with trained_beside(experiment, finished, claimed, jobs):
                best, tried = _best_trial(experiment, prepared, sequences)
                scores = sequences.scores(best) if sequences else _scores(experiment, best)
                tasks = sequences.record(best) if sequences else None
                typed = result_of(experiment, best, tried, scores, tasks)
            claimed.require_ours()
            if sequences:
                sequences.save(partial, best, saved_index(best), model_card(best.spec, typed))
            else:
                save_adapter(partial / "adapter", experiment, best, saved_index(best), typed)
            _save(partial, experiment, best, scores, typed)
            for name, usage in experiment.meter.stages.items():
                tell(StageFinished(name, usage.seconds, usage.peak_memory_mb))
            for line in [*found_in_words(finished), *notes_of(typed)]:
                tell(Note(line))
            claimed.require_free()
            tell(RunFinished(str(folder), typed.to_json()))
        seal(partial)
    return Run(folder, typed.to_json(), typed, catalogue)


def _save(
    partial: Path,
    experiment: Experiment,
    best: Trial[Any, Any],
    scores: dict[str, list[SplitScore]],
    typed: Result,
) -> None:
    """Write everything that a run folder holds but its adapter and its manifest."""
    write_json(partial / "lock.json", lock_of(experiment, best, experiment.store).to_json())
    write_json(partial / "result.json", typed.to_json())
    if typed.predictions:
        lines = item_predictions(best, scores, saved_index(best))
        write_lines(partial / typed.predictions.file, (one.to_json() for one in lines))
    if best.spec.dataset.on_error == "record":
        write_lines(partial / "unreadable.jsonl", [asdict(one) for one in best.prepared.left_out])


def _require_outside_data(spec: PipelineSpec, path: Path, option: str) -> None:
    """Raises ``UserError`` for a path within folders that are data: what is written there would be some, too."""
    tree = spec.dataset.tree()
    excluded = getattr(spec.dataset, "exclude", ())
    if tree is None or not (real := Path(os.path.realpath(path))).is_relative_to(os.path.realpath(tree)):
        return
    if not set(real.relative_to(os.path.realpath(tree)).parts) & set(excluded):
        raise UserError(
            f"{option} {path} lies inside dataset.root {tree}, where folders are classes: what a run writes would be "
            f'read as data; name another {option}, or "exclude" its folder'
        )


def _scores(experiment: Experiment, best: Trial[Any, Any]) -> dict[str, list[SplitScore]]:
    """Of the reported split, one a seed; of the one that selected as well, where predictions of items are kept."""
    said = best.spec.evaluation
    splits = said.held_out if said.predictions != "none" else (said.test_on,)
    return {split: experiment.score(best, split) for split in splits}


def _reporters(spec: PipelineSpec, catalogue: Catalogue, folder: Path, show: bool) -> list[Reporter]:
    return [build(Reporter, catalogue, one, folder) for one in spec.reporters if show or not one.shows]


def _teller(hooks: Hooks) -> Tell:
    """Tells everyone, and logs it; a plugin that fails to listen becomes a note to the others."""

    def tell(event: Event) -> None:
        log(event)
        for failure in hooks.run_event(event):
            tell(Note(failure))

    return tell


def _trainings(spec: PipelineSpec) -> int:
    return trainings_of(spec) if spec.tasks else trial_count(spec) * len(spec.seeds)


def _best_trial(
    experiment: Experiment, prepared: Callable[[Trial[Any, Any]], None], sequences: Sequences | None
) -> tuple[Trial[Any, Any], list[Tried]]:
    """Train every trial; keep the one with the best mean on the selection split (the first among equals)."""
    best: Trial[Any, Any] | None = None
    tried: list[Tried] = []
    number = 1
    for trial in experiment.trials():
        prepared(trial)
        try:
            sequences.train(trial) if sequences else experiment.train(trial, number)
        except TrainingError as error:
            if not experiment.spec.search:
                raise
            experiment.tell(Note(f"{trial.values} is out: {error}"))
            tried.append(Tried(values=trial.values, selection=None, failure=str(error)))
            continue
        finally:
            number += len(trial.spec.seeds)
        tried.append(Tried(values=trial.values, selection=trial.selection()))
        if best is None or (trial.selection() or 0.0) > (best.selection() or 0.0):  # of one alone there may be none
            best = trial
    if best is None:
        raise TrainingError("every combination of search values failed; lower trainer.optimizer.lr")
    if sequences:
        sequences.finish(best)
    return best, tried
