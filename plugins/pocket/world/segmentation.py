"""Clips of which the objects that sound are to be cut out: one of them (S4), or several at once (MS3).

``s4`` shows four objects of different shapes; one of them, drawn uniformly, sounds in every moment of the clip. ``ms3``
shows all five shapes; in each moment one, two or three of them sound together. The sounds are of shapes, and where a
shape stands is silent: the pictures alone leave every object as likely, the sounds alone every place.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from .scene import WORLD_COLOURS, WORLD_PLACES, WORLD_SHAPES, WorldObject, WorldScene, draw_ground, draw_object, move
from .sounds import Sound

SUBSETS = ("s4", "ms3")
MOMENTS = 2
#: Objects in the picture, and how many of them may sound at once.
OBJECTS = {"s4": 4, "ms3": 5}
SOUNDING = {"s4": (1,), "ms3": (1, 2, 3)}
#: The best mean intersection over union by unions of whole objects that the pictures alone allow: of four objects of
#: which one sounds any of them gives 1/4; of five, all of them, the mean number that sounds over five.
ALONE = {"s4": 1 / 4, "ms3": 2 / 5}


@dataclass(frozen=True, slots=True)
class Moment:
    """A picture, and what sounds in it."""

    scene: WorldScene
    #: Objects of ``scene``.
    sounding: tuple[WorldObject, ...]
    #: Seeds the variation of the waveform.
    take: int

    def sounds(self) -> tuple[Sound, ...]:
        """What is heard at once."""
        return tuple(map(Sound.of, self.sounding))


def draw_moments(random: Random, subset: str) -> tuple[Moment, ...]:
    """``MOMENTS`` moments of a random clip of ``s4`` or ``ms3``."""
    count = OBJECTS[subset]
    shapes, colours = random.sample(WORLD_SHAPES, count), random.sample(WORLD_COLOURS, count)
    places = random.sample(range(len(WORLD_PLACES)), count)
    objects = map(draw_object, [random] * count, places, shapes, colours)
    scene, heard = draw_ground(random, list(objects)), random.randrange(count)
    moments = []
    for _ in range(MOMENTS):
        scene = move(random, scene)
        which = [heard] if subset == "s4" else random.sample(range(count), random.choice(SOUNDING[subset]))
        moments.append(Moment(scene, tuple(scene.objects[one] for one in which), random.getrandbits(32)))
    return tuple(moments)
