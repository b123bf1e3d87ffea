"""The pocket world: what a small picture with sounding objects holds, as data, and random scenes. Light: no torch.

Every number is an integer and every draw comes from one ``random.Random``, so that a scene, its digest and all that is
asked of it are the same on every machine. ``picture.py`` paints scenes, ``sounds.py`` lets objects sound.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from ..scenes.scene import PLACES

#: Outlines of ``shapes.py``, the ones that differ most at eight pixels.
WORLD_SHAPES = ("circle", "square", "triangle", "star", "cross")
#: In the order of the colour circle: each lies between its neighbours, the last one beside the first.
WORLD_COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")
WORLD_TEXTURES = ("plain", "striped", "checkered", "dotted")
WORLD_SIZES = ("small", "large")
WORLD_PLACES = PLACES
#: Units of hue from one colour to the next; a hue in [-HALF, HALF) around a colour is called by that colour's name.
HUE_STEP = 100
_CIRCLE = HUE_STEP * len(WORLD_COLOURS)
#: How far hues lie from their colour by default: well inside its name.
USUAL_SPREAD = 20
#: How far from the middle of its cell an object of that size may lie, in half pixels: cells never overlap.
REACH = {"small": 6, "large": 2}
PHASES, GROUNDS, GRAINS = 4, 51, 64


@dataclass(frozen=True, slots=True)
class WorldObject:
    """One object."""

    shape: str
    #: On the colour circle, in [0, 800): 0 is red, 100 orange, 150 as much yellow as orange.
    hue: int
    texture: str
    size: str
    #: Index into ``WORLD_PLACES``: row by row from the top left.
    place: int
    #: Offset of its middle from its cell's, in half pixels to the right and down.
    dx: int = 0
    dy: int = 0
    #: Where its texture starts.
    phase: int = 0

    @property
    def colour(self) -> str:
        """The name of the nearest colour."""
        return WORLD_COLOURS[(self.hue + HUE_STEP // 2) % _CIRCLE // HUE_STEP]

    @property
    def row(self) -> int:
        """0 at the top."""
        return self.place // 3

    @property
    def column(self) -> int:
        """0 on the left."""
        return self.place % 3


@dataclass(frozen=True, slots=True)
class WorldScene:
    """Objects in different cells of a 3x3 grid, on a dark ground."""

    objects: tuple[WorldObject, ...]
    #: Grey level of the ground in [0, ``GROUNDS``).
    ground: int = 20
    #: Which of ``GRAINS`` fields of sensor noise lies over the picture.
    grain: int = 0

    def description(self) -> str:
        """Everything there is to know, in one line; two scenes of one description are one picture."""
        said = [
            f"{t.place} {t.shape} {t.hue} {t.texture} {t.size} {t.dx} {t.dy} {t.phase}"
            for t in sorted(self.objects, key=lambda thing: thing.place)
        ]
        return "; ".join([*said, f"ground {self.ground} grain {self.grain}"])

    def digest(self, kind: str) -> str:
        """sha256 (hex) of the description and of what was made of it (``image`` ...)."""
        return hashlib.sha256(f"pocket world 1 {kind} {self.description()}".encode()).hexdigest()


def hue_near(random: Random, colour: str, spread: int = USUAL_SPREAD) -> int:
    """A hue up to ``spread`` from that of ``colour``."""
    return (HUE_STEP * WORLD_COLOURS.index(colour) + random.randint(-spread, spread)) % _CIRCLE


def draw_object(
    random: Random,
    place: int,
    shape: str | None = None,
    colour: str | None = None,
    texture: str | None = None,
    size: str | None = None,
    spread: int = USUAL_SPREAD,
) -> WorldObject:
    """An object at ``place``; what is not given is drawn uniformly."""
    size = size or random.choice(WORLD_SIZES)
    reach = REACH[size]
    return WorldObject(
        shape=shape or random.choice(WORLD_SHAPES),
        hue=hue_near(random, colour or random.choice(WORLD_COLOURS), spread),
        texture=texture or random.choice(WORLD_TEXTURES),
        size=size,
        place=place,
        dx=random.randint(-reach, reach),
        dy=random.randint(-reach, reach),
        phase=random.randrange(PHASES),
    )


def draw_ground(random: Random, objects: Sequence[WorldObject]) -> WorldScene:
    """``objects`` on a random ground, seen with random grain."""
    return WorldScene(tuple(objects), random.randrange(GROUNDS), random.randrange(GRAINS))


def draw_scene(
    random: Random,
    fewest: int = 1,
    most: int = 5,
    *,
    shapes: Sequence[str] = WORLD_SHAPES,
    colours: Sequence[str] = WORLD_COLOURS,
    distinct_shapes: bool = False,
    spread: int = USUAL_SPREAD,
) -> WorldScene:
    """A random scene of ``fewest`` to ``most`` objects at random places, everything uniform and independent.

    ``distinct_shapes``: no shape occurs twice. Raises ``ValueError`` where there are not enough places or shapes.
    """
    count = random.randint(fewest, most)
    drawn = random.sample(list(shapes), count) if distinct_shapes else random.choices(shapes, k=count)
    places = random.sample(range(len(WORLD_PLACES)), count)
    objects = [
        draw_object(random, place, shape, random.choice(colours), spread=spread)
        for place, shape in zip(places, drawn, strict=True)
    ]
    return draw_ground(random, objects)


def move(random: Random, scene: WorldScene) -> WorldScene:
    """The same objects a moment later: each a little elsewhere in its cell, under new grain."""
    moved = []
    for thing in scene.objects:
        reach = REACH[thing.size]
        dx, dy = (max(-reach, min(reach, at + random.randint(-1, 1))) for at in (thing.dx, thing.dy))
        moved.append(replace(thing, dx=dx, dy=dy))
    return WorldScene(tuple(moved), scene.ground, random.randrange(GRAINS))
