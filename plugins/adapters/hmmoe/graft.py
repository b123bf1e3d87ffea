"""The experts of one stream at one meeting: shared projections around the experts' low-rank cores, and the router."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ....core.roles import Expert, columns_of, masked_mean
from .router import Router, mean_where


@dataclass(frozen=True, slots=True)
class Seat:
    """One expert at a site, with the columns it reads and gives."""

    expert: Expert
    #: The stream it reads besides the target's, or ``None``.
    partner: str | None
    #: Columns of the target's down-projection, of the partner's, and width of what it gives.
    x: slice
    y: slice
    out: int


@dataclass(frozen=True, slots=True)
class Mixture:
    """What a graft gives."""

    #: [B, N, d].
    update: Tensor
    losses: Mapping[str, Tensor]
    #: [E]: mean share of each expert, detached.
    usage: Tensor


class Graft(nn.Module):
    """s * sum_e pi_e E_e(LN X, LN' Y) (arXiv 2503.20633; form ours).

    One product projects the target down for all experts, one each partner, and one projects the mixture up:
    sum_e pi_e (h_e W_e) = [pi_1 h_1, pi_2 h_2, ...] [W_1; W_2; ...].
    """

    def __init__(
        self, width: int, partners: Mapping[str, int], seats: Sequence[Seat], router: Router | None, scale: float
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.partner_norms = nn.ModuleDict({name: nn.LayerNorm(d) for name, d in partners.items()})
        columns = max(seat.x.stop for seat in seats)
        self.down = _projection(width, columns) if columns else None
        self.partner_downs = nn.ModuleDict(
            {
                name: _projection(d, max(seat.y.stop for seat in seats if seat.partner == name))
                for name, d in partners.items()
                if any(seat.y.stop for seat in seats if seat.partner == name)
            }
        )
        self.experts = nn.ModuleList(seat.expert for seat in seats)
        self.router = router
        self.up = nn.Linear(sum(seat.out for seat in seats), width)
        nn.init.zeros_(self.up.weight)  # with s = 1: the identity at the start, and a gradient at once
        nn.init.zeros_(self.up.bias)
        self._seats, self._partners, self._scale = tuple(seats), dict(partners), scale

    def forward(self, states: Mapping[str, Tensor], target: str, masks: Mapping[str, Tensor | None]) -> Mixture:
        """The update of stream ``target``; partners that are absent are not heard."""
        mask = masks.get(target)
        x = self.norm(_blanked(states[target], mask))
        there = {name: _present(states[name], masks.get(name)) for name in self._partners if name in states}
        ys = {name: self.partner_norms[name](_blanked(states[name], masks.get(name))) for name in there}
        present = self._present(x, there)
        shares, losses = self._shares(x, mask, ys, there, masks, present)
        low = x[..., :0] if self.down is None else self.down(x)
        lows = {name: self.partner_downs[name](y) for name, y in ys.items() if name in self.partner_downs}
        columns = [
            shares[..., index, None] * self._core(seat, low, lows, mask, masks, there)
            for index, seat in enumerate(self._seats)
        ]
        mixed = torch.cat([column.expand(len(x), x.shape[1], -1) for column in columns], dim=-1)
        anyone = present.any(dim=-1)[:, None, None]
        update = self._scale * self.up(mixed.to(x.dtype)) * anyone
        return Mixture(update, losses, _mean_share(shares, mask).detach())

    def _core(
        self,
        seat: Seat,
        low: Tensor,
        lows: Mapping[str, Tensor],
        mask: Tensor | None,
        masks: Mapping[str, Tensor | None],
        there: Mapping[str, Tensor],
    ) -> Tensor:
        x = low[..., seat.x]
        if seat.partner is None:
            return columns_of(seat.expert, x, None, mask, None, seat.out)
        if seat.partner not in lows:
            return low.new_zeros(len(low), low.shape[1], seat.out)
        y_mask = masks.get(seat.partner)
        if y_mask is not None:  # a sample without partner attends to anything: its share is zero
            y_mask = y_mask | ~there[seat.partner][:, None]
        return columns_of(seat.expert, x, lows[seat.partner][..., seat.y], mask, y_mask, seat.out)

    def _present(self, x: Tensor, there: Mapping[str, Tensor]) -> Tensor:
        """[B, E]: whether each expert has what it needs."""
        always, never = x.new_ones(len(x), dtype=torch.bool), x.new_zeros(len(x), dtype=torch.bool)
        columns = [always if seat.partner is None else there.get(seat.partner, never) for seat in self._seats]
        return torch.stack(columns, dim=-1)

    def _shares(
        self,
        x: Tensor,
        mask: Tensor | None,
        ys: Mapping[str, Tensor],
        there: Mapping[str, Tensor],
        masks: Mapping[str, Tensor | None],
        present: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Shares [B, 1 or N, E] and auxiliary losses."""
        if self.router is None:
            return (present / present.sum(dim=-1, keepdim=True).clamp(min=1))[:, None].to(x.dtype), {}
        means = [self._partner_mean(name, x, ys, there, masks) for name in self._partners]
        by_token = self.router.spec.level == "token"
        own = x if by_token else masked_mean(x, mask)[:, None]
        around = torch.cat(means, dim=-1)[:, None].expand(-1, own.shape[1], -1) if means else own[..., :0]
        shares, logits = self.router(torch.cat([own, around], dim=-1), present[:, None].expand(-1, own.shape[1], -1))
        counted = present.any(dim=-1)[:, None].expand(-1, own.shape[1])
        if by_token and mask is not None:
            counted = counted & mask
        return shares, self.router.losses(shares, logits, present[:, None].expand_as(shares), counted)

    def _partner_mean(
        self,
        name: str,
        x: Tensor,
        ys: Mapping[str, Tensor],
        there: Mapping[str, Tensor],
        masks: Mapping[str, Tensor | None],
    ) -> Tensor:
        if name not in ys:
            return x.new_zeros(len(x), self._partners[name])
        return masked_mean(ys[name], masks.get(name)) * there[name][:, None]


def _projection(width: int, columns: int) -> nn.Linear:
    """Normalised tokens come down with unit variance."""
    projection = nn.Linear(width, columns)
    nn.init.normal_(projection.weight, std=width**-0.5)
    nn.init.zeros_(projection.bias)
    return projection


def _blanked(state: Tensor, mask: Tensor | None) -> Tensor:
    """Masked tokens as zeros: what they hold (NaN, too) then matters nowhere."""
    return state if mask is None else state.masked_fill(~mask[..., None], 0.0)


def _present(state: Tensor, mask: Tensor | None) -> Tensor:
    """[B]: samples that have this stream at all."""
    return state.new_ones(len(state), dtype=torch.bool) if mask is None else mask.any(dim=-1)


def _mean_share(shares: Tensor, mask: Tensor | None) -> Tensor:
    if mask is not None and shares.shape[1] == mask.shape[1] > 1:
        return mean_where(shares, mask)
    return shares.mean(dim=(0, 1))
