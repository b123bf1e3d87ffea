"""The trainings of one seed over a sequence of tasks, each from the state that the one before left."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from ....registry.build import build
from ...data.items import Item
from ...events import TaskStarted
from ...roles.regularizer import Regularizer, remembered_by
from ...roles.specs import RegularizerSpec
from ...spec.pipeline_spec import PipelineSpec
from ...stages.list_tasks import TaskData, in_order
from ...stages.prepare import Narrowed, Prepared
from ...storage.manifest import seal
from ...training.trial import Outcome, SplitScore, Trial
from ..experiment import Experiment
from ..save_adapter import write_adapter


def of_task(split: str, task: TaskData) -> str:
    """The split of one task."""
    return f"{split}/{task.name}"


def of_all(split: str) -> str:
    """The split of all tasks that a state is asked about."""
    return f"{split} of all"


class Chain:
    """One seed. ``folder``: where its states are written, one a task."""

    def __init__(
        self,
        experiment: Experiment,
        trial: Trial[Any, Any],
        tasks: Sequence[TaskData],
        seed: int,
        folder: Path,
    ) -> None:
        self._experiment, self._spec, self._joint = experiment, trial.spec, trial.prepared
        self.seed, self._folder = seed, folder
        self.tasks = in_order(tasks, trial.spec, seed)
        how = trial.spec.sequence.training
        #: What is learnt at each step.
        self.steps: list[tuple[TaskData, ...]] = [self.tasks] if how == "joint" else [(one,) for one in self.tasks]
        #: What the state after each step is asked about.
        self.asked = self.steps if how == "separate" else list(accumulate(self.steps))
        #: A trial a step, of this seed alone, and its state on disk.
        self.trials: list[Trial[Any, Any]] = []
        self.states: list[Path] = []
        self.matrix: list[list[float | None]] = []
        #: Before anything is trained, of each task; with scenario `domain` alone.
        self.start: list[float] = []
        self._labelled: list[tuple[str, ...]] = []
        self._memories: list[tuple[Item, ...]] = [() for _ in trial.spec.regularizers]
        #: Items of earlier tasks that each step learnt again.
        self.remembered: list[int] = []

    def advance(self, number: int) -> None:
        """Learn the next task, as training ``number`` of the run, and ask about all that it can answer."""
        step = len(self.trials)
        trial: Trial[Any, Any] = Trial({}, self._derived(step), self._view(step))
        names = ", ".join(one.name for one in self.steps[step])
        self._experiment.tell(TaskStarted(self.seed, step + 1, len(self.steps), names))
        if not step and self._spec.sequence.scenario == "domain":
            self._ask_before_training(trial)
        self._experiment.train(trial, number)
        self.trials.append(trial)
        self.states.append(self._write(trial, step))
        self._remember(trial, step)
        self.matrix.append([self._figure(trial, one) for one in self.tasks])

    def outcome(self) -> Outcome:
        """Of the state now: how it does on the selection split, over all tasks; all items that it learnt from."""
        last: Outcome = self.trials[-1].outcomes[0]
        trained = replace(
            last.trained, selection=self._selection(), seconds=sum(one.trained[0].seconds for one in self.trials)
        )
        labelled = tuple(dict.fromkeys(id_ for ids in self._labelled for id_ in ids))
        return replace(last, trained=trained, labelled=labelled)

    def score(self, split: str) -> list[tuple[SplitScore, Trial[Any, Any]]]:
        """Of all items of a split, from the states that are asked about them."""
        trials = self.trials if self._spec.sequence.training == "separate" else self.trials[-1:]
        return [(self._score(one, of_all(split)), one) for one in trials]

    def _score(self, trial: Trial[Any, Any], split: str) -> SplitScore:
        return self._experiment.engine(trial.spec).score(trial, 0, split)

    def _selection(self) -> float | None:
        """The mean over the tasks."""
        split = self._spec.evaluation.selecting_split
        if split is None:
            return self.trials[-1].trained[0].selection
        pairs = (
            zip(self.trials, [one for (one,) in self.steps], strict=False)
            if self._spec.sequence.training == "separate"
            else [(self.trials[-1], one) for one in self.asked[len(self.trials) - 1]]
        )
        return statistics.fmean(self._primary(self._score(trial, of_task(split, task))) for trial, task in pairs)

    def _figure(self, trial: Trial[Any, Any], task: TaskData) -> float | None:
        split = of_task(self._spec.evaluation.test_on, task)
        return self._primary(self._score(trial, split)) if split in trial.prepared.splits else None

    def _primary(self, score: SplitScore) -> float:
        return score.figures[self._experiment.primary(self._spec)]

    def _ask_before_training(self, trial: Trial[Any, Any]) -> None:
        untrained = trial.spec.model_copy(update={"trainer": trial.spec.trainer.model_copy(update={"epochs": 0})})
        before: Trial[Any, Any] = Trial({}, untrained, trial.prepared)
        engine = self._experiment.engine(untrained)
        before.outcomes.append(engine.train(before, self.seed, lambda *_: None))
        self.start = [self._figure(before, one) or 0.0 for one in self.tasks]

    def _derived(self, step: int) -> PipelineSpec:
        """What one training is: the tasks up to it, this seed, and the state that it starts from."""
        spec, how = self._spec, self._spec.sequence.training
        tasks = self.steps[step] if how == "separate" else self.asked[step]
        first = how != "sequential" or step == 0
        start = None if first else str(self.states[step - 1])
        return spec.model_copy(
            update={
                "tasks": tuple(one.spec for one in tasks),
                "search": {},
                "trials": None,
                "evaluation": spec.evaluation.model_copy(update={"seeds": (self.seed,)}),
                "trainer": spec.trainer.model_copy(update={"start_from": start}),
                "regularizers": tuple(found for one in spec.regularizers if (found := _placed(one, first))),
            }
        )

    def _view(self, step: int) -> Prepared:
        """The items of a step, among the classes that its state knows."""
        said, content = self._spec.evaluation, self._joint.content
        learnt, asked = self.steps[step], self.asked[step]
        knows = self.tasks if self._spec.sequence.scenario == "domain" else asked
        if self._spec.sequence.scenario == "domain" and self._spec.sequence.training == "sequential":
            asked = self.tasks  # those to come, too: what is known of them before is forward transfer
        classes = tuple(dict.fromkeys(index for one in knows for index in one.classes))
        place = {item.id: row for row, item in enumerate(content.splits["train"])}
        again = [place[id_] for id_ in dict.fromkeys(item.id for memory in self._memories for item in memory)]
        self.remembered.append(len(again))
        splits = {"train": ("train", (*_rows(learnt, "train"), *again))}
        for split in said.held_out:
            splits[split] = (split, _rows(learnt, split))
            splits[of_all(split)] = (split, _rows(self.asked[step], split))
            splits |= {of_task(split, one): (split, one.rows[split]) for one in asked}
        of_class = {index: number for number, one in enumerate(self.tasks) for index in one.classes}
        task_of = tuple(of_class[index] for index in classes) if self._spec.sequence.scenario == "task" else None
        view: Prepared = self._joint.narrowed(Narrowed(classes, splits, task_of))
        return view

    def _write(self, trial: Trial[Any, Any], step: int) -> Path:
        folder = self._folder / state_name(step, self.steps[step])
        if folder.exists():  # of a run that was interrupted
            shutil.rmtree(folder)
        # Without what a training does not depend on: the next one knows this state by the hash of its files.
        alone: dict[str, Any] = {"reporters": (), "search": {}, "trials": None, "evaluation": trial.spec.evaluation}
        write_adapter(folder, self._experiment, trial, 0, self._spec.model_copy(update=alone))
        seal(folder)
        return folder

    def _remember(self, trial: Trial[Any, Any], step: int) -> None:
        ids = set(trial.outcomes[0].labelled)
        self._labelled.append(trial.outcomes[0].labelled)
        own = {item.id for task in self.steps[step] for item in task.items(self._joint.content, "train")}
        labelled = [item for item in self._joint.content.splits["train"] if item.id in ids & own]
        if self._spec.sequence.training != "sequential":
            return
        built = [build(Regularizer, self._experiment.catalogue, one) for one in self._spec.regularizers]
        self._memories = [
            remembered_by(one, memory, labelled, self.seed) for one, memory in zip(built, self._memories, strict=True)
        ]


def state_name(step: int, tasks: Sequence[TaskData]) -> str:
    """Of the folder of a state: ``1-zero-one``; of several tasks at once ``1-joint``."""
    return f"{step + 1}-{tasks[0].name if len(tasks) == 1 else 'joint'}"


def _placed(regularizer: RegularizerSpec, first: bool) -> RegularizerSpec | None:
    return regularizer.in_first_task() if first else regularizer


def _rows(tasks: Sequence[TaskData], split: str) -> tuple[int, ...]:
    return tuple(row for one in tasks for row in one.rows[split])
