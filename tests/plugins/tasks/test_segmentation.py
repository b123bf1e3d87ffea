"""The task of masks: targets, losses and figures against hand counts, and its maps of patches."""

from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from graftwork.core.data.items import DataError, Item, Masks, Media
from graftwork.core.layers.open_towers import OpenTowers
from graftwork.core.layers.patches import as_maps, patches_of, require_whole_pictures
from graftwork.core.layers.read_targets import CHUNK, ReadTargets
from graftwork.plugins.encoders import TransformersSpec
from graftwork.plugins.encoders.transformers.encoder import Transformers
from graftwork.plugins.tasks import SegmentationSpec
from graftwork.plugins.tasks.segmentation import Segmentation
from graftwork.plugins.tasks.segmentation_figures import batched_f, mean_iou, pooled_f

from ...support.models.tiny_encoders import save_tiny_encoder

TASK = Segmentation(SegmentationSpec(f_clips=2))


def clip(*masks: np.ndarray | None, passes: int | None = None) -> Item:
    """An item with these masks, a picture each."""
    media = tuple(None if mask is None else Media(str(mask), "mask", partial(np.array, mask)) for mask in masks)
    views = tuple({"image": Media.of_text(str(n))} for n in range(len(masks) if passes is None else passes))
    return Item("clip", {}, Masks(media), views)


def square(*filled: tuple[int, int], side: int = 4) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    for row, column in filled:
        mask[row, column] = True
    return mask


def drawn(clips: int = 5, frames: int = 3) -> tuple[Tensor, Tensor]:
    """Logits of 4 x 4 places and targets of 8 x 8 pixels; some masks are empty, some frames have none."""
    generator = torch.Generator().manual_seed(0)
    targets = (torch.rand(clips, frames, 8, 8, generator=generator) < 0.4).to(torch.int8)
    targets[1, 0], targets[2], targets[0, 1] = 0, -1, -1
    return torch.randn(clips, frames, 4, 4, generator=generator), targets


def test_targets_are_pixels_and_frames_without_a_mask() -> None:
    """1 within, 0 outside, -1 where there is nothing to learn from."""
    found = TASK.targets([clip(square((0, 1)), None), clip(None, square())], 1)
    assert (found.shape, found.dtype) == ((2, 2, 4, 4), torch.int8)
    assert found[0, 0].nonzero().tolist() == [[0, 1]]
    assert (found[0, 1] == -1).all()
    assert (found[1, 1] == 0).all()


def test_targets_that_are_read_when_needed_are_the_same_rows() -> None:
    """A batch without any mask, too; nothing is held, and what is wrong is said at once."""
    bare = clip(None, None)
    items = [bare, clip(square((0, 1)), None), clip(None, square((2, 2), (3, 1)))]
    read = ReadTargets(TASK, items, 1, torch.device("cpu"))
    whole = TASK.targets(items, 1)
    for rows in ([0], [2, 0], [1, 1]):
        assert torch.equal(read[torch.tensor(rows)], whole[rows])
    assert torch.equal(read[:], whole)
    assert not any(isinstance(value, Tensor) for value in vars(read).values())
    with pytest.raises(DataError, match="found 4 x 4, 5 x 5"):
        ReadTargets(TASK, [*items, *[bare] * CHUNK, clip(square(side=5), None)], 1, torch.device("cpu"))


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([Item("a", {}, 1)], "item a: task segmentation needs a mask"),
        ([clip(square(), passes=2)], "item clip: task segmentation needs a mask"),
        ([clip(square()), clip(square(side=5))], "found 4 x 4, 5 x 5, and 1 frames"),
        ([clip(square()), clip(square(), None)], "and 1 and 2 frames"),
        ([clip(None)], "found none"),
        ([clip(np.zeros((2, 4), bool))], "found 4 x 2"),
    ],
)
def test_other_targets_are_refused(items: list[Item], said: str) -> None:
    """Classes, masks of other numbers and sizes, pictures that are no squares."""
    with pytest.raises(DataError, match=said):
        TASK.targets(items, 1)


