"""HMMoE as a layer adapter: a graft for each stream at each meeting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from ....core.roles import Expert, ExpertSpec, LayerAdapter, Meeting, Updates, parameter_name
from .graft import Graft, Seat
from .router import Router
from .spec import HMMoESpec

BuildExpert = Callable[[ExpertSpec, int], Expert]


class HMMoE(LayerAdapter):
    """X <- X + Sub(LN X) + s sum_e pi_e E_e(x, y) for every stream of every meeting (arXiv 2503.20633; form ours)."""

    def __init__(self, spec: HMMoESpec, meetings: Sequence[Meeting], build_expert: BuildExpert) -> None:
        super().__init__()
        self.spec, self._meetings = spec, tuple(meetings)
        self.grafts = nn.ModuleDict(
            {
                parameter_name(stream, meeting.stops[stream]): make_graft(spec, stream, meeting.widths, build_expert)
                for meeting in meetings
                for stream in meeting.stops
            }
        )

    def experts(self, stream: str) -> tuple[str, ...]:
        """The types of the experts; with their partner, where there are several."""
        partners = [name for name in self._meetings[0].widths if name != stream]
        places = self.spec.layout(self.spec.rank_of(stream), partners)
        of = [f" of {one.partner}" if one.partner and len(partners) > 1 else "" for one in places]
        return tuple(self.spec.experts[one.expert].type + partner for one, partner in zip(places, of, strict=True))

    def forward(self, meeting: int, states: Mapping[str, Tensor], masks: Mapping[str, Tensor | None]) -> Updates:
        """Updates of all streams that are there, from states of before any update."""
        updates: dict[str, Tensor] = {}
        losses: dict[str, Tensor] = {}
        usage: dict[str, Tensor] = {}
        for stream in states:
            graft = self.grafts[parameter_name(stream, self._meetings[meeting].stops[stream])]
            mixture = graft(states, stream, masks)
            updates[stream], usage[stream] = mixture.update, mixture.usage
            losses |= {f"{stream}.{name}": loss for name, loss in mixture.losses.items()}
        return Updates(updates, losses, usage)


def make_graft(spec: HMMoESpec, stream: str, widths: Mapping[str, int], build_expert: BuildExpert) -> Graft:
    """The graft of one stream of width d among partners of theirs."""
    partners = {name: width for name, width in widths.items() if name != stream}
    seats = _seats(spec, spec.rank_at(stream, widths[stream]), tuple(partners), build_expert)
    summary = widths[stream] + sum(partners.values())
    router = Router(spec.router, summary, len(seats)) if spec.routes(len(seats)) else None
    if router is None:  # a partner that no expert reads is not read at all
        partners = {name: width for name, width in partners.items() if any(seat.partner == name for seat in seats)}
    return Graft(widths[stream], partners, seats, router, spec.scale)


def _seats(spec: HMMoESpec, rank: int, partners: Sequence[str], build_expert: BuildExpert) -> list[Seat]:
    """Every expert with its columns; a multi-modal one has a seat for each partner."""
    seats = []
    for place in spec.layout(rank, partners):
        expert = spec.experts[place.expert]
        x, y = slice(place.x, place.x + place.x_width), slice(place.y, place.y + place.y_width)
        seats.append(Seat(build_expert(expert, expert.rank or rank), place.partner, x, y, place.out))
    return seats
