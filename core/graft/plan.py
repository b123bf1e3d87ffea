"""What an adapter inside the towers would weigh, site by site, told by the towers' sizes alone. Light: no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..roles.specs import TowerShape
from ..roles.tower_specs import LayerAdapterSpec, Meeting, TowerAdapterSpec
from .meetings import Enterable, meetings_of, sized


@dataclass(frozen=True, slots=True)
class GraftSite:
    """What is grafted onto one stream at one meeting."""

    #: Number of the meeting, from 0, in the order they come.
    meeting: int
    stream: str
    #: Number of the block, from 0, and the place in it.
    block: int
    place: str
    #: ``None`` where only building tells.
    parameters: int | None


@dataclass(frozen=True, slots=True)
class GraftPlan:
    """The sites of an adapter, and its size in all."""

    sites: tuple[GraftSite, ...]
    #: Trainable parameters of the adapter, without the task's head; ``None`` where only building tells.
    parameters: int | None
    #: Parameters of all towers, where they can be told.
    frozen: int | None
    #: The adapter's rank, one found for a budget included.
    rank: int | None

    @property
    def trainable_share(self) -> float | None:
        """Parameters of the adapter over those of the frozen towers."""
        return None if self.parameters is None or not self.frozen else self.parameters / self.frozen

    def lines(self) -> tuple[str, ...]:
        """A line a site, then the whole."""
        sites = [
            f"meeting {one.meeting}, {one.stream} block {one.block} {one.place}: {_number(one.parameters)}"
            for one in self.sites
        ]
        share = self.trainable_share
        whole = f"the adapter alone {_number(self.parameters)}"
        whole += f", {share:.2%} of the {_number(self.frozen)} frozen in these towers" if share is not None else ""
        return (*sites, whole + (f", rank {self.rank}" if self.rank is not None else ""))


def plan_graft(adapter: TowerAdapterSpec, shapes: Sequence[TowerShape], frozen: int | None) -> GraftPlan | None:
    """The plan of an adapter in towers of those shapes with ``frozen`` parameters in all.

    ``None`` for an adapter that is known once the towers are loaded (LoRA: which layers there are, no shape tells).
    Raises ``TowerError`` where it does not fit.
    """
    if not isinstance(adapter, LayerAdapterSpec):
        return None
    towers = [Enterable(shape.modalities, shape.widths) for shape in shapes if shape.depth]
    pairs, meetings = meetings_of(adapter, towers)
    if adapter.budget is None or frozen is not None:
        fitted = sized(adapter, meetings, frozen or 0)
        rank, parameters = getattr(fitted, "own_rank", None), fitted.graft_parameters([one.widths for one in meetings])
    else:  # a share of an unknown number
        fitted, rank, parameters = None, None, None
    sites = [
        GraftSite(number, stream, pairs[number // len(adapter.places)][index], place, _of_site(fitted, stream, meeting))
        for number, meeting in enumerate(meetings)
        for place in (adapter.places[number % len(adapter.places)],)
        for index, tower in enumerate(towers)
        for stream in tower.streams
    ]
    return GraftPlan(tuple(sites), parameters, frozen, rank)


def _of_site(spec: LayerAdapterSpec | None, stream: str, meeting: Meeting) -> int | None:
    return spec.site_parameters(stream, meeting.widths) if spec is not None else None


def _number(count: int | None) -> str:
    return "known once it is built" if count is None else f"{count:,}"
