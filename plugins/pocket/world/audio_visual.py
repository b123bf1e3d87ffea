"""Questions about clips, in the manner of MUSIC-AVQA: what sounds in the picture, how much of it, where and how long.

A clip shows three objects of different shapes and colours, one in each column, for three moments. Two shapes are heard:
one in two of the moments, the other in one; each is an object of the picture or one of the two shapes outside it. Kinds
are those of MUSIC-AVQA's audio-visual questions, asked a fifth of the time each:

    existential  "is the red object sounding": yes or no
    counting     "how many objects in the picture are sounding": zero, one, two
    location     "where is the sounding object": left, center, right; one of the picture's objects sounds
    comparative  "is the red object sounding in more pictures than the blue object": both sound
    temporal     "what color has the object sounding in exactly one picture"

Colours are silent and shapes are not asked for, so that the sounds alone do not tell whom a question is about; and what
sounds is drawn without looking at the picture. Order is not asked for: no word of the vocabulary says it, and the task
takes the mean over moments. What the question alone allows is ``CHANCE``.

A short clip has two moments, another shape heard in each, and three kinds of questions, a third each: existential,
counting, and

    colour       "what color has the sounding object": one of the picture's objects sounds
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from .questions import NUMBERS
from .scene import WORLD_COLOURS, WORLD_SHAPES, WorldObject, WorldScene, draw_ground, draw_object, move
from .sounds import Sound

AV_KINDS = ("existential", "counting", "location", "comparative", "temporal")
_COLUMNS = ("left", "center", "right")
AV_ANSWERS = ("yes", "no", *NUMBERS[:3], *_COLUMNS, *WORLD_COLOURS)
SHORT_KINDS = ("existential", "counting", "colour")
SHORT_ANSWERS = ("yes", "no", *NUMBERS[:3], *WORLD_COLOURS)
#: The best that the question alone can do, by kind; the sounds add nothing to it.
CHANCE = {
    "existential": 1 / 2,
    "counting": 1 / 3,
    "location": 1 / 3,
    "comparative": 1 / 2,
    "temporal": 1 / 8,
    "colour": 1 / 8,
}
#: The best that the question and the pictures can do: three colours are seen.
SEEN = {**CHANCE, "temporal": 1 / 3, "colour": 1 / 3}
MOMENTS, SHORT_MOMENTS = 3, 2


@dataclass(frozen=True, slots=True)
class Heard:
    """A moment of a clip: a picture and a sound."""

    scene: WorldScene
    sound: Sound
    #: Seeds the variation of its waveform.
    take: int


@dataclass(frozen=True, slots=True)
class AskedClip:
    """A clip, a question and its answer."""

    kind: str
    moments: tuple[Heard, ...]
    text: str
    answer: str


@dataclass(frozen=True, slots=True)
class _Cast:
    """Who is seen, and who sounds, in two moments or in one; in a short clip both in one."""

    seen: list[WorldObject]
    twice: WorldObject
    once: WorldObject

    def sounding(self, truth: bool = True) -> list[WorldObject]:
        """The objects of the picture that sound, or that do not."""
        return [thing for thing in self.seen if (thing in (self.twice, self.once)) == truth]


#: How many of the two that sound may be seen, all as frequent.
_SHOWN = {
    "existential": (1, 2),
    "counting": (0, 1, 2),
    "location": (1,),
    "comparative": (2,),
    "temporal": (1, 2),
    "colour": (1,),
}


def draw_asked_clip(random: Random) -> AskedClip:
    """A random kind; clip, question and answer of it."""
    kind, (seen, unseen) = random.choice(AV_KINDS), _objects(random)
    shown = random.choice(_SHOWN[kind])
    once, twice = [*random.sample(seen, shown), *random.sample(unseen, 2 - shown)]
    # The answer to a temporal question sounds once, and is seen.
    if kind != "temporal" and random.random() < 0.5:
        once, twice = twice, once
    return _asked(random, kind, _Cast(seen, twice, once), [twice, twice, once])


def draw_asked_short_clip(random: Random) -> AskedClip:
    """The same of a short clip."""
    kind, (seen, unseen) = random.choice(SHORT_KINDS), _objects(random)
    shown = random.choice(_SHOWN[kind])
    heard = [*random.sample(seen, shown), *random.sample(unseen, 2 - shown)]
    return _asked(random, kind, _Cast(seen, *heard), heard)


def _asked(random: Random, kind: str, cast: _Cast, heard: list[WorldObject]) -> AskedClip:
    """A clip in whose moments those are heard, in a random order."""
    text, answer = _ASK[kind](random, cast)
    scene, moments = draw_ground(random, cast.seen), []
    for thing in random.sample(heard, len(heard)):
        scene = move(random, scene)
        moments.append(Heard(scene, Sound.of(thing), random.getrandbits(32)))
    return AskedClip(kind, tuple(moments), text, answer)


def _existential(random: Random, cast: _Cast) -> tuple[str, str]:
    truth = random.random() < 0.5
    asked = random.choice(cast.sounding(truth))
    return f"is the {asked.colour} object sounding", "yes" if truth else "no"


def _counting(random: Random, cast: _Cast) -> tuple[str, str]:
    return "how many objects in the picture are sounding", NUMBERS[len(cast.sounding())]


def _location(random: Random, cast: _Cast) -> tuple[str, str]:
    (thing,) = cast.sounding()
    return "where is the sounding object", _COLUMNS[thing.column]


def _comparative(random: Random, cast: _Cast) -> tuple[str, str]:
    truth = random.random() < 0.5
    more, less = (cast.twice, cast.once) if truth else (cast.once, cast.twice)
    text = f"is the {more.colour} object sounding in more pictures than the {less.colour} object"
    return text, "yes" if truth else "no"


def _temporal(random: Random, cast: _Cast) -> tuple[str, str]:
    return "what color has the object sounding in exactly one picture", cast.once.colour


def _colour(random: Random, cast: _Cast) -> tuple[str, str]:
    (thing,) = cast.sounding()
    return "what color has the sounding object", thing.colour


_ASK = {
    "existential": _existential,
    "counting": _counting,
    "location": _location,
    "comparative": _comparative,
    "temporal": _temporal,
    "colour": _colour,
}


def _objects(random: Random) -> tuple[list[WorldObject], list[WorldObject]]:
    """Those of the picture, one a column, and those outside it, which have a size and a texture too."""
    shapes, colours = random.sample(WORLD_SHAPES, len(WORLD_SHAPES)), random.sample(WORLD_COLOURS, 3)
    columns = random.sample(range(3), 3)
    seen = [
        draw_object(random, 3 * random.randrange(3) + column, shape, colour)
        for column, shape, colour in zip(columns, shapes, colours, strict=False)
    ]
    return seen, [draw_object(random, 0, shape) for shape in shapes[3:]]
