"""The camera: a picture at a lower resolution, blurred, with another contrast, with noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from .scene import Look


def photograph(picture: Tensor, looks: Sequence[Look], generator: torch.Generator) -> Tensor:
    """Apply ``looks`` to ``picture`` float32 [batch, 3, side, side] in [0, 1]; the result has its shape and range."""
    picture = _resampled(_blurred(picture, looks), looks)
    gain = torch.tensor([look.gain for look in looks])[:, None, None, None]
    lift = torch.tensor([look.lift for look in looks])[:, None, None, None]
    noise = torch.tensor([look.noise for look in looks])[:, None, None, None]
    picture = (picture - 0.5) * gain + 0.5 + lift
    return (picture + noise * torch.randn(picture.shape, generator=generator)).clamp(0, 1)


def _blurred(picture: Tensor, looks: Sequence[Look]) -> Tensor:
    rows = [row for row, look in enumerate(looks) if look.blur > 0]
    if not rows:
        return picture
    share = torch.tensor([looks[row].blur for row in rows])[:, None, None, None]
    smooth = F.avg_pool2d(F.pad(picture[rows], (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    blurred = picture.clone()
    blurred[rows] = torch.lerp(picture[rows], smooth, share.expand_as(smooth))
    return blurred


def _resampled(picture: Tensor, looks: Sequence[Look]) -> Tensor:
    side = picture.shape[-1]
    result = picture.clone()
    for resolution, interpolation in sorted({(look.resolution, look.interpolation) for look in looks}):
        if resolution >= side:
            continue
        rows = [
            row
            for row, look in enumerate(looks)
            if (look.resolution, look.interpolation) == (resolution, interpolation)
        ]
        coarse = F.interpolate(picture[rows], size=(resolution, resolution), mode="area")
        # antialias selects the cubic kernel that pillow, and so open_clip's preprocessing, uses.
        smooth = {} if interpolation == "nearest" else {"antialias": True, "align_corners": False}
        result[rows] = F.interpolate(coarse, size=(side, side), mode=interpolation, **smooth).clamp(0, 1)
    return result
