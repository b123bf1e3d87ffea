"""The sequences of a run: every combination of search values over the first tasks, the best over all of them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ...stages.list_tasks import require_earlier, tasks_in
from ...storage.claim import TASKS
from ...storage.manifest import seal
from ...storage.result_parts import Score, TaskSequence
from ...storage.run_folder import write_json
from ...training.trial import SplitAnswers, SplitScore, Trial
from ..experiment import Experiment
from ..search import regularized
from . import figures
from .chain import Chain


class Sequences:
    """Of one run. ``folder``: where states are written while it goes on."""

    def __init__(self, experiment: Experiment, folder: Path) -> None:
        self._experiment, self._folder = experiment, folder
        self._chains: dict[int, list[Chain]] = {}
        self._number = 0

    def train(self, trial: Trial[Any, Any]) -> None:
        """Every seed of a trial, over the first tasks where there are values to choose, else over all.

        Raises ``DataError`` where a regularizer that the search will try asks for more than there is.
        """
        if not self._chains:
            whole, catalogue = self._experiment.spec, self._experiment.catalogue
            require_earlier(regularized(whole, catalogue), trial.prepared.content)
        tasks = tasks_in(trial.spec, trial.prepared.content)
        place = self._folder / str(len(self._chains) + 1)
        chains = [Chain(self._experiment, trial, tasks, seed, place / f"seed-{seed}") for seed in trial.spec.seeds]
        self._chains[id(trial)] = chains
        searched = bool(self._experiment.spec.search)
        self._advance(trial, trial.spec.sequence.search_tasks if searched else len(tasks))

    def finish(self, trial: Trial[Any, Any]) -> None:
        """The rest of the tasks of the best one."""
        selection = [one.trained.selection for one in trial.outcomes]
        self._advance(trial, len(self._chains[id(trial)][0].steps))
        if self._experiment.spec.search:  # what chose is what is told: the later tasks were not looked at
            trial.outcomes[:] = [
                replace(one, trained=replace(one.trained, selection=was))
                for one, was in zip(trial.outcomes, selection, strict=True)
            ]

    def _advance(self, trial: Trial[Any, Any], upto: int) -> None:
        chains = self._chains[id(trial)]
        for chain in chains:
            while len(chain.trials) < min(upto, len(chain.steps)):
                self._number += 1
                chain.advance(self._number)
        trial.outcomes[:] = [one.outcome() for one in chains]

    def scores(self, trial: Trial[Any, Any]) -> dict[str, list[SplitScore]]:
        """Of all tasks together: of the reported split, and of the one that selected where predictions are kept."""
        said = trial.spec.evaluation
        splits = said.held_out if said.predictions != "none" else (said.test_on,)
        classes, chains = len(trial.prepared.content.class_names), self._chains[id(trial)]
        return {split: [_joined(one.score(split), trial, classes) for one in chains] for split in splits}

    def record(self, trial: Trial[Any, Any]) -> TaskSequence:
        """What came of them."""
        chains, how = self._chains[id(trial)], trial.spec.sequence
        names, matrices = trial.prepared.content.class_names, [one.matrix for one in chains]
        lacking = figures.undefined(how)
        of = {"learning": figures.learning, "forgetting": figures.forgetting, "backward": figures.backward}
        found = {name: Score.of([make(one) for one in matrices]) for name, make in of.items() if name not in lacking}
        if "forward" not in lacking:
            found["forward"] = Score.of([figures.forward(one.matrix, one.start) for one in chains])
        starts, again = [one.start for one in chains], [one.remembered for one in chains]
        return TaskSequence(
            scenario=how.scenario,
            order=how.order,
            training=how.training,
            search_tasks=min(how.search_tasks, len(chains[0].steps)) if self._experiment.spec.search else None,
            classes={one.name: [names[index] for index in one.classes] for one in chains[0].tasks},
            orders=[[task.name for task in one.tasks] for one in chains],
            matrix=matrices,
            start=starts if all(starts) else None,
            average=Score.of([figures.average(one) for one in matrices]),
            undefined=lacking,
            remembered=again if any(map(any, again)) else None,
            **found,
        )

    def save(self, partial: Path, trial: Trial[Any, Any], index: int, card: str) -> None:
        """The states of seed number ``index``, the last of them as the adapter of the run."""
        states = self._chains[id(trial)][index].states
        for state in states:
            shutil.copytree(state, partial / TASKS / state.name)
        shutil.copytree(states[-1], partial / "adapter")
        write_json(partial / "adapter" / "pipeline.json", trial.spec.to_json())
        (partial / "adapter" / "README.md").write_text(card, encoding="utf-8")
        seal(partial / "adapter")


def _joined(scored: Sequence[tuple[SplitScore, Trial[Any, Any]]], whole: Trial[Any, Any], classes: int) -> SplitScore:
    """One score of several states, each of its own items: figures weighted by items, logits of all classes."""
    found = [_of_all_classes(score, trial, whole, classes) for score, trial in scored]
    if len(found) == 1:
        return found[0]
    answers = [one.answers for one in found if one.answers is not None]
    counts = [len(one.ids) for one in answers]
    metrics = {
        name: sum(count * one.figures[name] for count, one in zip(counts, found, strict=True)) / sum(counts)
        for name in found[0].figures
    }
    logits = [one.logits for one in answers if one.logits is not None]
    scores = [one.scores for one in answers if one.scores is not None]
    return SplitScore(
        metrics,
        found[-1].usage,
        SplitAnswers(
            [id_ for one in answers for id_ in one.ids],
            torch.cat(logits),
            torch.cat(scores) if len(scores) == len(answers) else None,
        ),
    )


def _of_all_classes(score: SplitScore, trial: Trial[Any, Any], whole: Trial[Any, Any], classes: int) -> SplitScore:
    """With logits in the order of the classes of all tasks; minus infinity for those that the state does not know."""
    if score.answers is None or score.answers.logits is None:
        return score
    names = whole.prepared.content.class_names
    columns = [names.index(name) for name in trial.prepared.content.class_names]
    logits = score.answers.logits.new_full((len(score.answers.logits), classes), -torch.inf)
    logits[:, columns] = score.answers.logits
    return replace(score, answers=replace(score.answers, logits=logits))
