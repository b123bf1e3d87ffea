"""Clips whose events need eyes and ears: which colour has the object that sounds?

Each clip shows four of the five shapes, in the four event colours dealt out at random; in each of its segments one of
all five shapes sounds, drawn uniformly. The label is the colour of that shape, or ``background`` where it is not in
the picture. By symmetry every class has probability exactly 1/5 given the pictures alone, and given the sounds alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from .scene import WORLD_PLACES, WORLD_SHAPES, WorldScene, draw_ground, draw_object, move
from .sounds import Sound

EVENT_COLOURS = ("red", "yellow", "green", "blue")
EVENT_CLASSES = (*EVENT_COLOURS, "background")
SEGMENTS = 4


@dataclass(frozen=True, slots=True)
class Segment:
    """One moment of a clip."""

    scene: WorldScene
    sound: Sound
    #: Seeds the variation of its waveform.
    take: int
    #: Index into ``EVENT_CLASSES``.
    label: int


def draw_clip(random: Random) -> tuple[Segment, ...]:
    """A random clip of ``SEGMENTS`` segments: the same objects moving a little, another shape sounding each time."""
    shapes = random.sample(WORLD_SHAPES, len(WORLD_SHAPES))
    colours = random.sample(EVENT_COLOURS, len(EVENT_COLOURS))
    places = random.sample(range(len(WORLD_PLACES)), len(colours))
    seen = [
        draw_object(random, place, shape, colour)
        for place, shape, colour in zip(places, shapes[:-1], colours, strict=True)
    ]
    # The shape outside the picture has a size and a texture too, for as long as the clip: a sound that comes twice
    # tells nothing about whether its object is seen.
    unseen = draw_object(random, 0, shapes[-1])
    scene, segments = draw_ground(random, seen), []
    for _ in range(SEGMENTS):
        scene, thing = move(random, scene), random.choice([*seen, unseen])
        label = "background" if thing is unseen else thing.colour
        segments.append(Segment(scene, Sound.of(thing), random.getrandbits(32), EVENT_CLASSES.index(label)))
    return tuple(segments)
