"""The grammar of descriptions: what is said of a scene, and what a sentence is read as."""

from __future__ import annotations

import pytest

from graftwork.plugins.pocket.scenes.compose import Composer
from graftwork.plugins.pocket.scenes.describe import SYMMETRIC, described, read, sentence, vocabulary
from graftwork.plugins.pocket.scenes.scene import COLOURS, Scene, facts
from graftwork.plugins.pocket.scenes.stencils import StencilBank, build_bank


@pytest.fixture(scope="module")
def bank() -> StencilBank:
    return build_bank((), seed=0, digit_variants=2, letter_variants=1)


@pytest.fixture(scope="module")
def scenes(bank: StencilBank) -> list[Scene]:
    return Composer(bank, seed=1).scenes(1500)


def test_a_description_reads_back_as_the_facts_it_was_made_from(scenes: list[Scene]) -> None:
    for scene in scenes:
        known = described(scene)
        assert read(sentence(known)) == known


def test_every_word_of_a_description_is_in_the_vocabulary(scenes: list[Scene]) -> None:
    spoken = {word for scene in scenes for word in sentence(described(scene)).replace(".", " .").split()}
    assert spoken <= set(vocabulary())


def test_descriptions_are_short(scenes: list[Scene]) -> None:
    assert max(len(sentence(described(scene)).replace(".", " .").split()) for scene in scenes) <= 25


def test_a_description_says_only_what_is_true(scenes: list[Scene]) -> None:
    for scene in scenes:
        truths = facts(scene)
        for group in described(scene):
            colours = {group["ground"], group.get("second", group["ground"])}
            said = {key: value for key, value in group.items() if key not in ("ground", "second")}
            assert any(said.items() <= truth.items() for truth in truths)
            assert colours == {truths[0]["ground"], truths[0].get("second", truths[0]["ground"])}


def test_colours_of_a_symmetric_texture_come_in_one_order(scenes: list[Scene]) -> None:
    order = list(COLOURS)
    striped = [described(scene)[0] for scene in scenes if scene.ground.texture in SYMMETRIC]
    assert striped
    assert all(order.index(known["ground"]) < order.index(known["second"]) for known in striped)


def test_of_two_things_the_left_or_the_upper_one_is_named_first(scenes: list[Scene]) -> None:
    pairs = [scene for scene in scenes if len(scene.groups) == 2]
    assert pairs
    for scene in pairs:
        things = {thing.name.lower(): thing for thing in scene.things}
        first, second = (things[group["what"]] for group in described(scene))
        beside = described(scene)[0]["relation"] == "left of"
        assert first.x < second.x if beside else first.y < second.y


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a dotted blue and green background.", [{"texture": "dotted", "ground": "blue", "second": "green"}]),
        (
            "three small red crosses on a plain white background.",
            [
                {"texture": "plain", "ground": "white", "count": "three", "size": "small", "colour": "red"}
                | {"kind": "shape", "what": "cross"}
            ],
        ),
        (
            "a large black handwritten digit 7 on the left on a plain white background.",
            [
                {"texture": "plain", "ground": "white", "count": "one", "size": "large", "colour": "black"}
                | {"style": "handwritten", "kind": "digit", "what": "7", "place": "left"}
            ],
        ),
    ],
)
def test_sentences_are_read_fact_by_fact(text: str, expected: list[dict[str, str]]) -> None:
    assert read(text) == tuple(expected)


@pytest.mark.parametrize("text", ["", "a cat.", "a red on a plain white background.", "digit 3 digit 3"])
def test_what_is_no_description_says_nothing(text: str) -> None:
    assert read(text) == ()
