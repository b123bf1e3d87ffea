"""The expert role: the low-rank core of one expert inside a frozen tower."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from .contract import broken, form


class Expert(nn.Module, ABC):
    """Built as ``build(spec, rank)``; initial weights follow torch's global seed.

    The site normalises, projects down for all its experts in one product and up in another, so an expert sees
    low-rank columns and gives low-rank columns; how many, its spec's ``widths`` say. No parameter's shape may depend on
    a sequence length.
    """

    @abstractmethod
    def forward(self, x: Tensor, y: Tensor | None, x_mask: Tensor | None, y_mask: Tensor | None) -> Tensor:
        """[B, N, out] of the target's columns ``x`` [B, N, a] and the partner's ``y`` [B, M, b].

        ``y`` is ``None`` for experts that are not ``multimodal``, and the mean [B, 1, b] for those whose spec
        ``reads_mean``. Masks are bool [B, N] and [B, M], true where there is a token; ``None`` means everywhere. No row
        of ``y_mask`` is all false. What a masked position holds is finite, and must never matter to another one; what
        is given at a masked target position does not matter.
        """


def columns_of(
    expert: Expert, x: Tensor, y: Tensor | None, x_mask: Tensor | None, y_mask: Tensor | None, out: int
) -> Tensor:
    """What the expert gives: [B, N, out], or with 1 for B or N where all are the same. Raises ``ContractError``."""
    given = expert(x, y, x_mask, y_mask)
    if isinstance(given, Tensor) and given.ndim == 3:
        batch, tokens, columns = given.shape
        if batch in (1, x.shape[0]) and tokens in (1, x.shape[1]) and columns == out:
            return given
    asked = f"`forward` gives [B, N, out], {out} columns by its spec's `widths`"
    raise broken("expert", expert, f"gave {form(given)} for {x.shape[0]} x {x.shape[1]} tokens; {asked}")


def masked_mean(tokens: Tensor, mask: Tensor | None) -> Tensor:
    """Mean [B, d] over the tokens [B, N, d] that are there; zero where there are none."""
    if mask is None:
        return tokens.mean(dim=1)
    there = mask[..., None].to(tokens.dtype)
    # Not tokens * mask: a masked infinity or NaN would come through.
    return tokens.masked_fill(~mask[..., None], 0.0).sum(dim=1) / there.sum(dim=1).clamp(min=1.0)
