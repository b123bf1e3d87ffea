"""Questions about clips that move: true, balanced, and in need of question and clip."""

from __future__ import annotations

from collections import Counter
from functools import cache
from random import Random

import numpy as np
import pytest

from graftwork.plugins.pocket.world.captions import WORDS
from graftwork.plugins.pocket.world.clip_questions import (
    CHANCE,
    CLIP_ANSWERS,
    CLIP_KINDS,
    AskedMovingClip,
    draw_asked_moving_clip,
)

from .test_world_tasks import MARGIN, Features, accuracy, content

TRAIN = 2500


@cache
def asked() -> list[AskedMovingClip]:
    return [draw_asked_moving_clip(Random(f"probe {number}")) for number in range(4000)]


def places(one: AskedMovingClip) -> list[set[int]]:
    """Where each object is, over the frames."""
    return [{frame.objects[number].place for frame in one.clip.frames} for number in (0, 1)]


def answer(one: AskedMovingClip) -> str:
    """By reading the words and looking at the frames, in another way than it was drawn."""
    said, things = set(one.text.split()), one.clip.frames[0].objects
    if "what" in said:
        (thing,) = (thing for thing in things if {thing.shape, thing.colour} & said)
        return thing.colour if "color" in said else thing.shape
    if "there" in said:
        return "yes" if any({thing.shape, thing.colour} <= said for thing in things) else "no"
    (stays,) = (len(at) == 1 for thing, at in zip(things, places(one), strict=True) if thing.shape in said)
    return "yes" if stays else "no"


def test_the_answer_is_true() -> None:
    """Of every kind; and of every question the answer is one of the classes."""
    assert [one.answer for one in asked()] == [answer(one) for one in asked()]
    assert {one.answer for one in asked()} == set(CLIP_ANSWERS)


@pytest.mark.parametrize("kind", CLIP_KINDS)
def test_kinds_are_as_frequent_and_their_answers_balanced(kind: str) -> None:
    """As many answers as chance says, all as frequent."""
    answers = Counter(one.answer for one in asked() if one.kind == kind)
    assert abs(answers.total() / len(asked()) - 0.25) < 0.025
    assert len(answers) == round(1 / CHANCE[kind])
    assert max(answers.values()) / answers.total() < CHANCE[kind] + 0.05


def words(one: AskedMovingClip) -> Features:
    return {"kind": one.kind, **dict.fromkeys(one.text.split(), 1)}


def seen(one: AskedMovingClip) -> Features:
    features: Features = {}
    for thing, at in zip(one.clip.frames[0].objects, places(one), strict=True):
        features |= {f"{thing.shape} {name}": getattr(thing, name) for name in ("colour", "size", "texture")}
        features |= {f"{thing.colour} shape": thing.shape, f"{thing.shape} places": len(at)}
    return features


def joined(one: AskedMovingClip) -> Features:
    """Of the objects that a question names, what it does not name."""
    said = set(one.text.split())
    pairs = zip(one.clip.frames[0].objects, places(one), strict=True)
    named = [(thing, at) for thing, at in pairs if {thing.shape, thing.colour} & said]
    both = [{thing.shape, thing.colour} <= said for thing, _ in named]
    thing, at = named[0]
    return {"kind": one.kind, "both": any(both), "colour": thing.colour, "shape": thing.shape, "places": len(at)}


def test_either_alone_is_at_chance_and_both_are_not() -> None:
    """A random forest on all there is to read, on all there is to see, and on what both come to."""
    answers = [one.answer for one in asked()]
    chance = float(np.mean(list(CHANCE.values())))
    assert chance == pytest.approx(0.33125)
    assert accuracy([words(one) for one in asked()], answers, TRAIN) < chance + MARGIN
    assert accuracy([seen(one) for one in asked()], answers, TRAIN) < 5 / 16 + MARGIN
    assert accuracy([joined(one) for one in asked()], answers, TRAIN) > 0.95


def test_questions_and_answers_are_of_the_closed_vocabulary() -> None:
    """All words are known to the towers."""
    assert {word for one in asked() for word in one.text.split()} | set(CLIP_ANSWERS) <= set(WORDS)


def test_items_have_a_pass_a_frame_and_one_answer() -> None:
    """And their kind, by which figures are told apart."""
    for item in content("clips_qa").splits["test"]:
        assert [set(own) for own in item.passes] == [{"image"}] * 3
        assert isinstance(item.target, dict)
        assert list(item.target.values()) == [1.0]
        assert item.groups["answer_type"] in CLIP_KINDS
