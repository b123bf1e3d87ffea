"""HMMoE as a layer adapter: a graft for each stream at each meeting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from ....core.roles import Expert, ExpertSpec, LayerAdapter, Masks, Meeting, Updates, parameter_name
from .earlier import folded
from .graft import Graft, Seat
from .heard import Audience, Heard, Tokens
from .meet import meet
from .router import Router
from .spec import HMMoESpec

BuildExpert = Callable[[ExpertSpec, int], Expert]


class HMMoE(LayerAdapter):
    """X <- X + Sub(LN X) + s sum_e pi_e E_e(x, y) for every stream of every meeting (arXiv 2503.20633; form ours)."""

    def __init__(self, spec: HMMoESpec, meetings: Sequence[Meeting], build_expert: BuildExpert) -> None:
        super().__init__()
        self.spec, self._meetings = spec, tuple(meetings)
        grafts = {
            parameter_name(stream, stop): make_graft(spec, stream, meeting.widths, build_expert)
            for meeting in meetings
            for stream, stop in meeting.stops.items()
        }
        self.grafts = nn.ModuleDict(grafts)
        # Which stream each expert of a stream reads: the same at every meeting.
        self._partners = {
            stream: [seat.partner for seat in grafts[parameter_name(stream, stop)].seats]
            for stream, stop in self._meetings[0].stops.items()
        }
        self._meet = meet

    def experts(self, stream: str) -> tuple[str, ...]:
        """The types of the experts; with their partner, where there are several."""
        partners = [name for name in self._meetings[0].widths if name != stream]
        places = self.spec.layout(self.spec.rank_of(stream), partners)
        of = [f" of {one.partner}" if one.partner and len(partners) > 1 else "" for one in places]
        return tuple(self.spec.experts[one.expert].type + partner for one, partner in zip(places, of, strict=True))

    def forward(self, meeting: int, states: Mapping[str, Tensor], masks: Mapping[str, Tensor | None]) -> Updates:
        """Updates of all streams that are there, from states of before any update."""
        stops = self._meetings[meeting].stops
        grafts = {name: cast(Graft, self.grafts[parameter_name(name, stops[name])]) for name in states}
        known = masks if isinstance(masks, Masks) else Masks(masks)
        heard = known.once((self, *states), lambda: self._heard(states, known))
        return self._meet(grafts, states, heard, self.spec.scale)

    def upgraded(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Those of norms with scale and shift, too."""
        return folded(tensors, self._meetings)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile what a meeting computes by ``torch.compile``, whose arguments these are; it has no graph break."""
        self._meet = torch.compile(meet, *args, **kwargs)

    def _heard(self, states: Mapping[str, Tensor], masks: Masks) -> Heard:
        """The same at every meeting of a pass."""
        tokens = {name: Tokens.of(masks.get(name), state.dtype) for name, state in states.items()}
        audiences = {name: Audience.of(self._partners[name], tokens, state) for name, state in states.items()}
        return Heard(tokens, audiences)


def make_graft(spec: HMMoESpec, stream: str, widths: Mapping[str, int], build_expert: BuildExpert) -> Graft:
    """The graft of one stream of width d among partners of theirs."""
    partners = {name: width for name, width in widths.items() if name != stream}
    seats = _seats(spec, spec.rank_at(stream, widths[stream]), tuple(partners), build_expert)
    summary = widths[stream] + sum(partners.values())
    router = Router(spec.router, summary, len(seats), partners) if spec.routes(len(seats)) else None
    return Graft(widths[stream], seats, spec.readers(stream, widths), router)


def _seats(spec: HMMoESpec, rank: int, partners: Sequence[str], build_expert: BuildExpert) -> list[Seat]:
    """Every expert with its columns; a multi-modal one has a seat for each partner."""
    seats = []
    for place in spec.layout(rank, partners):
        expert = spec.experts[place.expert]
        x, y = (place.x, place.x + place.x_width), (place.y, place.y + place.y_width)
        module = build_expert(expert, expert.rank or rank)
        seats.append(Seat(module, place.partner, x, y, place.out, expert.reads_mean))
    return seats
