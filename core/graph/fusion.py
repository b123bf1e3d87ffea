"""Cross-attention fusion: the patches of an image look at the words of its description, before the graph."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, normalize

from ..data.tokens import Tokens

#: Items whose padded tokens are held at once.
CHUNK = 512


@dataclass(frozen=True, slots=True)
class TokenPair:
    """The image tokens and the text tokens of the same N items."""

    image: Tokens
    text: Tokens

    def __len__(self) -> int:
        return len(self.image)

    def select(self, items: Tensor) -> TokenPair:
        """Those items alone."""
        return TokenPair(self.image.select(items), self.text.select(items))

    def to(self, device: torch.device) -> TokenPair:
        """The same on another device."""
        both = [Tokens(one.values.to(device), one.offsets.to(device)) for one in (self.image, self.text)]
        return TokenPair(*both)

    @property
    def widths(self) -> tuple[int, int]:
        """Of image tokens and of text tokens."""
        return self.image.values.shape[1], self.text.values.shape[1]

    def chunks(self) -> Iterator[TokenPair]:
        """``CHUNK`` items at a time."""
        for start in range(0, len(self), CHUNK):
            yield self.select(torch.arange(start, min(start + CHUNK, len(self)), device=self.image.offsets.device))


class CrossAttention(nn.Module):
    """q = LN(V) Wq, k = LN(T) Wk, u = LN(T) Wv, f = mean over patches of V + softmax(q k' / sqrt r) u Wo.

    One head of width r; no biases. Padding is masked on both sides. Wo starts at zero, so that f starts as the mean of
    the patches. f is returned with unit length, as every vector that an adapter gets. Cross-attention before the graph
    is in GA-Net's journal version (Cheng & Lu, Applied Intelligence 2025); the equations are ours.
    """

    def __init__(self, image_width: int, text_width: int, rank: int) -> None:
        super().__init__()
        self.norm_image, self.norm_text = nn.LayerNorm(image_width), nn.LayerNorm(text_width)
        self.query = nn.Linear(image_width, rank, bias=False)
        self.key = nn.Linear(text_width, rank, bias=False)
        self.value = nn.Linear(text_width, rank, bias=False)
        self.out = nn.Linear(rank, image_width, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, tokens: TokenPair) -> Tensor:
        """Fused unit vectors [N, image width] of N items. An item without words keeps the mean of its patches."""
        if len(tokens) == 0:
            return tokens.image.values.new_zeros(0, tokens.widths[0])
        return torch.cat([self._fused(chunk) for chunk in tokens.chunks()])

    def _fused(self, tokens: TokenPair) -> Tensor:
        patches, is_patch = tokens.image.padded()  # [N, P, dv], [N, P]
        words, is_word = tokens.text.padded()  # [N, W, dt], [N, W]
        # LN's gain and bias and the projections go to the side of the patches: what is done at every word is then free
        # of parameters, so no gradient runs through it. The bias shifts all scores of a patch alike: softmax drops it.
        read = layer_norm(words, words.shape[-1:], eps=self.norm_text.eps)
        asked = self.query(self.norm_image(patches)) @ self.key.weight * self.norm_text.weight  # [N, P, dt]
        scores = asked @ read.mT / math.sqrt(self.query.out_features)
        looked = scores.masked_fill(~is_word[:, None], torch.finfo(scores.dtype).min).softmax(dim=-1)
        looked = looked * is_word[:, None]  # without any word the softmax is uniform over padding
        attended = looked @ read * self.norm_text.weight + looked.sum(dim=-1, keepdim=True) * self.norm_text.bias
        changed = patches + self.out(self.value(attended))
        total = (changed * is_patch[..., None]).sum(dim=1)
        return normalize(total / is_patch.sum(dim=1, keepdim=True).clamp(min=1), dim=-1)
