"""One meeting of HMMoE: each stream normalised once and projected once for all who read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from ....core.roles import Updates, columns_of
from .graft import Graft, Seat, Span
from .heard import Heard


@dataclass(frozen=True, slots=True)
class _Streams:
    """The streams of a meeting as their experts read them."""

    #: Normalised tokens [B, N, d] without scale and shift, which a Linear follows; masked ones are zero.
    x: Mapping[str, Tensor]
    columns: Mapping[str, Mapping[Span, Tensor]]
    heard: Heard

    def mean(self, name: str, tokens: Tensor) -> Tensor:
        """[B, 1, d] of what stands at a stream's tokens."""
        return self.heard.tokens[name].mean(tokens)


def meet(grafts: Mapping[str, Graft], states: Mapping[str, Tensor], heard: Heard, scale: float) -> Updates:
    """s sum_e pi_e E_e(LN X, LN' Y) for every stream X that is there (arXiv 2503.20633; form ours).

    No number is read and no shape follows a mask, so that it can be compiled as a whole.
    """
    x = {name: _normalised(state, heard.tokens[name].blank) for name, state in states.items()}
    streams = _Streams(x, {name: grafts[name].columns(one) for name, one in x.items()}, heard)
    means = _means(grafts, streams)
    updates: dict[str, Tensor] = {}
    losses: dict[str, Tensor] = {}
    usage: dict[str, Tensor] = {}
    for name in states:
        graft, anyone = grafts[name], heard.audiences[name].anyone
        shares, found, usage[name] = _shares(name, graft, streams, means)
        given = [_core(seat, name, grafts, streams) for seat in graft.seats]
        update = graft.mixed(given, shares, x[name].shape)
        update = update if anyone is None else update * anyone[:, None, None]
        updates[name] = update if scale == 1 else update * scale
        losses |= {f"{name}.{kind}": loss for kind, loss in found.items()}
    return Updates(updates, losses, usage)


def _normalised(state: Tensor, blank: Tensor | None) -> Tensor:
    """Masked tokens count as zeros: what they hold (NaN, too) then matters nowhere."""
    return layer_norm(state if blank is None else state.masked_fill(blank, 0.0), state.shape[-1:])


def _means(grafts: Mapping[str, Graft], streams: _Streams) -> dict[str, Tensor]:
    """Of each stream [B, 1, d], where a router asks for it."""
    routed = any(grafts[name].router is not None for name in streams.x)
    return {name: streams.mean(name, one) for name, one in streams.x.items()} if routed else {}


def _core(seat: Seat, target: str, grafts: Mapping[str, Graft], streams: _Streams) -> Tensor:
    """What one expert gives."""
    x, mask = streams.columns[target].get(seat.x, streams.x[target][..., :0]), streams.heard.tokens[target].mask
    if seat.partner is None:
        return columns_of(seat.expert, x, None, mask, None, seat.out)
    if seat.partner not in streams.x:
        return x.new_zeros(len(x), x.shape[1], seat.out)
    span, tokens = grafts[seat.partner].span_for(target, seat.y), streams.heard.tokens[seat.partner]
    columns = streams.columns[seat.partner]
    y = columns[span] if span in columns else streams.x[seat.partner][..., :0]
    if seat.reads_mean:
        return columns_of(seat.expert, x, tokens.mean(y), mask, None, seat.out)
    return columns_of(seat.expert, x, y, mask, tokens.asked, seat.out)


def _shares(
    name: str, graft: Graft, streams: _Streams, means: Mapping[str, Tensor]
) -> tuple[Tensor | float, dict[str, Tensor], Tensor]:
    """Shares [B, 1 or N, E], or one for all; auxiliary losses; mean shares [E], detached."""
    x, tokens, (present, _) = streams.x[name], streams.heard.tokens[name], streams.heard.audiences[name]
    router = graft.router
    if router is None:
        if present is None:
            share = 1 / len(graft.seats)
            return share, {}, x.new_full((len(graft.seats),), share)
        ones = present.to(x.dtype)
        even = ones / ones.sum(dim=-1, keepdim=True).clamp(min=1)
        return even[:, None], {}, even.mean(dim=0)
    around = [_mean_of(one, x, width, means) for one, width in router.partners.items()]
    by_token = router.spec.level == "token"
    parts = [x if by_token else means[name], *around]
    parts = [one.expand(-1, x.shape[1], -1) for one in parts] if by_token else parts
    return router.shared(
        torch.cat(parts, dim=-1), present, streams.heard.audiences[name].anyone, tokens.mask if by_token else None
    )


def _mean_of(partner: str, x: Tensor, width: int, means: Mapping[str, Tensor]) -> Tensor:
    return means[partner] if partner in means else x.new_zeros(len(x), 1, width)
