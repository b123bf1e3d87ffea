"""One combination of search values and what its trainings gave."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from .graph import Support
from .pipeline_spec import PipelineSpec
from .prepare import Prepared
from .training import Trained

P = TypeVar("P", bound=Prepared)


@dataclass(slots=True)
class Trial(Generic[P]):
    """One combination of search values, trained with every seed."""

    values: dict[str, Any]
    spec: PipelineSpec
    prepared: P
    #: One a seed.
    trained: list[Trained] = field(default_factory=list)
    #: Ids of the labelled items of each seed.
    labelled: list[tuple[str, ...]] = field(default_factory=list)
    #: What predictions refer to, one a seed; none where the towers run.
    supports: list[Support] = field(default_factory=list)

    #: Where experts are mixed, one a seed: ``meeting.stream`` to their mean shares on the split that was scored.
    usage: list[dict[str, list[float]]] = field(default_factory=list)

    def selection(self) -> float:
        """Mean over the seeds of the primary metric on the selection split; 0 without one."""
        scores = [one.selection or 0.0 for one in self.trained]
        return sum(scores) / len(scores)
