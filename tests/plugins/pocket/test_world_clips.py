"""Clips with captions: a caption is true of its clip alone, and needs what belongs to what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cache
from random import Random

import pytest

from graftwork.plugins.pocket.world.captions import WORDS
from graftwork.plugins.pocket.world.clips import FRAMES, TWIN_FRAMES, CaptionedClip, draw_captioned_clips
from graftwork.plugins.pocket.world.scene import WORLD_PLACES

from .test_world_tasks import content


@cache
def captioned() -> list[CaptionedClip]:
    return draw_captioned_clips(Random("probe"), 200, 2, set())


def places_of(one: CaptionedClip, mover: int) -> list[int]:
    """Where an object is, frame by frame."""
    return [frame.objects[mover].place for frame in one.clip.frames]


@cache
def twins() -> list[CaptionedClip]:
    return draw_captioned_clips(Random("probe"), 400, 1, set(), twins=True)


@pytest.mark.parametrize("drawn", [captioned, twins])
def test_a_caption_is_true_of_its_clip_alone(drawn: Callable[[], list[CaptionedClip]]) -> None:
    """By ground truth, over all pairs of a split."""
    for one in drawn():
        for caption in one.captions:
            assert [other.clip for other in drawn() if caption.holds(other.clip)] == [one.clip]


def test_twins_differ_in_two_colours_and_most_captions_tell_them_apart_by_one() -> None:
    """Equal but for the colours, which are exchanged; of each pair of captions one colour of one shape is named."""
    named = 0
    for one, other in zip(twins()[::2], twins()[1::2], strict=True):
        assert len(one.clip.frames) == len(other.clip.frames) == TWIN_FRAMES
        for first, second in zip(one.clip.movers, other.clip.movers, strict=True):
            assert (first.way, first.thing.shape, first.thing.size) == (
                second.way,
                second.thing.shape,
                second.thing.size,
            )
        hues = [[mover.thing.hue for mover in clip.clip.movers] for clip in (one, other)]
        assert hues[0] == hues[1][::-1]
        assert len(set(hues[0])) == 2
        for caption in (*one.captions, *other.captions):
            said = [(phrase[0] is not None, phrase[2] is not None) for phrase in caption.phrases]
            named += said == [(True, True), (False, False)]
    assert named > 0.6 * len(twins())


def test_captions_read_word_by_word_are_true() -> None:
    """Whatever stands of the first object is true of it in the frames themselves: places, and relations in each."""
    related = placed = gone = 0
    for one in captioned():
        for caption in one.captions:
            shown = {mover: {WORLD_PLACES[place] for place in places_of(one, mover)} for mover in (0, 1)}
            orders = [(0, 1), (1, 0)]
            if caption.relation:
                related += 1
                axis, sign = {"above": ("row", -1), "below": ("row", 1)}.get(caption.relation, ("column", 0))
                sign = sign or (-1 if caption.relation == "left of" else 1)
                assert any(
                    all(
                        sign * (getattr(frame.objects[a], axis) - getattr(frame.objects[b], axis)) > 0
                        for frame in one.clip.frames
                    )
                    for a, b in orders
                )
            else:
                placed += 1
                said = [{WORLD_PLACES[place] for place in phrase[4]} for phrase in caption.phrases]
                assert said in [[shown[a], shown[b]] for a, b in orders]
                gone += any(len(places) == 2 for places in said)
    assert min(related, placed, gone) > 40


def test_clips_come_in_fours_that_exchange_colours_and_ways() -> None:
    """The same shapes, colours and ways in all four; what belongs to what differs."""
    for at in range(0, len(captioned()), 4):
        four = captioned()[at : at + 4]
        assert len({one.clip.content for one in four}) == 4
        for which in ("shape", "hue", "size", "texture"):
            assert len({tuple(sorted(str(getattr(m.thing, which)) for m in one.clip.movers)) for one in four}) == 1
        assert len({frozenset(mover.way for mover in one.clip.movers) for one in four}) == 1


def test_objects_go_as_said() -> None:
    """Along their way, in that order, each frame another picture; never two at one place."""
    for one in captioned():
        assert len(one.clip.frames) == len(set(one.clip.frames)) == FRAMES
        for number, mover in enumerate(one.clip.movers):
            assert tuple(dict.fromkeys(places_of(one, number))) == mover.way
        assert all(len({thing.place for thing in frame.objects}) == 2 for frame in one.clip.frames)


def test_captions_are_of_the_closed_vocabulary() -> None:
    """All words are known to the towers, and no two captions are the same."""
    texts = [caption.text for one in captioned() for caption in one.captions]
    assert {word for text in texts for word in text.split()} <= set(WORDS)
    assert len(set(texts)) == len(texts)


def test_no_content_is_in_two_splits() -> None:
    """What is taken is not drawn again."""
    taken = {one.clip.content for one in captioned()}
    more = draw_captioned_clips(Random("probe"), 40, 1, set(taken))
    assert not {one.clip.content for one in more} & taken


@pytest.mark.parametrize(
    ("task", "captions", "frames"), [("clips", 1, FRAMES), ("clips_often", 4, FRAMES), ("clips_twins", 1, TWIN_FRAMES)]
)
def test_items_of_a_clip_have_its_number(task: str, captions: int, frames: int) -> None:
    """A caption an item; so many items a clip, a pass a frame."""
    clips = defaultdict(list)
    for item in content(task).splits["test"]:
        assert [set(view) for view in item.views()] == [{"image", "text"}] * frames
        clips[item.target].append(tuple(view["image"].digest for view in item.views()))
    assert set(clips) == set(range(100 // captions))
    assert all(len(shown) == captions and len(set(shown)) == 1 for shown in clips.values())
