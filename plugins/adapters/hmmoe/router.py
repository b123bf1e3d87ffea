"""Shares of the experts."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, one_hot

from .spec import RouterSpec


class Router(nn.Module):
    """softmax(z / T), z = W2 phi(W1 [x ; mean y ...]); x is the target's mean, or each of its tokens (form ours)."""

    def __init__(self, spec: RouterSpec, width: int, experts: int) -> None:
        super().__init__()
        self.spec = spec
        self.first, self.second = nn.Linear(width, spec.hidden), nn.Linear(spec.hidden, experts)
        # Nearly uniform at the start; not zero, or the first layer would wait a step for its gradient.
        nn.init.normal_(self.second.weight, std=0.1 / spec.hidden**0.5)
        nn.init.zeros_(self.second.bias)

    def forward(self, summary: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Shares [..., E] and logits [..., E] of summaries [..., width]; ``present`` bool [..., E] says who can be.

        Where nobody can, all shares are zero.
        """
        logits = self.second(gelu(self.first(summary)))
        if self.training and self.spec.noise:
            logits = logits + self.spec.noise * torch.randn_like(logits)
        open_ = (
            present
            if self.spec.top_k is None
            else present & _largest(logits.masked_fill(~present, -torch.inf), self.spec)
        )
        shares = (logits / self.spec.temperature).masked_fill(~open_, -torch.inf).softmax(dim=-1)
        return shares.masked_fill(~open_, 0.0), logits

    def losses(self, shares: Tensor, logits: Tensor, present: Tensor) -> dict[str, Tensor]:
        """Weighted auxiliary losses over [M, E] shares: of the samples, or of the tokens that are there."""
        spec, found = self.spec, {}
        if spec.balance:
            found["balance"] = spec.balance * _balance(shares, logits.masked_fill(~present, -torch.inf), spec)
        if spec.z:
            found["z"] = spec.z * logits.masked_fill(~present, -torch.inf).logsumexp(dim=-1).square().mean()
        return found


def _largest(logits: Tensor, spec: RouterSpec) -> Tensor:
    assert spec.top_k is not None
    return torch.zeros_like(logits, dtype=torch.bool).scatter(-1, logits.topk(spec.top_k, dim=-1).indices, True)


def _balance(shares: Tensor, logits: Tensor, spec: RouterSpec) -> Tensor:
    if spec.top_k is None:
        mean = shares.mean(dim=0)
        return mean.var(correction=0) / mean.mean().square().clamp(min=1e-12)
    experts = shares.shape[-1]
    # f, the hard share, has no gradient; P, the soft one, carries it.
    chosen = one_hot(logits.argmax(dim=-1), experts).to(shares.dtype).mean(dim=0)
    return experts * (chosen * (logits / spec.temperature).softmax(dim=-1).mean(dim=0)).sum()
