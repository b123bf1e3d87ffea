"""The expert that asks the partner modality."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from ...core.roles import Expert
from .specs import CrossAttentionSpec


class CrossAttention(Expert):
    """softmax(q k' / sqrt(r/h) + mask) u Wo with q = x Wq, k = y Wk, u = y Wv (arXiv 2503.20633; form ours).

    With ``latent``, T learned tokens stand between: they ask the partner, and the target asks them.
    """

    def __init__(self, spec: CrossAttentionSpec, rank: int) -> None:
        super().__init__()
        self._heads = spec.heads_at(rank)
        self.latent = nn.Parameter(torch.randn(spec.latent, rank)) if spec.latent else None

    def forward(self, x: Tensor, y: Tensor | None, x_mask: Tensor | None, y_mask: Tensor | None) -> Tensor:
        """[B, N, r]; a masked partner token is never asked."""
        assert y is not None
        asked = None if y_mask is None else y_mask[:, None, None]
        if self.latent is None:
            return self._ask(x, y, asked)
        asking = self.latent.to(y.dtype).expand(len(y), -1, -1)
        gathered = self._ask(asking, y, asked)
        return self._ask(x, torch.cat([gathered, gathered], dim=-1), None)

    def _ask(self, queries: Tensor, answers: Tensor, mask: Tensor | None) -> Tensor:
        """``answers``: keys beside values."""
        heads, (batch, count, _) = self._heads, answers.shape
        asking = queries.view(*queries.shape[:2], heads, -1).transpose(1, 2)
        keys, values = answers.view(batch, count, 2, heads, -1).permute(2, 0, 3, 1, 4).unbind()
        mixed = scaled_dot_product_attention(asking, keys, values, attn_mask=mask)
        return mixed.transpose(1, 2).flatten(2)