def test_a_loss_is_the_mean_over_labelled_pixels() -> None:
    """Of two frames one is labelled: half its pixels within; logits of 2 x 2 places that are all alike."""
    logits = torch.tensor([1.0, 50.0]).view(1, 2, 1, 1).expand(1, 2, 2, 2)
    targets = torch.full((1, 2, 4, 4), -1, dtype=torch.int8)
    targets[0, 0] = torch.tensor([[1, 1, 0, 0]] * 4)
    expected = (math.log(1 + math.exp(-1)) + math.log(1 + math.e)) / 2
    assert TASK.losses(logits, targets).tolist() == pytest.approx([expected])
    assert TASK.losses(logits, targets.fill_(-1)).tolist() == [0]


def test_figures_are_those_of_the_labelled_frames_scaled_up() -> None:
    """Against the functions over all pixels at once; batches are of clips, one of which has no mask at all."""
    logits, targets = drawn()
    shares = interpolate(logits, size=(8, 8), mode="bilinear").sigmoid()
    labelled = targets[..., 0, 0] != -1
    found = TASK.metrics(logits, targets)
    assert found["mean_iou"] == pytest.approx(mean_iou(shares[labelled], targets[labelled] == 1))
    assert found["f_pooled"] == pytest.approx(pooled_f(shares[labelled], targets[labelled] == 1))
    parts = [labelled & (torch.arange(5) // 2 == batch)[:, None] for batch in range(3)]
    each = [batched_f(shares[part], targets[part] == 1, 99) for part in parts]
    assert found["f_batches_of_2_clips"] == pytest.approx(sum(each) / 3)
    assert float(TASK.scores(logits, targets).mean()) == pytest.approx(found["mean_iou"])
    with pytest.raises(DataError, match="no frame of these items has a mask"):
        TASK.metrics(logits, torch.full_like(targets, -1))


def test_maps_of_patches_lie_where_their_patches_do() -> None:
    """Row by row; within a patch row by row, too."""
    logits = torch.arange(16.0).view(4, 4)  # 2 x 2 patches of 2 x 2 places
    assert as_maps(logits, 1)[0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]


def test_tokens_before_the_patches_go() -> None:
    """A class token and registers; a map of a convolution is read row by row; a vector alone is refused."""

    class Out:
        last_hidden_state = torch.arange(7.0).view(1, 7, 1)

    assert patches_of(Out, 1)[0, :, 0].tolist() == [3, 4, 5, 6]
    Out.last_hidden_state = torch.arange(8.0).view(1, 2, 2, 2)
    assert patches_of(Out, 2)[0].tolist() == [[0, 4], [1, 5], [2, 6], [3, 7]]
    with pytest.raises(DataError, match="without hidden states of places"):
        patches_of(torch.zeros(1, 4), 4)
    with pytest.raises(DataError, match="as wide as its last block: 2, and not 4"):
        patches_of(Out, 4)


def test_an_encoder_that_sees_the_middle_of_a_picture_alone_is_refused(tmp_path: Path) -> None:
    """As DINOv2 does, scaled to 256 and cut to 224: its patches would be held against masks of the whole."""
    folder = save_tiny_encoder("dinov2", tmp_path / "image")
    settings = folder / "preprocessor_config.json"

    def towers(side: int) -> OpenTowers:
        settings.write_text(json.dumps(json.loads(settings.read_text()) | {"size": {"shortest_edge": side}}))
        encoder = Transformers(TransformersSpec(model=str(folder)), torch.device("cpu"))
        return OpenTowers(("image",), tuple(encoder.towers()), {"image": encoder})

    require_whole_pictures(towers(16))
    with pytest.raises(DataError, match=r"cuts the edges of a picture off, .* take one that scales pictures"):
        require_whole_pictures(towers(18))
