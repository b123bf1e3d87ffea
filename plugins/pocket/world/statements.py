"""Statements about two pictures, true or false, that neither the words, nor the pictures, nor the words with one of the
pictures can tell.

Every statement is a relation of two numbers or qualities, one a picture, that has exactly one partner for each value:
the sum is k, they are equal, exactly one is there. The value in either picture is uniform whether or not the statement
is true, so one picture tells nothing. ("More than" and "both contain" have no such form: with equal distributions in
each picture their expected difference, or their expected number, would be equal too.) Statements come four at a time:
two about one pair of pictures, one of them true, and the same two about a pair in which one picture is changed so that
the other one is true. So each statement and each pair of pictures is true as often as false.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from .captions import plural, with_article
from .scene import (
    WORLD_COLOURS,
    WORLD_PLACES,
    WORLD_SHAPES,
    WORLD_SIZES,
    WORLD_TEXTURES,
    WorldObject,
    WorldScene,
    draw_ground,
    draw_object,
    hue_near,
)

TRUTH_NAMES = ("false", "true")
#: Template to its words; {things}: circles, red objects; {thing}: a blue square; {shape}; {quality}: color, size ...
TEMPLATES = {
    "one in total": "there is exactly one {things} in total",
    "two in total": "there are exactly two {things} in total",
    "same number": "there are as many {things} in the left picture as in the right picture",
    "different number": "there are not as many {things} in the left picture as in the right picture",
    "in exactly one": "exactly one of the pictures contains {thing}",
    "in both or neither": "both pictures or neither of the pictures contain {thing}",
    "same quality": "the {shape} has the same {quality} in both pictures",
    "different quality": "the {shape} has a different {quality} in each picture",
}
_QUALITIES = {"color": WORLD_COLOURS, "size": WORLD_SIZES, "texture": WORLD_TEXTURES}


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as data."""

    template: str
    #: What it counts or looks for; empty: any.
    shape: str = ""
    colour: str = ""
    #: What it compares: ``color``, ``size`` or ``texture``.
    quality: str = ""

    def text(self) -> str:
        """The statement in words."""
        one = self.template == "one in total"
        things = (
            (self.shape if one else plural(self.shape)) if self.shape else self.colour + " object" + "s" * (not one)
        )
        thing = with_article(f"{self.colour} {self.shape}")
        return TEMPLATES[self.template].format(things=things, thing=thing, shape=self.shape, quality=self.quality)

    def holds(self, left: WorldScene, right: WorldScene) -> bool:
        """Whether it is true of the two pictures."""
        one, other = self._value(left), self._value(right)
        match self.template:
            case "one in total":
                return (one, other) in ((0, 1), (1, 0))
            case "two in total":
                return (one, other) in ((0, 2), (1, 1), (2, 0))
            case "different number" | "different quality":
                return one != other
            case "in exactly one":
                return bool(one) != bool(other)
            case "in both or neither":
                return bool(one) == bool(other)
            case _:
                return one == other

    def _value(self, scene: WorldScene) -> int | str:
        """What the statement compares, in one picture: a number of things, or a quality of the thing."""
        things = [
            thing for thing in scene.objects if self.shape in ("", thing.shape) and self.colour in ("", thing.colour)
        ]
        if not self.quality:
            return len(things)
        (thing,) = things
        return {"color": thing.colour, "size": thing.size, "texture": thing.texture}[self.quality]


@dataclass(frozen=True, slots=True)
class Judged:
    """A statement, two pictures, and whether it is true of them."""

    statement: Statement
    left: WorldScene
    right: WorldScene

    @property
    def truth(self) -> int:
        """Index into ``TRUTH_NAMES``."""
        return int(self.statement.holds(self.left, self.right))


@dataclass(frozen=True, slots=True)
class _Stage:
    """A picture in the making: what is always there, and what may be there of each of the two statements."""

    always: tuple[WorldObject, ...]
    of: tuple[tuple[WorldObject, ...], tuple[WorldObject, ...]]
    ground: int
    grain: int


