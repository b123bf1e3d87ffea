"""Shares of the experts."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

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

    def losses(self, shares: Tensor, logits: Tensor, present: Tensor, counted: Tensor) -> dict[str, Tensor]:
        """Weighted auxiliary losses over shares [B, N, E] of the samples or tokens that are `counted`, bool [B, N].

        Nothing is read and no shape depends on a mask: what is not counted weighs nothing. Where nothing is, the losses
        are 0.
        """
        spec, found = self.spec, {}
        # Where nobody is counted logits are 0 rather than -inf, whose gradients would be NaN.
        logits = torch.where(counted[..., None], logits.masked_fill(~present, -torch.inf), 0.0)
        if spec.balance:
            found["balance"] = spec.balance * _balance(shares, logits, counted, spec)
        if spec.z:
            found["z"] = spec.z * mean_where(logits.logsumexp(dim=-1, keepdim=True).square(), counted).squeeze(0)
        return found


def mean_where(values: Tensor, counted: Tensor) -> Tensor:
    """[E]: the mean of values [B, N, E] where counted [B, N]; 0 where nothing is."""
    total = torch.where(counted[..., None], values, 0.0).sum(dim=(0, 1))
    return total / counted.sum().clamp(min=1)


def _largest(logits: Tensor, spec: RouterSpec) -> Tensor:
    assert spec.top_k is not None
    return torch.zeros_like(logits, dtype=torch.bool).scatter(-1, logits.topk(spec.top_k, dim=-1).indices, True)


def _balance(shares: Tensor, logits: Tensor, counted: Tensor, spec: RouterSpec) -> Tensor:
    if spec.top_k is None:
        mean = mean_where(shares, counted)
        return mean.var(correction=0) / mean.mean().square().clamp(min=1e-12)
    experts = shares.shape[-1]
    # f, the hard share, has no gradient; P, the soft one, carries it. Compared, as `one_hot` looks at the numbers.
    hard = logits.argmax(dim=-1, keepdim=True) == torch.arange(experts, device=logits.device)
    chosen = mean_where(hard.to(shares.dtype), counted)
    return experts * (chosen * mean_where((logits / spec.temperature).softmax(dim=-1), counted)).sum()
