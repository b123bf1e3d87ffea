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
        self._heads = max(heads for heads in range(1, min(spec.heads, rank) + 1) if rank % heads == 0)
        self.latent = nn.Parameter(torch.randn(spec.latent, rank)) if spec.latent else None

    def forward(self, x: Tensor, y: Tensor | None, x_mask: Tensor | None, y_mask: Tensor | None) -> Tensor:
        """[B, N, r]; a masked partner token is never asked."""
        assert y is not None
        keys, values = y.chunk(2, dim=-1)
        if self.latent is None:
            return self._ask(x, keys, values, y_mask)
        asking = self.latent.to(y.dtype).expand(len(y), -1, -1)
        gathered = self._ask(asking, keys, values, y_mask)
        return self._ask(x, gathered, gathered, None)

    def _ask(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        if mask is not None:  # a masked NaN would come through a weight of zero
            values = values.masked_fill(~mask[..., None], 0.0)
            keys = keys.masked_fill(~mask[..., None], 0.0)
        allowed = None if mask is None else mask[:, None, None, :]
        heads = [one.reshape(*one.shape[:2], self._heads, -1).transpose(1, 2) for one in (queries, keys, values)]
        mixed = scaled_dot_product_attention(heads[0], heads[1], heads[2], attn_mask=allowed)
        return mixed.transpose(1, 2).flatten(2)
