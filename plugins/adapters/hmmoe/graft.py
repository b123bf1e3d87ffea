"""What HMMoE trains for one stream at one meeting: the projections around its experts, and their router."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import torch
from torch import Tensor, nn

from ....core.roles import Expert
from .router import Router

#: First column of a projection and the one after the last.
Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Seat:
    """One expert at a site, with the columns it reads and gives."""

    expert: Expert
    #: The stream it reads besides the target's, or ``None``.
    partner: str | None
    #: Columns of the target's projection, of those that the partner's has for the target, and width of what it gives.
    x: Span
    y: Span
    out: int
    #: Whether it is given the partner's mean in place of its tokens.
    reads_mean: bool = False


class Graft(nn.Module):
    """The parameters of one stream of width d: one product projects it for all who read it, one the mixture up.

    Its columns are those of its own experts, then those of each stream whose experts read it (``readers``: which).
    """

    of_column: Tensor

    def __init__(
        self, width: int, seats: Sequence[Seat], readers: Mapping[str, Sequence[Span]], router: Router | None
    ) -> None:
        super().__init__()
        self.seats, self._offsets = tuple(seats), dict[str, int]()
        spans, end = [seat.x for seat in seats], max((seat.x[1] for seat in seats), default=0)
        for name, read in readers.items():
            self._offsets[name] = end
            spans += [(end + start, end + stop) for start, stop in read]
            end += max((stop for _, stop in read), default=0)
        self._spans = sorted({span for span in spans if span[0] < span[1]})
        self.down = _projection(width, end) if end else None
        self.experts = nn.ModuleList(seat.expert for seat in seats)
        self.router = router
        self.up = nn.Linear(sum(seat.out for seat in seats), width)
        nn.init.zeros_(self.up.weight)  # with shares above 0: the identity at the start, and a gradient at once
        nn.init.zeros_(self.up.bias)
        # Column of the mixture to its expert.
        of_column = torch.arange(len(seats)).repeat_interleave(torch.tensor([seat.out for seat in seats]))
        self.register_buffer("of_column", of_column, persistent=False)

    def columns(self, x: Tensor) -> dict[Span, Tensor]:
        """Its projection of normalised tokens [B, N, d], by span; one cut where no spans overlap."""
        found = {(0, 0): x[..., :0]} if any(0 == seat.x[0] == seat.x[1] for seat in self.seats) else {}
        if self.down is None:
            return found
        low, spans = self.down(x), self._spans
        if all(one[1] == following[0] for one, following in pairwise(spans)):
            return found | dict(zip(spans, low.split([stop - start for start, stop in spans], dim=-1), strict=True))
        return found | {(start, stop): low[..., start:stop] for start, stop in spans}

    def span_for(self, reader: str, span: Span) -> Span:
        """Where those columns stand that a reader's expert has for its partner's."""
        offset = self._offsets[reader]
        return offset + span[0], offset + span[1]

    def mixed(self, columns: Sequence[Tensor], shares: Tensor | float, form: torch.Size) -> Tensor:
        """[pi_1 h_1, pi_2 h_2, ...] W of what the experts gave, for shares [B, 1 or N, E] or one for all of them."""
        whole = [one if one.shape[:2] == form[:2] else one.expand(*form[:2], -1) for one in columns]
        joined = torch.cat(whole, dim=-1) if len(whole) > 1 else whole[0]
        if isinstance(shares, Tensor):
            joined = joined * shares.index_select(-1, self.of_column)
        elif shares != 1:
            joined = joined * shares
        given: Tensor = self.up(joined.to(self.up.weight.dtype))
        return given


def _projection(width: int, columns: int) -> nn.Linear:
    """Normalised tokens come down with unit variance."""
    projection = nn.Linear(width, columns)
    nn.init.normal_(projection.weight, std=width**-0.5)
    nn.init.zeros_(projection.bias)
    return projection
