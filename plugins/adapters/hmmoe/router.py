"""Shares of the experts."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from .spec import RouterSpec


class Router(nn.Module):
    """pi = 2 sigmoid(z / T), or softmax(z / T), of z = W2 phi(W1 [x ; mean y ...]); x is the target's mean, or each of
    its tokens (form ours)."""

    def __init__(self, spec: RouterSpec, width: int, experts: int, partners: Mapping[str, int] | None = None) -> None:
        super().__init__()
        #: ``width`` is of the summary; ``partners``: width of each partner's mean in it.
        self.spec, self.partners = spec, dict(partners or {})
        self.first, self.second = nn.Linear(width, spec.hidden), nn.Linear(spec.hidden, experts)
        # Nearly even at the start; not zero, or the first layer would wait a step for its gradient.
        nn.init.normal_(self.second.weight, std=0.1 / spec.hidden**0.5)
        nn.init.zeros_(self.second.bias)

    def shared(
        self, summary: Tensor, present: Tensor | None, anyone: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Shares [B, 1 or N, E] of summaries [B, 1 or N, width], auxiliary losses, and the mean shares [E], detached.

        ``present`` bool [B, E] says who can be heard, ``anyone`` bool [B] where nobody might be, ``mask`` bool [B, N]
        which tokens are decided on; each ``None`` where all are.
        """
        shares, logits = self(summary, None if present is None else present[:, None])
        counted = mask if anyone is None else anyone[:, None] if mask is None else anyone[:, None] & mask
        losses = self.losses(shares, logits, None if present is None else present[:, None], counted)
        return shares, losses, mean_where(shares.detach(), mask)

    def forward(self, summary: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor]:
        """Shares [..., E] and logits [..., E] of summaries [..., width]; ``present`` bool [..., E] says who can be.

        Where nobody can, all shares are zero.
        """
        spec = self.spec
        logits = self.second(gelu(self.first(summary)))
        if self.training and spec.noise:
            logits = logits + spec.noise * torch.randn_like(logits)
        open_ = present
        if spec.top_k is not None:
            most = _largest(logits if present is None else logits.masked_fill(~present, -torch.inf), spec.top_k)
            open_ = most if present is None else present & most
        z = logits if spec.temperature == 1 else logits / spec.temperature
        if spec.gates == "sigmoid":
            shares = 2 * z.sigmoid()
        else:
            shares = (z if open_ is None else z.masked_fill(~open_, -torch.inf)).softmax(dim=-1)
        return shares if open_ is None else shares.masked_fill(~open_, 0.0), logits

    def losses(
        self, shares: Tensor, logits: Tensor, present: Tensor | None, counted: Tensor | None
    ) -> dict[str, Tensor]:
        """Weighted auxiliary losses over shares [B, N, E] of the samples or tokens `counted`, bool [B, 1 or N], or
        ``None`` for all of them.

        Nothing is read and no shape depends on a mask: what is not counted weighs nothing. Where nothing is, the losses
        are 0.
        """
        spec = self.spec
        found: dict[str, Tensor] = {}
        if not (spec.balances or spec.z):
            return found
        if counted is not None:
            counted = counted.expand(shares.shape[:2])
        if spec.gates == "sigmoid":
            large = logits.square() if present is None else logits.square().masked_fill(~present, 0.0)
            large = large.sum(dim=-1, keepdim=True)
        if present is not None:
            logits = logits.masked_fill(~present, -torch.inf)
        if counted is not None:  # where nobody is, logits are 0 rather than -inf, whose gradients would be NaN
            logits = torch.where(counted[..., None], logits, 0.0)
        if spec.balances:
            found["balance"] = spec.balances * _balance(shares, logits, counted, spec)
        if spec.z:
            if spec.gates == "softmax":
                large = logits.logsumexp(dim=-1, keepdim=True).square()
            found["z"] = spec.z * mean_where(large, counted).squeeze(0)
        return found


def mean_where(values: Tensor, counted: Tensor | None) -> Tensor:
    """[E]: the mean of values [B, N, E] where counted [B, N]; 0 where nothing is."""
    if counted is None:
        return values.mean(dim=(0, 1))
    total = torch.where(counted[..., None], values, 0.0).sum(dim=(0, 1))
    return total / counted.sum().clamp(min=1)


def _largest(logits: Tensor, count: int) -> Tensor:
    return torch.zeros_like(logits, dtype=torch.bool).scatter(-1, logits.topk(count, dim=-1).indices, True)


def _balance(shares: Tensor, logits: Tensor, counted: Tensor | None, spec: RouterSpec) -> Tensor:
    if spec.top_k is None:
        mean = mean_where(shares, counted)
        return mean.var(correction=0) / mean.mean().square().clamp(min=1e-12)
    experts = shares.shape[-1]
    # f, the hard share, has no gradient; P, the soft one, carries it. Compared, as `one_hot` looks at the numbers.
    hard = logits.argmax(dim=-1, keepdim=True) == torch.arange(experts, device=logits.device)
    chosen = mean_where(hard.to(shares.dtype), counted)
    return experts * (chosen * mean_where((logits / spec.temperature).softmax(dim=-1), counted)).sum()
