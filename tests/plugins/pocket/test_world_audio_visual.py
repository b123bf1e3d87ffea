"""Questions about clips of the pocket world: true, balanced, and each kind needs question, pictures and sounds."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from random import Random

import numpy as np
import pytest

from graftwork.plugins.pocket.world.audio_visual import (
    AV_ANSWERS,
    AV_KINDS,
    CHANCE,
    MOMENTS,
    SEEN,
    AskedClip,
    draw_asked_clip,
)
from graftwork.plugins.pocket.world.captions import WORDS
from graftwork.plugins.pocket.world.questions import NUMBERS
from graftwork.plugins.pocket.world.sounds import SHAPE_OF

from .test_world_tasks import MARGIN, Features, accuracy, content, seen_in

TRAIN = 3500


@cache
def asked() -> list[AskedClip]:
    return [draw_asked_clip(Random(f"probe {number}")) for number in range(6000)]


def of(kind: str) -> list[AskedClip]:
    return [one for one in asked() if one.kind == kind]


def heard(one: AskedClip) -> Counter[str]:
    """Shape to the number of moments in which it sounds."""
    return Counter(SHAPE_OF[moment.sound.timbre] for moment in one.moments)


def answer(one: AskedClip) -> str:
    """By reading the words, looking and listening, in another way than it was drawn."""
    things, times = one.moments[0].scene.objects, heard(one)
    sounding = [thing for thing in things if times[thing.shape]]
    of_colour = {thing.colour: times[thing.shape] for thing in things}
    named = re.findall(r"the (\w+) object", one.text)
    if one.kind == "existential":
        return "yes" if of_colour[named[0]] else "no"
    if one.kind == "counting":
        return NUMBERS[len(sounding)]
    if one.kind == "location":
        return ("left", "center", "right")[sounding[0].place % 3]
    if one.kind == "comparative":
        return "yes" if of_colour[named[0]] > of_colour[named[1]] else "no"
    (once,) = (thing.colour for thing in things if times[thing.shape] == 1)
    return once


def test_the_answer_is_true() -> None:
    """Of every kind; and of every question the answer is one of the classes."""
    assert [one.answer for one in asked()] == [answer(one) for one in asked()]
    assert {one.answer for one in asked()} == set(AV_ANSWERS)


@pytest.mark.parametrize("kind", AV_KINDS)
def test_kinds_are_as_frequent_and_their_answers_balanced(kind: str) -> None:
    """Within four standard errors or so: as many answers as chance says, all as frequent."""
    answers = Counter(one.answer for one in of(kind))
    assert abs(answers.total() / len(asked()) - 0.2) < 0.021
    assert len(answers) == round(1 / CHANCE[kind])
    assert max(answers.values()) / answers.total() < CHANCE[kind] + 0.05


def test_every_clip_looks_and_sounds_alike_whatever_is_asked() -> None:
    """Three objects of other shapes, colours and columns; two shapes heard, one twice, one once."""
    for one in asked():
        assert sorted(heard(one).values()) == [1, 2]
        for moment in one.moments:
            things = moment.scene.objects
            assert len(things) == len(one.moments) == MOMENTS
            assert {thing.column for thing in things} == {0, 1, 2}
            assert len({thing.shape for thing in things}) == len({thing.colour for thing in things}) == 3


def words(one: AskedClip) -> Features:
    named = re.findall(r"the (\w+) object", one.text)
    return {"kind": one.kind, **{f"named {number}": name for number, name in enumerate(named)}}


def sounds(one: AskedClip) -> Features:
    times = heard(one)
    told = {f"{moment.sound.timbre} {name}": getattr(moment.sound, name) for moment in one.moments for name in _TOLD}
    return {**{f"{shape} times": number for shape, number in times.items()}, **told}


_TOLD = ("tone", "rhythm")


def joined(one: AskedClip) -> Features:
    """What there is to know once it is known which colours sound how often."""
    times = heard(one)
    things = one.moments[0].scene.objects
    features: Features = {"kind": one.kind, "sounding": sum(times[thing.shape] > 0 for thing in things)}
    of_colour = {thing.colour: times[thing.shape] for thing in things}
    for number, name in enumerate(re.findall(r"the (\w+) object", one.text)):
        features[f"times {number}"] = of_colour.get(name, 0)
    features |= {f"column times {thing.column}": times[thing.shape] for thing in things}
    once = [thing.colour for thing in things if times[thing.shape] == 1]
    return {**features, "once": once[0] if once else "none"}


def test_questions_with_one_modality_are_at_chance_and_with_both_are_not() -> None:
    """A probe on all there is to hear, and one on all there is to see, each with the question; without it they know
    less. With both the answers follow."""
    answers = [one.answer for one in asked()]
    by_question = [words(one) for one in asked()]
    hear = [{**words(one), **sounds(one)} for one in asked()]
    see = [{**words(one), **seen_in(one.moments[0].scene)} for one in asked()]
    chance, seen = (float(np.mean(list(table.values()))) for table in (CHANCE, SEEN))
    assert chance == pytest.approx(0.3583, abs=1e-3)
    assert seen == pytest.approx(0.4)
    assert accuracy(by_question, answers, TRAIN) < chance + MARGIN
    assert accuracy(hear, answers, TRAIN) < chance + MARGIN
    assert accuracy(see, answers, TRAIN) < seen + MARGIN
    assert accuracy([joined(one) for one in asked()], answers, TRAIN) > 0.95


def test_without_the_question_each_modality_knows_still_less() -> None:
    """Which kind is asked shows neither in the pictures nor in the sounds."""
    kinds = [one.kind for one in asked()]
    assert accuracy([sounds(one) for one in asked()], kinds, TRAIN) < 0.2 + MARGIN
    assert accuracy([seen_in(one.moments[0].scene) for one in asked()], kinds, TRAIN) < 0.2 + MARGIN


def test_questions_and_answers_are_of_the_closed_vocabulary() -> None:
    """All words are known to the towers."""
    assert {word for one in asked() for word in one.text.split()} | set(AV_ANSWERS) <= set(WORDS)


def test_items_share_the_question_and_carry_their_kind() -> None:
    """A pass a moment, with its own picture and sound."""
    for item in content("audio_visual_qa").splits["test"]:
        assert set(item.modalities) == {"text"}
        assert [set(own) for own in item.passes] == [{"image", "audio"}] * MOMENTS
        assert item.groups["type"] in AV_KINDS
