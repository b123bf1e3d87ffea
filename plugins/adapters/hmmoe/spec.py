"""HMMoE: heterogeneous experts inside frozen towers (Zhou, Huang, Xia, arXiv 2503.20633): the specs.

The paper fixes neither the router's form nor the rank nor the sites; what stands here is ours.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ....core.roles import ExpertSpec, LayerAdapterSpec
from ....registry.slot import Slot
from ....registry.spec import Items, Spec


class RouterSpec(Spec):
    """Who among the experts is heard, and how much."""

    level: Literal["sample", "token"] = "sample"
    """One decision a sample, or one a token."""
    hidden: Annotated[int, Field(ge=1, le=65536)] = 16
    """Width of the router's hidden layer."""
    gates: Literal["sigmoid", "softmax"] = "sigmoid"
    """`sigmoid`: a gate 2 sigmoid(z / T) for each expert, so that a site starts as the sum of its experts, and one can
    be closed while the others stay as they are. `softmax`: shares softmax(z / T) that sum to one. A router written out
    with all its fields but this one, as folders saved before November 2026 have it, is a softmax."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """T."""
    top_k: Annotated[int, Field(ge=1)] | None = None
    """Only the k experts of the largest z are heard; shares of a softmax are renormalised. Default: all."""
    noise: Annotated[float, Field(ge=0)] = 0.0
    """Standard deviation of Gaussian noise on the logits in training."""
    balance: Annotated[float, Field(ge=0)] | None = None
    """Weight of the loss that spreads the load: CV² of the experts' mean shares, with `top_k` E sum f P (Switch
    Transformers, Fedus et al. 2022, eq. 4). Default: 0.01 for a softmax, 0 for gates, which compete for nothing."""
    z: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the z-loss: the mean squared logsumexp of the logits (ST-MoE, Zoph et al. 2022, eq. 5); of gates the
    mean sum of their squared logits."""
    uniform: bool = False
    """No router at all: every expert that can be heard has one share of as many (an ablation)."""

    @model_validator(mode="before")
    @classmethod
    def _written_in_full(cls, given: Any) -> Any:
        """Folders that were saved before there were gates name every other field."""
        if isinstance(given, Mapping) and cls.model_fields.keys() - given.keys() == {"gates"}:
            return {**given, "gates": "softmax"}
        return given

    @property
    def balances(self) -> float:
        """``balance``, the default filled in."""
        if self.balance is not None:
            return self.balance
        return 0.01 if self.gates == "softmax" else 0.0


@dataclass(frozen=True, slots=True)
class Place:
    """Which columns of a site's projections one expert has."""

    #: Index into ``experts``.
    expert: int
    partner: str | None
    #: First column and number of columns of the target's down-projection, then of the partner's.
    x: int
    x_width: int
    y: int
    y_width: int
    #: Columns it gives to the up-projection.
    out: int


