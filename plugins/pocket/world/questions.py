"""Questions about pictures of the pocket world, with the answers of ten annotators.

A picture is drawn first, such that every kind of question can be asked of it; the kind is drawn without looking at it,
in shares near those of VQA v2. Shapes, colours and places are exchangeable, and yes, no and the four numbers are dealt
out evenly: the question alone tells no more than its kind, and the picture alone leaves "yes" as good as "no".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

from .captions import place_phrase, with_article
from .scene import (
    HUE_STEP,
    WORLD_COLOURS,
    WORLD_PLACES,
    WORLD_SHAPES,
    WorldObject,
    WorldScene,
    draw_ground,
    draw_object,
)

#: Kind of question to its share.
KINDS = {"exists": 0.4, "colour": 0.2, "place": 0.15, "count": 0.15, "relation": 0.1}
#: The best that the question alone can do, by kind, where annotators agree.
CHANCE = {"exists": 1 / 2, "colour": 1 / 8, "place": 1 / 5, "count": 1 / 4, "relation": 1 / 4}
NUMBERS = ("zero", "one", "two", "three", "four")
ANSWERS = ("yes", "no", *WORLD_COLOURS, *WORLD_SHAPES, *NUMBERS)
ANNOTATORS = 10
#: Hues reach nearly to the border of two colours, and each annotator sees them a little differently.
SPREAD = 45
_BLUR = 8
#: How many objects share a colour. Asked how many there are of a colour, the answer is the largest of these half of the
#: time, else one or zero: every number from zero to three a quarter.
_GROUPS = ((3, 1), (3, 1), (2, 1), (2, 1, 1))
_RELATIONS = ("left of", "right of", "above", "below")


@dataclass(frozen=True, slots=True)
class Question:
    """A question as data."""

    kind: str
    #: What it is about: (colour, shape), (shape,), (place,), (colour,) or (relation, shape), by kind.
    about: tuple[str, ...]

    def text(self) -> str:
        """The question in words."""
        first = self.about[0]
        match self.kind:
            case "exists":
                return f"is there {with_article(' '.join(self.about))}"
            case "colour":
                return f"what color is the {first}"
            case "place":
                return f"what shape is {place_phrase(WORLD_PLACES.index(first))}"
            case "count":
                return f"how many {first} objects are there"
            case _:
                return f"what shape is {first} the {self.about[1]}"

    def answer(self, scene: WorldScene) -> str:
        """The answer of somebody who sees ``scene`` as it is. Raises ``ValueError`` if it cannot be asked of it."""
        first = self.about[0]
        match self.kind:
            case "exists":
                return "yes" if any((thing.colour, thing.shape) == self.about for thing in scene.objects) else "no"
            case "colour":
                (thing,) = (thing for thing in scene.objects if thing.shape == first)
                return thing.colour
            case "place":
                (thing,) = (thing for thing in scene.objects if WORLD_PLACES[thing.place] == first)
                return thing.shape
            case "count":
                return NUMBERS[sum(thing.colour == first for thing in scene.objects)]
            case _:
                (here,) = (thing for thing in scene.objects if thing.shape == self.about[1])
                (thing,) = (thing for thing in scene.objects if _is(thing, first, here))
                return thing.shape


@dataclass(frozen=True, slots=True)
class Asked:
    """A picture, a question, and what ten people answered."""

    scene: WorldScene
    question: Question
    #: Answer to number of annotators, ten in all.
    said: Mapping[str, int]

    def scores(self) -> dict[int, float]:
        """Index into ``ANSWERS`` to min(count / 3, 1), the consensus score of VQA (Antol et al. 2015).

        As training targets are made of it; the official evaluation also averages over leaving each annotator out.
        """
        return {ANSWERS.index(answer): min(count / 3, 1.0) for answer, count in sorted(self.said.items())}


def draw_asked(random: Random) -> Asked:
    """A random picture, question and answers."""
    scene, offers = _draw_scene(random)
    (kind,) = random.choices(list(KINDS), list(KINDS.values()))
    question = Question(kind, random.choice(random.choice(offers[kind])))
    return Asked(scene, question, Counter(question.answer(_as_seen(scene, random)) for _ in range(ANNOTATORS)))


def _as_seen(scene: WorldScene, random: Random) -> WorldScene:
    """``scene`` as one annotator sees it: every hue up to 16 units off, those far off seldom."""
    circle = HUE_STEP * len(WORLD_COLOURS)
    shift = [random.randint(-_BLUR, _BLUR) + random.randint(-_BLUR, _BLUR) for _ in scene.objects]
    seen = (replace(thing, hue=(thing.hue + by) % circle) for thing, by in zip(scene.objects, shift, strict=True))
    return replace(scene, objects=tuple(seen))


#: Kind of question to lists of what may be asked about; a list is drawn first (they balance the answers), then one of
#: it.
_Offers = dict[str, list[list[tuple[str, ...]]]]


def _draw_scene(random: Random) -> tuple[WorldScene, _Offers]:
    groups = random.choice(_GROUPS)
    while True:
        palette = random.sample(WORLD_COLOURS, len(groups))
        colours = [colour for colour, size in zip(palette, groups, strict=True) for _ in range(size)]
        places = random.sample(range(len(WORLD_PLACES)), len(colours))
        objects = [
            draw_object(random, place, colour=colour, spread=SPREAD)
            for place, colour in zip(places, colours, strict=True)
        ]
        offers = _offers(objects, palette)
        if all(all(some) for some in offers.values()):
            return draw_ground(random, random.sample(objects, len(objects))), offers


def _offers(objects: list[WorldObject], palette: list[str]) -> _Offers:
    there = {(thing.colour, thing.shape) for thing in objects}
    mixed = {(one.colour, other.shape) for one in objects for other in objects}
    shapes = Counter(thing.shape for thing in objects)
    singles = [thing for thing in objects if shapes[thing.shape] == 1]
    absent: list[tuple[str, ...]] = [(colour,) for colour in WORLD_COLOURS if colour not in palette]
    return {
        # "no" has its colour and its shape in the picture, though not together.
        "exists": [sorted(there), sorted(mixed - there)],
        "colour": [[(thing.shape,) for thing in singles]],
        "place": [[(WORLD_PLACES[thing.place],) for thing in objects]],
        "count": [[(palette[0],)], [(palette[0],)], [(colour,) for colour in palette[1:]], absent],
        "relation": [
            [
                (relation, thing.shape)
                for thing in singles
                for relation in _RELATIONS
                if sum(_is(other, relation, thing) for other in objects) == 1
            ]
        ],
    }


def _is(thing: WorldObject, relation: str, other: WorldObject) -> bool:
    match relation:
        case "left of":
            return thing.column < other.column
        case "right of":
            return thing.column > other.column
        case "above":
            return thing.row < other.row
        case _:
            return thing.row > other.row
