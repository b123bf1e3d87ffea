"""Figures of masks: against hand counts, and against the published rules written out frame by frame."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchmetrics.classification import BinaryJaccardIndex

from graftwork.plugins.tasks.segmentation_figures import batched_f, f_by_threshold, frame_ious, mean_iou, pooled_f


def frames(seed: int, count: int = 5) -> tuple[Tensor, Tensor]:
    """Probabilities and masks of 4 x 3 pixels; every third mask is empty."""
    drawn = torch.Generator().manual_seed(seed)
    masks = torch.rand(count, 4, 3, generator=drawn) < 0.4
    masks[::3] = False
    return torch.rand(count, 4, 3, generator=drawn).round(decimals=2), masks


def f_written_out(probabilities: Tensor, mask: Tensor, threshold: float) -> float:
    """Of one frame."""
    given_ = [p >= threshold for p in probabilities.flatten().tolist()]
    right = mask.flatten().tolist()
    hits = sum(a and b for a, b in zip(given_, right, strict=True))
    precision, recall = hits / (sum(given_) + 1e-20), hits / (sum(right) + 1e-20)
    if precision == recall == 0:
        return 0.0
    return 1.3 * precision * recall / (0.3 * precision + recall)


def largest(probabilities: Tensor, masks: Tensor) -> float:
    """Mean over frames with a mask, then the maximum over thresholds."""
    filled = [row for row in range(len(masks)) if masks[row].any()]
    if not filled:
        return 0.0
    thresholds = torch.linspace(0, 1 - 1e-10, 255).tolist()
    each = [sum(f_written_out(probabilities[row], masks[row], t) for row in filled) / len(filled) for t in thresholds]
    return max(each)


def test_intersection_over_union_is_a_hand_count() -> None:
    """Two of four pixels are common to three given and three right; exactly .5 is not given."""
    probabilities = torch.tensor([[[0.9, 0.8], [0.6, 0.5]]])
    masks = torch.tensor([[[True, True], [False, True]]])
    assert frame_ious(probabilities, masks).item() == pytest.approx(2 / 4)


@given(st.integers(0, 2**20))
def test_intersection_over_union_is_torchmetrics(seed: int) -> None:
    """Of each frame whose mask is not empty, the Jaccard index."""
    probabilities, masks = frames(seed)
    for frame, mask, found in zip(probabilities, masks, frame_ious(probabilities, masks).tolist(), strict=True):
        if mask.any():
            assert found == pytest.approx(float(BinaryJaccardIndex()((frame > 0.5).int(), mask.int())))


def test_an_empty_mask_counts_the_pixels_that_are_left_out() -> None:
    """One of four pixels is given: three quarters; nothing given: 1."""
    empty = torch.zeros(2, 2, 2, dtype=torch.bool)
    probabilities = torch.tensor([[[0.9, 0.0], [0.1, 0.2]], [[0.0, 0.1], [0.5, 0.2]]])
    assert frame_ious(probabilities, empty).tolist() == pytest.approx([0.75, 1.0])
    assert mean_iou(probabilities, empty) == pytest.approx(0.875)


def test_f_weighs_precision_more_than_recall() -> None:
    """All four pixels given, one right: P 1/4, R 1, F 1.3 / 4 / (.3 / 4 + 1); above them the one alone: F 1."""
    probabilities, masks = torch.tensor([[[0.9, 0.4], [0.4, 0.4]]]), torch.tensor([[[True, False], [False, False]]])
    by_threshold = f_by_threshold(probabilities, masks)
    assert by_threshold[0, 0].item() == pytest.approx(1.3 / 4 / (0.3 / 4 + 1))
    assert by_threshold[0, 200].item() == pytest.approx(1)
    assert by_threshold[0, 254].item() == 0
    assert pooled_f(probabilities, masks) == pytest.approx(1)


@settings(max_examples=20)
@given(st.integers(0, 2**20), st.integers(1, 6))
def test_both_forms_of_f_are_the_rules_written_out(seed: int, batch: int) -> None:
    """Batches in order, a last one that is smaller, batches of empty masks alone with 0."""
    probabilities, masks = frames(seed)
    parts = [largest(probabilities[at : at + batch], masks[at : at + batch]) for at in range(0, len(masks), batch)]
    assert batched_f(probabilities, masks, batch) == pytest.approx(sum(parts) / math.ceil(len(masks) / batch))
    assert pooled_f(probabilities, masks) == pytest.approx(largest(probabilities, masks))


def test_smaller_batches_flatter() -> None:
    """Over frames that all have a mask, each with a threshold of its own."""
    drawn = torch.Generator().manual_seed(0)
    masks = torch.rand(12, 8, 8, generator=drawn) < 0.5
    probabilities = (masks * 0.1 + torch.rand(12, 1, 1, generator=drawn) * 0.8).clamp(0, 1)
    one, four = batched_f(probabilities, masks, 1), batched_f(probabilities, masks, 4)
    assert one == pytest.approx(1)
    assert one > four > pooled_f(probabilities, masks)


def test_empty_masks_alone_have_no_f() -> None:
    """0 in both forms, and not NaN."""
    empty = torch.zeros(3, 2, 2, dtype=torch.bool)
    assert (pooled_f(torch.rand(3, 2, 2), empty), batched_f(torch.rand(3, 2, 2), empty, 2)) == (0, 0)