class HMMoESpec(LayerAdapterSpec):
    """Heterogeneous experts inside frozen towers (HMMoE, arXiv 2503.20633)."""

    type: Literal["hmmoe"] = "hmmoe"
    experts: Items[Annotated[ExpertSpec, Slot("expert")]] = Field(
        default_factory=lambda: (
            {"type": "unimodal"},
            {"type": "cross_attention"},
            {"type": "affine"},
        ),
        validate_default=True,
    )
    """The experts of every site."""
    rank: Annotated[int, Field(ge=1, le=65536)] | None = None
    """r, where an expert names none of its own. Default: 32, or what the `budget` comes to."""
    ranks: dict[str, Annotated[int, Field(ge=1, le=65536)]] = Field(default_factory=dict)
    """r of single towers, by name."""
    router: RouterSpec = Field(default_factory=RouterSpec)
    """How experts are mixed."""
    share_down: bool = False
    """Whether the multi-modal experts of a site share their down-projections."""
    scale: Annotated[float, Field(gt=0)] = 1.0
    """s: factor on the mixture."""

    @model_validator(mode="after")
    def _enough_experts(self) -> Self:
        if not self.experts:
            raise ValueError("`experts` is empty; name at least one")
        if not any(expert.widths(expert.rank or self.own_rank)[2] for expert in self.experts):
            raise ValueError("no expert gives anything: the identity needs another one beside it")
        if self.budget is not None and (self.ranks or self.rank is not None):
            raise ValueError("either `budget` or ranks: remove one of them")
        if self.router.top_k is not None and self.router.top_k > len(self.experts):
            raise ValueError(f"router.top_k is {self.router.top_k}, but there are {len(self.experts)} experts")
        return self

    @property
    def own_rank(self) -> int:
        """r, the default filled in."""
        return self.rank or 32

    def rank_of(self, stream: str) -> int:
        """r of one stream."""
        return self.ranks.get(stream, self.own_rank)

    def rank_at(self, stream: str, width: int) -> int:
        """r of one stream where it is d wide: at most d, in a tower whose width grows from stage to stage."""
        return min(self.rank_of(stream), width)

    def layout(self, rank: int, partners: Sequence[str]) -> list[Place]:
        """Columns of every expert at a site; a multi-modal expert has a place for each partner."""
        widths = [expert.widths(expert.rank or rank) for expert in self.experts]
        multimodal = [expert.multimodal for expert in self.experts]
        # Shared columns stand first, as many as the widest of those that share them.
        end = max(
            (x for (x, _, _), multi in zip(widths, multimodal, strict=True) if multi and self.share_down), default=0
        )
        ends = dict.fromkeys(partners, 0)
        places = []
        for index, (x, y, out) in enumerate(widths):
            for partner in partners if multimodal[index] else (None,):
                shares = self.share_down and partner is not None
                places.append(
                    Place(index, partner, 0 if shares else end, x, 0 if shares else ends.get(partner or "", 0), y, out)
                )
                end += 0 if shares else x
                if partner is not None:
                    ends[partner] = max(ends[partner], y) if shares else ends[partner] + y
        return places

    def routes(self, seats: int) -> bool:
        """Whether a site with so many experts has a router: one alone has the whole share anyway."""
        return seats > 1 and not self.router.uniform

    def graft_parameters(self, meetings: Sequence[Mapping[str, int]]) -> int:
        """Trainable parameters of all grafts."""
        return sum(self.site_parameters(stream, widths) for widths in meetings for stream in widths)

    def within_budget(self, meetings: Sequence[Mapping[str, int]], frozen: int) -> Self:
        """With the largest rank (the same in all towers, even, from 16 on a multiple of 4) within the budget.

        Five experts at a site would leave half of it unused if 8 came after 4. Experts with a rank of their own keep
        it. Raises ``ValueError`` if rank 1 is too much already.
        """
        if self.budget is None:
            return self
        most = self.budget.trainable_share * frozen
        narrowest = min(_widest(meetings).values())
        ranks = [rank for rank in (1, *range(2, 16, 2), *range(16, narrowest + 1, 4)) if rank <= narrowest]
        fitting = bisect.bisect_right(ranks, most, key=lambda rank: self._of_rank(rank).graft_parameters(meetings))
        if not fitting:
            least = self._of_rank(1).graft_parameters(meetings) / frozen
            raise ValueError(
                f"trainable_share {self.budget.trainable_share:g} is too little: rank 1 is {least:.2g} already; "
                "take fewer experts, places or meetings, or a narrower router"
            )
        return self._of_rank(ranks[fitting - 1])

    def _of_rank(self, rank: int) -> Self:
        return self.model_copy(update={"rank": rank, "ranks": {}, "budget": None})

    def check_widths(self, meetings: Sequence[Mapping[str, int]]) -> None:
        """Every rank is at most its stream's width, every stream named in ``ranks`` is there and hears something.

        Of a stream whose width changes: the adapter's at most the greatest, an expert's own at most the least. Raises
        ``ValueError``.
        """
        widths = _widest(meetings)
        if unknown := self.ranks.keys() - widths.keys():
            raise ValueError(f"`ranks` names no stream `{min(unknown)}`; there are: {', '.join(widths)}")
        for stream, width in widths.items():
            least = min(one[stream] for one in meetings if stream in one)
            for own in dict.fromkeys(expert.rank for expert in self.experts):
                rank, most = (own, least) if own else (self.rank_of(stream), width)
                if rank > most:
                    raise ValueError(
                        f"rank {rank} is above the width {most} of stream `{stream}`: a projection to it saves "
                        f"nothing; take {most} at most, or set `ranks` (stream to rank)"
                    )
        if len(widths) == 1 and self.needs_partner():
            raise ValueError(f"stream `{min(widths)}` has no partner, and every expert needs one; add `unimodal`")

    def needs_partner(self) -> bool:
        """Where every expert that gives anything reads a partner."""
        return not any(
            not expert.multimodal and expert.widths(expert.rank or self.own_rank)[2] for expert in self.experts
        )

    def site_parameters(self, stream: str, widths: Mapping[str, int]) -> int:
        """Trainable parameters of the graft of one stream among its partners."""
        target = widths[stream]
        r = self.rank_at(stream, target)
        partners = {name: width for name, width in widths.items() if name != stream}
        places = self.layout(r, tuple(partners))
        columns = max((place.x + place.x_width for place in places), default=0)
        for read in self.readers(stream, widths).values():
            columns += max((stop for _, stop in read), default=0)
        experts = sum(self.experts[p.expert].parameter_count(self.experts[p.expert].rank or r) for p in places)
        up = (sum(place.out for place in places) + 1) * target
        return (target + 1) * columns + experts + up + self._router_parameters(target, partners, len(places))

    def readers(self, stream: str, widths: Mapping[str, int]) -> dict[str, list[tuple[int, int]]]:
        """Other stream to the first column of each of its experts that read this one, and the one after the last."""
        found = {}
        for reader, width in widths.items():
            if reader != stream:
                places = self.layout(self.rank_at(reader, width), [name for name in widths if name != reader])
                found[reader] = [(one.y, one.y + one.y_width) for one in places if one.partner == stream]
        return found

    def _router_parameters(self, target: int, partners: Mapping[str, int], experts: int) -> int:
        if not self.routes(experts):
            return 0
        hidden = self.router.hidden
        return (target + sum(partners.values()) + 1) * hidden + (hidden + 1) * experts


def _widest(meetings: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Stream to the greatest of its widths."""
    streams = dict.fromkeys(stream for widths in meetings for stream in widths)
    return {stream: max(widths[stream] for widths in meetings if stream in widths) for stream in streams}
