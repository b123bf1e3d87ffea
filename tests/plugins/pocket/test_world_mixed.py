"""Mixed questions of the pocket world: true, balanced, and each kind needs what it is said to need."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from random import Random

import pytest

from graftwork.plugins.pocket.world.captions import WORDS
from graftwork.plugins.pocket.world.mixed import ALONE, MIXED_ANSWERS, MIXED_KINDS, OPTIONS, MixedQuestion, draw_mixed
from graftwork.plugins.pocket.world.questions import NUMBERS

from .test_world_tasks import MARGIN, accuracy, seen_in


@cache
def asked() -> list[MixedQuestion]:
    return [draw_mixed(Random(f"probe {number}")) for number in range(6000)]


def of(kind: str) -> list[MixedQuestion]:
    return [one for one in asked() if one.kind == kind]


def answer(one: MixedQuestion) -> str:
    """By reading the words and looking at the scene, in another way than it was drawn."""
    said = re.findall(r"an? (\w+) (\w+)", one.text)
    there = {thing.shape: thing.colour for thing in one.scene.objects}
    if one.kind == "bound":
        return "yes" if all(there.get(shape) == colour for colour, shape in said) else "no"
    if one.kind == "same":
        first, second = (there[shape] for shape in re.findall(r"the (\w+)", one.text) if shape in there)
        return "yes" if first == second else "no"
    if one.kind == "count":
        return NUMBERS[Counter(there.values())[one.text.split()[2]]]
    if one.kind == "said":
        return {shape: colour for colour, shape in said}[one.text.split()[-1]]
    return (*NUMBERS, "five")[len(there)]


def test_the_answer_is_true() -> None:
    """Of every kind."""
    assert [one.answer for one in asked()] == [answer(one) for one in asked()]


def test_shapes_of_a_picture_differ() -> None:
    """A shape names its object."""
    assert all(len({thing.shape for thing in one.scene.objects}) == len(one.scene.objects) for one in asked())


@pytest.mark.parametrize("kind", MIXED_KINDS)
def test_kinds_are_as_frequent_and_their_answers_balanced(kind: str) -> None:
    """Within four standard errors or so."""
    answers = Counter(one.answer for one in of(kind))
    assert abs(answers.total() / len(asked()) - 0.2) < 0.021
    assert len(answers) == OPTIONS[kind]
    assert max(answers.values()) / answers.total() < 1 / OPTIONS[kind] + 0.05


@pytest.mark.parametrize("kind", ALONE)
def test_question_or_picture_alone_tell_nothing(kind: str) -> None:
    """By ground truth, in every form that a probe might want."""
    labels, train = [one.answer for one in of(kind)], 900
    words = [{"text": one.text, **dict.fromkeys(one.text.split(), 1)} for one in of(kind)]
    assert accuracy(words, labels, train) < ALONE[kind] + MARGIN + 0.03
    assert accuracy([seen_in(one.scene) for one in of(kind)], labels, train) < ALONE[kind] + MARGIN + 0.03


def test_words_without_their_order_do_not_tell_bound_pairs() -> None:
    """The picture holds both colours and both shapes, whether or not they belong together."""
    for one in of("bound"):
        said = re.findall(r"an? (\w+) (\w+)", one.text)
        assert {colour for colour, _ in said} <= {thing.colour for thing in one.scene.objects}
        assert {shape for _, shape in said} <= {thing.shape for thing in one.scene.objects}


def test_the_partner_of_what_is_said_misleads() -> None:
    """The picture shows the same shapes, never in the colours of the sentence."""
    for one in of("said"):
        there = {thing.shape: thing.colour for thing in one.scene.objects}
        assert all(there[shape] != colour for colour, shape in re.findall(r"an? (\w+) (\w+)", one.text))


def test_all_words_are_known() -> None:
    """To the pocket towers; so are the answers."""
    assert {word for one in asked() for word in one.text.split()} <= set(WORDS)
    assert {one.answer for one in asked()} == set(MIXED_ANSWERS)
