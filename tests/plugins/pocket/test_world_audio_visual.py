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
    SHORT_ANSWERS,
    SHORT_KINDS,
    SHORT_MOMENTS,
    AskedClip,
    draw_asked_clip,
    draw_asked_short_clip,
)
from graftwork.plugins.pocket.world.captions import WORDS
from graftwork.plugins.pocket.world.questions import NUMBERS
from graftwork.plugins.pocket.world.sounds import SHAPE_OF

from .test_world_tasks import MARGIN, Features, accuracy, content, seen_in

TRAIN = 3500
DRAW = {False: draw_asked_clip, True: draw_asked_short_clip}
KINDS = {False: AV_KINDS, True: SHORT_KINDS}
ANSWERS = {False: AV_ANSWERS, True: SHORT_ANSWERS}
#: Times that the two shapes are heard.
TIMES = {False: [1, 2], True: [1, 1]}
both_forms = pytest.mark.parametrize("short", [False, True], ids=["three moments", "two moments"])


@cache
def asked(short: bool) -> list[AskedClip]:
    return [DRAW[short](Random(f"probe {number}")) for number in range(6000)]


def of(short: bool, kind: str) -> list[AskedClip]:
    return [one for one in asked(short) if one.kind == kind]


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
    if one.kind == "colour":
        return sounding[0].colour
    if one.kind == "location":
        return ("left", "center", "right")[sounding[0].place % 3]
    if one.kind == "comparative":
        return "yes" if of_colour[named[0]] > of_colour[named[1]] else "no"
    (once,) = (thing.colour for thing in things if times[thing.shape] == 1)
    return once


@both_forms
def test_the_answer_is_true(short: bool) -> None:
    """Of every kind; and of every question the answer is one of the classes."""
    assert [one.answer for one in asked(short)] == [answer(one) for one in asked(short)]
    assert {one.answer for one in asked(short)} == set(ANSWERS[short])


@pytest.mark.parametrize(("short", "kind"), [(short, kind) for short, kinds in KINDS.items() for kind in kinds])
def test_kinds_are_as_frequent_and_their_answers_balanced(short: bool, kind: str) -> None:
    """Within four standard errors or so: as many answers as chance says, all as frequent."""
    answers = Counter(one.answer for one in of(short, kind))
    assert abs(answers.total() / len(asked(short)) - 1 / len(KINDS[short])) < 0.025
    assert len(answers) == round(1 / CHANCE[kind])
    assert max(answers.values()) / answers.total() < CHANCE[kind] + 0.05


@both_forms
def test_every_clip_looks_and_sounds_alike_whatever_is_asked(short: bool) -> None:
    """Three objects of other shapes, colours and columns; two shapes heard, one twice, one once, or once both."""
    for one in asked(short):
        assert sorted(heard(one).values()) == TIMES[short]
        for moment in one.moments:
            things = moment.scene.objects
            assert len(things) == 3
            assert len(one.moments) == (SHORT_MOMENTS if short else MOMENTS)
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
    sounding = [thing.colour for thing in things if times[thing.shape]]
    return {**features, "once": once[0] if once else "none", "some": sounding[0] if sounding else "none"}


@both_forms
def test_questions_with_one_modality_are_at_chance_and_with_both_are_not(short: bool) -> None:
    """A probe on all there is to hear, and one on all there is to see, each with the question; without it they know
    less. With both the answers follow."""
    clips, answers = asked(short), [one.answer for one in asked(short)]
    by_question = [words(one) for one in clips]
    hear = [{**words(one), **sounds(one)} for one in clips]
    see = [{**words(one), **seen_in(one.moments[0].scene)} for one in clips]
    chance, seen = (float(np.mean([table[kind] for kind in KINDS[short]])) for table in (CHANCE, SEEN))
    assert (chance, seen) == pytest.approx((0.3194, 0.3889) if short else (0.3583, 0.4), abs=1e-3)
    assert accuracy(by_question, answers, TRAIN) < chance + MARGIN
    assert accuracy(hear, answers, TRAIN) < chance + MARGIN
    assert accuracy(see, answers, TRAIN) < seen + MARGIN
    assert accuracy([joined(one) for one in clips], answers, TRAIN) > 0.95


@both_forms
def test_without_the_question_each_modality_knows_still_less(short: bool) -> None:
    """Which kind is asked shows neither in the pictures nor in the sounds."""
    kinds, chance = [one.kind for one in asked(short)], 1 / len(KINDS[short])
    assert accuracy([sounds(one) for one in asked(short)], kinds, TRAIN) < chance + MARGIN
    assert accuracy([seen_in(one.moments[0].scene) for one in asked(short)], kinds, TRAIN) < chance + MARGIN


@both_forms
def test_questions_and_answers_are_of_the_closed_vocabulary(short: bool) -> None:
    """All words are known to the towers."""
    assert {word for one in asked(short) for word in one.text.split()} | set(ANSWERS[short]) <= set(WORDS)


@both_forms
def test_items_share_the_question_and_carry_their_kind(short: bool) -> None:
    """A pass a moment, with its own picture and sound."""
    for item in content("audio_visual_qa_short" if short else "audio_visual_qa").splits["test"]:
        assert set(item.modalities) == {"text"}
        assert [set(own) for own in item.passes] == [{"image", "audio"}] * (SHORT_MOMENTS if short else MOMENTS)
        assert item.groups["type"] in KINDS[short]
