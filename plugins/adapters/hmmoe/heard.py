"""Who is there in a batch: masks in every form that a meeting needs, made once a forward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Tokens(NamedTuple):
    """Of one stream; all ``None`` where every token is there."""

    #: bool [B, N], true where there is a token.
    mask: Tensor | None = None
    #: bool [B, N, 1], true where there is none.
    blank: Tensor | None = None
    #: [B, 1, N]: what a token weighs in the mean of those that are there.
    weights: Tensor | None = None
    #: bool [B]: samples that have the stream at all.
    there: Tensor | None = None
    #: bool [B, N]: ``mask``, and everywhere for a sample without the stream, which is asked in vain.
    asked: Tensor | None = None

    @classmethod
    def of(cls, mask: Tensor | None, dtype: torch.dtype) -> Tokens:
        """Of a mask bool [B, N]."""
        if mask is None:
            return cls()
        ones, there = mask.to(torch.promote_types(dtype, torch.float32)), mask.any(dim=-1)
        weights = (ones / ones.sum(dim=-1, keepdim=True).clamp(min=1))[:, None].to(dtype)
        return cls(mask, ~mask[..., None], weights, there, mask | ~there[:, None])

    def mean(self, tokens: Tensor) -> Tensor:
        """[B, 1, d] of finite tokens [B, N, d]; zero where there are none."""
        if self.weights is None:
            return tokens.mean(dim=1, keepdim=True)
        return torch.bmm(self.weights.to(tokens.dtype), tokens)


class Audience(NamedTuple):
    """Of one stream: which of its experts can be heard. Both ``None`` where all can, by construction."""

    #: bool [B, E].
    present: Tensor | None = None
    #: bool [B]: samples with any expert; ``None`` too where one needs no partner.
    anyone: Tensor | None = None

    @classmethod
    def of(cls, partners: Sequence[str | None], tokens: Mapping[str, Tokens], like: Tensor) -> Audience:
        """``partners``: which stream each expert reads; ``tokens``: of the streams that are there; like: of batch B."""
        if all(name is None or (name in tokens and tokens[name].there is None) for name in partners):
            return cls()
        always, never = (like.new_full((len(like),), value, dtype=torch.bool) for value in (True, False))

        def column(name: str | None) -> Tensor:
            if name is None:
                return always
            there = tokens[name].there if name in tokens else never
            return always if there is None else there

        present = torch.stack([column(name) for name in partners], dim=-1)
        return cls(present, None if None in partners else present.any(dim=-1))


class Heard(NamedTuple):
    """Of all streams that are there in a pass."""

    tokens: Mapping[str, Tokens]
    audiences: Mapping[str, Audience]
