"""How masks of what sounds are scored: mean intersection over union, and F with precision weighing more.

Source: Zhou et al., "Audio-Visual Segmentation", ECCV 2022, and its public evaluation, whose rules are kept; what
depends on how frames are batched there has a name of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: beta squared: recall counts as much as .3 of precision.
BETA2 = 0.3
THRESHOLDS = 255
_TINY, _SMALL = 1e-20, 1e-7


def frame_ious(probabilities: Tensor, masks: Tensor) -> Tensor:
    """float64 [N] of probabilities [N, H, W] and masks bool [N, H, W]: intersection over union at above .5.

    Of an empty mask: the share of its pixels that are left out rightly.
    """
    given, right = (probabilities > 0.5).flatten(1), masks.flatten(1)
    both, either = (given & right).sum(dim=1), (given | right).sum(dim=1)
    empty = ~right.any(dim=1)
    both = torch.where(empty, (~given).sum(dim=1), both)
    either = torch.where(empty, torch.full_like(either, right.shape[1]), either)
    return both.double() / (either + _SMALL)


def mean_iou(probabilities: Tensor, masks: Tensor) -> float:
    """The mean of ``frame_ious`` over all frames; that of published code over equal batches is the same."""
    return float(frame_ious(probabilities, masks).mean())


def batched_f(probabilities: Tensor, masks: Tensor, batch: int) -> float:
    """As published code counts: of each ``batch`` of frames in turn the largest F over the thresholds, then their mean.

    The smaller the batch the higher the figure: say which it was. A batch of empty masks alone counts as 0.
    """
    parts = zip(torch.split(probabilities, batch), torch.split(masks, batch), strict=True)
    return sum(_largest_f(*part) for part in parts) / -(-len(masks) // batch)


def pooled_f(probabilities: Tensor, masks: Tensor) -> float:
    """The largest F over the thresholds, one threshold for all frames; 0 where all masks are empty."""
    return _largest_f(probabilities, masks)


def _largest_f(probabilities: Tensor, masks: Tensor) -> float:
    filled = masks.flatten(1).any(dim=1)
    if not bool(filled.any()):
        return 0.0
    return float(f_by_threshold(probabilities[filled], masks[filled]).mean(dim=0).max())


def f_by_threshold(probabilities: Tensor, masks: Tensor) -> Tensor:
    """float64 [N, 255]: F of each frame where what reaches a threshold is given; thresholds from 0 to 1 evenly."""
    thresholds = torch.linspace(0, 1 - 1e-10, THRESHOLDS, device=masks.device)
    # How many thresholds a pixel reaches; then how many pixels reach each threshold.
    reached = torch.searchsorted(thresholds, probabilities.float().flatten(1).contiguous(), right=True)
    right = masks.flatten(1)
    given, hits = _reaching(reached, torch.ones_like(right)), _reaching(reached, right)
    precision, recall = hits / (given + _TINY), hits / (right.sum(dim=1, keepdim=True) + _TINY)
    return ((1 + BETA2) * precision * recall / (BETA2 * precision + recall)).nan_to_num(0.0)


def _reaching(reached: Tensor, counted: Tensor) -> Tensor:
    """float64 [N, 255]: how many of the counted pixels reach each threshold."""
    counts = torch.zeros(len(reached), THRESHOLDS + 1, dtype=torch.float64, device=reached.device)
    counts.scatter_add_(1, reached, counted.double())
    return counts.flip(1).cumsum(dim=1).flip(1)[:, 1:]
