"""Clips of which what sounds is cut out: masks are exact, and need picture and sound."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import cache
from itertools import combinations
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from graftwork.core.data.items import Masks
from graftwork.plugins.pocket.world.picture import SIDE, mask_of, paint
from graftwork.plugins.pocket.world.scene import WorldObject, WorldScene
from graftwork.plugins.pocket.world.segmentation import ALONE, MOMENTS, OBJECTS, SOUNDING, SUBSETS, Moment, draw_moments
from graftwork.plugins.pocket.world.sounds import SHAPE_OF, Sound, together, waveform

from .test_world_tasks import MARGIN, accuracy, content, seen_in


@cache
def moments(subset: str) -> list[Moment]:
    """The first of each clip."""
    return [draw_moments(Random(f"probe {number}"), subset)[0] for number in range(2000)]


def ious(given: NDArray[np.bool_], masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of one guess [48, 48] with each mask [N, 48, 48]."""
    either = (given | masks).sum((1, 2))
    shares: NDArray[np.float64] = (given & masks).sum((1, 2)) / np.maximum(either, 1)
    return shares


def test_a_mask_covers_what_the_painter_painted() -> None:
    """Painted with and without an object, pixels of its mask differ, pixels beside its outline do not."""
    for moment in moments("ms3")[:100]:
        for thing in moment.scene.objects:
            pale = replace(thing, texture="plain", hue=200)
            alone = WorldScene((pale,), 0, moment.scene.grain)
            shown, empty = (paint([scene])[0].astype(int) for scene in (alone, replace(alone, objects=())))
            changed = np.abs(shown - empty).max(-1)
            mask = mask_of([thing])
            # Yellow on black: 245 of red where a pixel is covered wholly, half of it where by half.
            assert (changed[mask] > 100).all()
            assert (changed[~mask] < 145).all()


def test_masks_of_several_are_those_of_each_together() -> None:
    """Objects never overlap."""
    for moment in moments("ms3")[:50]:
        each = [mask_of([thing]) for thing in moment.sounding]
        assert (mask_of(moment.sounding) == np.any(each, axis=0)).all()
        assert mask_of(moment.sounding).sum() == sum(mask.sum() for mask in each)
    assert not mask_of([]).any()


@pytest.mark.parametrize("subset", SUBSETS)
def test_so_many_objects_of_different_shapes_and_sounds(subset: str) -> None:
    """Every number that may sound is as frequent, and a sound names its object."""
    numbers: defaultdict[int, int] = defaultdict(int)
    for moment in moments(subset):
        shapes = {thing.shape for thing in moment.scene.objects}
        assert len(shapes) == len(moment.scene.objects) == OBJECTS[subset]
        assert set(moment.sounding) <= set(moment.scene.objects)
        assert [SHAPE_OF[sound.timbre] for sound in moment.sounds()] == [thing.shape for thing in moment.sounding]
        numbers[len(moment.sounding)] += 1
    share = 1 / len(SOUNDING[subset])
    assert set(numbers) == set(SOUNDING[subset])
    assert all(abs(count / len(moments(subset)) - share) < 0.05 for count in numbers.values())


def test_one_object_sounds_all_along_and_several_change() -> None:
    """Of s4 the same shape in every moment; of ms3 mostly others."""
    same = {
        subset: np.mean(
            [
                len({frozenset(thing.shape for thing in one.sounding) for one in draw_moments(Random(n), subset)}) == 1
                for n in range(300)
            ]
        )
        for subset in SUBSETS
    }
    assert same["s4"] == 1
    assert same["ms3"] < 0.3


@pytest.mark.parametrize("subset", SUBSETS)
def test_no_union_of_objects_is_better_than_said_by_the_picture_alone(subset: str) -> None:
    """Of every picture the best of all unions, against every set that may sound, by their true areas."""
    best = []
    for moment in moments(subset)[:300]:
        areas = [float(mask_of([thing]).sum()) for thing in moment.scene.objects]
        every = range(len(areas))
        sets = [[set(some) for some in combinations(every, size)] for size in SOUNDING[subset]]

        def expected(guess: set[int], areas: list[float] = areas, sets: list[list[set[int]]] = sets) -> float:
            def overlap(true: set[int]) -> float:
                return sum(areas[one] for one in guess & true) / sum(areas[one] for one in guess | true)

            return float(np.mean([np.mean([overlap(true) for true in some]) for some in sets]))

        best.append(max(expected(set(guess)) for size in every for guess in combinations(every, size + 1)))
    assert abs(np.mean(best) - ALONE[subset]) < MARGIN


@pytest.mark.parametrize("subset", SUBSETS)
def test_no_guess_by_the_sounds_alone_is_good(subset: str) -> None:
    """The mean mask of clips with that many sounds, at the best threshold: below j/9 of j sounding objects."""
    masks = np.array([mask_of(moment.sounding) for moment in moments(subset)])
    numbers = np.array([len(moment.sounding) for moment in moments(subset)])
    total = 0.0
    for number in SOUNDING[subset]:
        some = masks[numbers == number]
        mean, held = some[: len(some) // 2].mean(0), some[len(some) // 2 :]
        total += max(ious(mean >= level, held).mean() for level in np.quantile(mean, (0, 0.2, 0.4, 0.6, 0.8, 0.95)))
    assert total / len(SOUNDING[subset]) < np.mean(SOUNDING[subset]) / 9 + 0.01


def test_by_ground_truth_each_modality_alone_is_at_chance_and_both_are_not() -> None:
    """At which of nine places sounds the one object: a probe on the sound, on the picture, on what joins them."""
    where = [moment.sounding[0].place for moment in moments("s4")]
    heard = [
        {"timbre": sound.timbre, "tone": sound.tone, "rhythm": sound.rhythm}
        for moment in moments("s4")
        for sound in moment.sounds()
    ]
    seen = [seen_in(moment.scene) for moment in moments("s4")]
    both = [{"place": shown[f"{SHAPE_OF[one['timbre']]} place"]} for shown, one in zip(seen, heard, strict=True)]
    assert accuracy(heard, where, 1200) < 1 / 9 + MARGIN
    assert accuracy(seen, where, 1200) < 1 / 4 + MARGIN
    assert accuracy(both, where, 1200) == 1


def test_sounds_together_are_the_sum_of_sounds() -> None:
    """As each is played alone, in turn; quieter all of them where the sum would be too loud."""
    things = [WorldObject(shape, 0, "plain", "large", 0) for shape in ("circle", "square", "star")]
    sounds = list(map(Sound.of, things))
    loud = set()
    for seed in range(40):
        random = Random(seed)
        alone = np.sum([waveform(sound, random).samples for sound in sounds], axis=0)
        heard = together(sounds, Random(seed)).samples
        loud.add(bool(peak := np.abs(alone).max()) and peak > 1)
        np.testing.assert_allclose(heard, alone / max(1.0, peak), atol=1e-6)
    assert loud == {True, False}


@pytest.mark.parametrize("subset", SUBSETS)
def test_items_carry_a_mask_a_moment(subset: str) -> None:
    """A pass a moment, with its own picture and sound; masks of the picture's size, none of them empty."""
    for item in content(subset).splits["test"]:
        assert [set(view) for view in item.views()] == [{"image", "audio"}] * MOMENTS
        assert isinstance(item.target, Masks)
        for mask in item.target.of:
            assert mask is not None
            read = mask.read()
            assert (read.dtype, read.shape) == (np.bool_, (SIDE, SIDE))
            assert read.any()
