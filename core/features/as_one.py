"""Seeds of a trial, and of trials that come, trained as one where a GPU can have them so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from ..events import Note
from ..spec.pipeline_spec import PipelineSpec
from ..stages.context import RunContext
from ..stages.prepare import preparation_key
from ..training.engine import Wanted
from ..training.learner import Learner
from ..training.loop import Trained
from ..training.members import Hear, TrainingError
from ..training.trial import Trial
from . import stacked
from .prepare import FeatureInputs
from .recorded import NotStacked
from .start import FeatureOutcome, Start

#: Trainings that are one at most, and at least: few are faster one by one, each replayed (decision 46).
MEMBERS, LEAST = 64, 6
#: By seed.
Outcomes = dict[int, FeatureOutcome | TrainingError]
_Trial = Trial[FeatureInputs, FeatureOutcome]
_Wanted = Wanted[FeatureInputs, FeatureOutcome]


class AsOne:
    """What an engine trains as one: the seeds of a trial, and with them those of later trials of its search."""

    def __init__(
        self,
        context: RunContext,
        is_held: Callable[[PipelineSpec, int], bool],
        starts: Callable[[Sequence[_Wanted]], AbstractContextManager[list[Start]]],
        train: Callable[[Learner, Sequence[_Wanted]], list[Trained | TrainingError]],
    ) -> None:
        """``is_held``: whether the training of a seed is finished; ``starts`` and ``train`` are the engine's own."""
        self._context, self._is_held, self._starts, self._train = context, is_held, starts, train
        #: What was trained together with an earlier trial, by the trial's pipeline.
        self._ahead: dict[int, Outcomes] = {}
        #: Why seeds are trained one by one, and what of it was said.
        self._reason = ""
        self._told: set[str] = set()
        #: Whether trials are trained together; what cannot be had once is not tried again.
        self._beyond = True

    def outcomes(self, trial: _Trial, hears: Mapping[int, Hear], search: Sequence[PipelineSpec]) -> Outcomes:
        """Those of the seeds that were not found finished and can be one training, with trials of ``search`` that come
        after."""
        found = self._ahead.pop(id(trial.spec), None)
        if found is not None:
            _tell_again(found, hears)
            return found
        if self._context.device.type not in stacked.DEVICES or not trial.spec.trainer.epochs:
            return {}
        own = [Wanted(trial, seed, hear) for seed, hear in hears.items() if not self._is_held(trial.spec, seed)]
        coming = self._coming_like(trial, search) if own and self._beyond else []
        if coming and len(own) + len(coming) >= LEAST:
            outcomes = self._trained([*own, *coming])
            if outcomes is not None:
                mine = outcomes.pop(id(trial.spec))
                self._ahead |= outcomes
                return mine
            self._beyond = False
        if len(own) < LEAST or (outcomes := self._trained(own)) is None:
            self._tell_reason()
            return {}
        return outcomes[id(trial.spec)]

    def _tell_reason(self) -> None:
        if self._reason and self._reason not in self._told:
            self._told.add(self._reason)
            self._context.tell(Note(self._reason))

    def _coming_like(self, trial: _Trial, search: Sequence[PipelineSpec]) -> list[_Wanted]:
        """Trainings of later trials with the same trainer and preparation."""
        spec = trial.spec
        after = search[next((number for number, one in enumerate(search, 1) if one is spec), len(search)) :]
        like = [one for one in after if one.level == spec.level and one.trainer == spec.trainer]
        trials: list[_Trial] = [
            Trial({}, one, trial.prepared) for one in like if preparation_key(one) == trial.prepared.key
        ]
        wanted = [Wanted(of, seed, _unheard) for of in trials for seed in of.spec.seeds]
        room = max(0, MEMBERS - len(spec.seeds))
        return [one for one in wanted if not self._is_held(one.trial.spec, one.seed)][:room]

    def _trained(self, wanted: Sequence[_Wanted]) -> dict[int, Outcomes] | None:
        """What came of them as one training, by pipeline; ``None`` where they cannot be one."""
        try:
            for one in wanted:
                stacked.require_stackable(one.trial.spec)
            with self._starts(wanted) as starts:
                if not starts[0].learner.model.trainable():
                    return None
                left_out = [start.left_out(one.trial.spec) for start, one in zip(starts, wanted, strict=True)]
                learner = stacked.stack([start.learner for start in starts])
                trained = self._train(learner, wanted)
                found: dict[int, Outcomes] = {}
                for one, start, outcome, left in zip(wanted, starts, trained, left_out, strict=True):
                    of_trial = found.setdefault(id(one.trial.spec), {})
                    of_trial[one.seed] = outcome if isinstance(outcome, TrainingError) else start.outcome(outcome, left)
                return found
        except NotStacked as why:
            self._reason = f"seeds are trained one by one: {why}"
            return None


def _unheard(*epoch: object) -> None:
    """Its epochs are told when its trial is asked for."""


def _tell_again(found: Outcomes, hears: Mapping[int, Hear]) -> None:
    for seed, hear in hears.items():
        outcome = found.get(seed)
        for one in outcome.trained.heard if isinstance(outcome, FeatureOutcome) else ():
            hear(*one)