def draw_judged(random: Random) -> tuple[Judged, ...]:
    """Four items: two statements on two pairs of pictures, each statement and each pair once true and once false."""
    template = random.choice(list(TEMPLATES))
    statements = _draw_statements(random, template)
    values = _values(statements[0])
    kept, changed = _draw_stage(random, statements), _draw_stage(random, statements)
    at_kept = [random.randrange(len(values)) for _ in statements]
    partners = [_partner(template, value) for value in at_kept]
    others = [random.choice([v for v in range(len(values)) if v != partner]) for partner in partners]
    kept_scene = _scene(kept, statements[0], at_kept, random)
    mirrored = random.random() < 0.5
    judged = []
    for at_changed in ([partners[0], others[1]], [others[0], partners[1]]):
        pair = kept_scene, _scene(changed, statements[0], at_changed, random)
        left, right = pair[::-1] if mirrored else pair
        judged += [Judged(statement, left, right) for statement in statements]
    return tuple(judged)


def _values(statement: Statement) -> tuple[int | str, ...]:
    """The values that a picture may have."""
    if statement.quality:
        return _QUALITIES[statement.quality]
    binary = statement.template in ("one in total", "in exactly one", "in both or neither")
    return (0, 1) if binary else (0, 1, 2)


def _partner(template: str, value: int) -> int:
    """Index of the one value in the other picture that makes the relation true (or, for its negation, false)."""
    return {"one in total": 1 - value, "two in total": 2 - value, "in exactly one": 1 - value}.get(template, value)


def _draw_statements(random: Random, template: str) -> tuple[Statement, Statement]:
    shapes, colours = random.sample(WORLD_SHAPES, 2), random.sample(WORLD_COLOURS, 2)
    quality = random.choice(list(_QUALITIES))
    by_shape = random.random() < 0.5
    if template in ("in exactly one", "in both or neither"):
        first, second = (Statement(template, shape, colour) for shape, colour in zip(shapes, colours, strict=True))
    elif template in ("same quality", "different quality"):
        first, second = (Statement(template, shape, quality=quality) for shape in shapes)
    elif by_shape:
        first, second = (Statement(template, shape) for shape in shapes)
    else:
        first, second = (Statement(template, colour=colour) for colour in colours)
    return first, second


def _draw_stage(random: Random, statements: tuple[Statement, Statement]) -> _Stage:
    first, second = statements
    places = random.sample(range(len(WORLD_PLACES)), 6)
    if first.shape and first.colour:
        # Each has the colour of one statement and the shape of the other: both must be looked at together.
        always = [(second.shape, first.colour), (first.shape, second.colour)]
    else:
        shapes = [shape for shape in WORLD_SHAPES if shape not in (first.shape, second.shape)]
        colours = [colour for colour in WORLD_COLOURS if colour not in (first.colour, second.colour)]
        always = [(random.choice(shapes), random.choice(colours))]
    things = [
        tuple(draw_object(random, places.pop(), said.shape or None, said.colour or None) for _ in range(2))
        for said in statements
    ]
    fillers = tuple(draw_object(random, places.pop(), shape, colour) for shape, colour in always)
    empty = draw_ground(random, ())
    return _Stage(fillers, (things[0], things[1]), empty.ground, empty.grain)


def _scene(stage: _Stage, statement: Statement, values: list[int], random: Random) -> WorldScene:
    """The picture in which the two statements have these values (indices)."""
    objects = list(stage.always)
    for things, value in zip(stage.of, values, strict=True):
        if statement.quality:
            objects.append(_with_quality(things[0], statement.quality, value, random))
        else:
            objects += things[:value]
    return WorldScene(tuple(objects), stage.ground, stage.grain)


def _with_quality(thing: WorldObject, quality: str, value: int, random: Random) -> WorldObject:
    if quality == "color":
        return replace(thing, hue=hue_near(random, WORLD_COLOURS[value]))
    if quality == "texture":
        return replace(thing, texture=WORLD_TEXTURES[value])
    return replace(thing, size=WORLD_SIZES[value], dx=max(-2, min(2, thing.dx)), dy=max(-2, min(2, thing.dy)))
