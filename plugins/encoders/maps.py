"""The map of a convolutional network, or of a transformer that keeps one, as tokens."""

from __future__ import annotations

from torch import Tensor


def tokens_of_map(states: Tensor, width: int | None) -> Tensor:
    """[B, d, H, W], or [B, H, W, d] as a Swin has it, as tokens [B, H W, d], row by row; other tensors as they are.

    ``width`` is d where it is known: it tells which axis it stands on; without it the second.
    """
    if states.ndim != 4:
        return states
    last = width is not None and states.shape[1] != width and states.shape[-1] == width
    return states.flatten(1, 2) if last else states.flatten(2).transpose(1, 2)
