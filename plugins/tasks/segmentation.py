"""Masks of what sounds, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate

from ...core.data.items import DataError, Item, Masks
from ...core.roles import Task
from .segmentation_figures import f_by_threshold, frame_ious
from .specs import SegmentationSpec

#: Target of a frame without a mask.
UNLABELLED = -1
#: Frames that are scored at a time.
CHUNK = 64


class Segmentation(Task):
    """Every pass of an item is a frame with its sound; logits [N, S, G, G] are of places of the frame, by its patches.

    The figures are those of Zhou et al., "Audio-Visual Segmentation", ECCV 2022 (AVSBench).
    """

    primary = "mean_iou"

    def __init__(self, spec: SegmentationSpec) -> None:
        self.spec = spec

    def targets(self, items: Sequence[Item], classes: int) -> Tensor:
        """int8 [N, S, H, W]: 1 within the mask, 0 outside, -1 in a frame without one. Reads all masks.

        Raises ``DataError`` for an item without masks, for several sizes, and for other numbers of passes than masks.
        """
        rows = [self._of(item) for item in items]
        sizes = {tuple(mask.shape) for row in rows for mask in row if mask is not None}
        lengths = {len(row) for row in rows}
        if len(sizes) != 1 or len(lengths) != 1 or any(height != width for height, width in sizes):
            found = ", ".join(f"{width} x {height}" for height, width in sorted(sizes)) or "none"
            counts = " and ".join(map(str, sorted(lengths)))
            raise DataError(
                f"task segmentation needs square masks of one size, and as many frames in each item: found "
                f"{found}, and {counts} frames"
            )
        targets = torch.full((len(rows), lengths.pop(), *sizes.pop()), UNLABELLED, dtype=torch.int8)
        for row, masks in enumerate(rows):
            for frame, mask in enumerate(masks):
                if mask is not None:
                    targets[row, frame] = mask
        return targets

    def _of(self, item: Item) -> list[Tensor | None]:
        if not isinstance(item.target, Masks) or len(item.target.of) != len(item.views()):
            raise DataError(f"item {item.id}: task segmentation needs a mask (or none) of each frame: `Masks`")
        return [None if mask is None else torch.from_numpy(mask.read()) for mask in item.target.of]

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean binary cross-entropy over the pixels of the labelled frames of each item, [N], the logits scaled up
        bilinearly; 0 where none is labelled."""
        labelled = targets != UNLABELLED
        each = binary_cross_entropy_with_logits(
            scaled(logits, targets.shape[-2:]), targets.clamp(min=0).to(logits.dtype), reduction="none"
        )
        return (each * labelled).flatten(1).sum(dim=1) / labelled.flatten(1).sum(dim=1).clamp(min=1)

    def metrics(self, logits: Tensor, targets: Tensor) -> dict[str, float]:
        """``mean_iou`` over labelled frames; ``f_pooled``; with ``f_clips`` B ``f_batches_of_B_clips``, as published
        code with that batch size reports F; ``loss``. Raises ``DataError`` where no frame is labelled."""
        clip, ious, by_threshold, filled = self._frames(logits, targets)
        figures = {"mean_iou": float(ious.mean()), "f_pooled": _largest(by_threshold[filled])}
        if self.spec.f_clips is not None:
            batch = torch.div(clip, self.spec.f_clips, rounding_mode="floor")
            batches = range(-(-len(logits) // self.spec.f_clips))
            each = [_largest(by_threshold[(batch == one) & filled]) for one in batches]
            figures[f"f_batches_of_{self.spec.f_clips}_clips"] = sum(each) / len(each)
        parts = zip(torch.split(logits, CHUNK), torch.split(targets, CHUNK), strict=True)
        losses = torch.cat([self.losses(*part) for part in parts])
        return {**figures, "loss": float(losses.double().mean())}

    def scores(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The sum of an item's intersections over union, over the mean number of labelled frames an item."""
        clip, ious, *_ = self._frames(logits, targets)
        sums = torch.zeros(len(logits), dtype=torch.float64, device=ious.device).index_add(0, clip, ious)
        return sums * len(logits) / max(1, len(ious))

    def _frames(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of each labelled frame: its item, its intersection over union, its F by threshold, whether its mask is not
        empty."""
        labelled = (targets[..., 0, 0] != UNLABELLED).nonzero()
        if not len(labelled):
            raise DataError("no frame of these items has a mask, so nothing can be measured")
        parts = list(_scored(logits, targets, labelled))
        ious, by_threshold, filled = (torch.cat(column) for column in zip(*parts, strict=True))
        return labelled[:, 0], ious, by_threshold, filled


def _scored(logits: Tensor, targets: Tensor, labelled: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    for rows in torch.split(labelled, CHUNK):
        masks = targets[rows[:, 0], rows[:, 1]] == 1
        shares = scaled(logits[rows[:, 0], rows[:, 1]][:, None], masks.shape[-2:])[:, 0].sigmoid()
        yield frame_ious(shares, masks), f_by_threshold(shares, masks), masks.flatten(1).any(dim=1)


def scaled(logits: Tensor, size: Sequence[int]) -> Tensor:
    """[N, S, H, W] of logits [N, S, G, G], bilinearly."""
    return interpolate(logits, size=tuple(size), mode="bilinear", align_corners=False)


def _largest(by_threshold: Tensor) -> float:
    """F of frames [n, 255] with masks that are not empty: the mean over frames at the best threshold; 0 of none."""
    return float(by_threshold.mean(dim=0).max()) if len(by_threshold) else 0.0
