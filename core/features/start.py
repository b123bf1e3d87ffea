"""A seed before it is trained, and what its training gave."""

from __future__ import annotations

from dataclasses import dataclass

from ..graph.support import Support
from ..spec.pipeline_spec import PipelineSpec
from ..training.loop import Trained
from ..training.trial import Outcome
from .learner import FeatureLearner, HeldOut
from .leave_one_out import leave_one_out
from .model import FeatureModel


@dataclass(frozen=True, slots=True)
class FeatureOutcome(Outcome):
    """With the support set that predictions refer to."""

    model: FeatureModel
    support: Support
    #: The split that selected, as epochs were ranked on it; ``None`` without one.
    selection: HeldOut | None


@dataclass(frozen=True, slots=True)
class Start:
    """A seed before it is trained."""

    learner: FeatureLearner
    support: Support

    def left_out(self, spec: PipelineSpec) -> float | None:
        """What selects in place of a split, where that is asked for; leaves the head fitted to some of the items."""
        if spec.evaluation.select_on != "labelled":
            return None
        return leave_one_out(self.learner.model, self.learner.task, self.learner.labelled)

    def outcome(self, trained: Trained, left_out: float | None) -> FeatureOutcome:
        """Once it is trained."""
        trained.selection = trained.selection if left_out is None else left_out
        learner = self.learner
        labelled = tuple(self.support.ids[row] for row in learner.labelled.rows.tolist())
        return FeatureOutcome(trained, labelled, learner.model, self.support, learner.selection)
