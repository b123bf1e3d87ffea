"""Questions that no single kind of expert answers all of: bound pairs, comparisons, counts, and partners that mislead.

Each kind is asked a fifth of the time. Shapes of a picture differ, so that a shape names its object.

    bound  "is there a red circle and a blue square"; where it is no, the two have each other's colours
    same   "the star has the same color as the circle"; two objects of a picture always have one colour
    count  "how many red objects are there": zero, one or two, as there are of some colour in every picture
    said   "a red star and a blue cross what color is this star"; the picture shows both in other colours
    shown  "a red star and a blue cross how many objects has the picture"; the sentence is of another picture
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from .captions import with_article
from .questions import NUMBERS
from .scene import WORLD_COLOURS, WORLD_PLACES, WORLD_SHAPES, WorldObject, WorldScene, draw_ground, draw_object

MIXED_KINDS = ("bound", "same", "count", "said", "shown")
MIXED_ANSWERS = ("yes", "no", *WORLD_COLOURS, *NUMBERS, "five")
#: How many answers each kind has, all as frequent.
OPTIONS = {"bound": 2, "same": 2, "count": 3, "said": 8, "shown": 4}
#: What the question alone, and the picture alone, can do in the kinds that need both. The question alone answers
#: what is said, the picture alone (where it is known to be asked) how many objects it shows.
ALONE = {"bound": 1 / 2, "same": 1 / 2, "count": 1 / 3}


@dataclass(frozen=True, slots=True)
class MixedQuestion:
    """A picture, a question and its answer."""

    kind: str
    scene: WorldScene
    text: str
    answer: str


def draw_mixed(random: Random) -> MixedQuestion:
    """A random kind; picture, question and answer of it."""
    return _DRAW[random.choice(MIXED_KINDS)](random)


def _bound(random: Random) -> MixedQuestion:
    one, other, *rest = _objects(random, random.randint(3, 4))
    truth = random.random() < 0.5
    said = (one.colour, other.colour) if truth else (other.colour, one.colour)
    pairs = [(said[0], one.shape), (said[1], other.shape)]
    random.shuffle(pairs)
    text = "is there " + " and ".join(with_article(" ".join(pair)) for pair in pairs)
    return MixedQuestion("bound", _shown(random, [one, other, *rest]), text, "yes" if truth else "no")


def _same(random: Random) -> MixedQuestion:
    truth = random.random() < 0.5
    twin, *others = random.sample(WORLD_COLOURS, random.randint(2, 3))
    objects = _objects(random, 2 + len(others), [twin, twin, *others])
    one, other = random.sample([objects[0], objects[1 if truth else 2]], 2)
    text = f"the {one.shape} has the same color as the {other.shape}"
    return MixedQuestion("same", _shown(random, objects), text, "yes" if truth else "no")


def _count(random: Random) -> MixedQuestion:
    absent, one, two, other = random.sample(WORLD_COLOURS, 4)
    objects = _objects(random, count := random.randint(3, 5), [one, two, two, other, other][:count])
    there = random.randint(0, 2)
    asked = (absent, one, two)[there]
    return MixedQuestion("count", _shown(random, objects), f"how many {asked} objects are there", NUMBERS[there])


def _said(random: Random) -> MixedQuestion:
    shapes = random.sample(WORLD_SHAPES, 2)
    first, second, *shown = random.sample(WORLD_COLOURS, 4)
    asked = random.randrange(2)
    objects = _objects(random, 3, [*shown, random.choice(WORLD_COLOURS)], shapes)
    text = f"{_sentence((first, second), shapes)} what color is this {shapes[asked]}"
    return MixedQuestion("said", _shown(random, objects), text, (first, second)[asked])


def _of_picture(random: Random) -> MixedQuestion:
    count = random.randint(2, 5)
    said = _sentence(random.sample(WORLD_COLOURS, 2), random.sample(WORLD_SHAPES, 2))
    text = f"{said} how many objects has the picture"
    answer = "five" if count == 5 else NUMBERS[count]
    return MixedQuestion("shown", _shown(random, _objects(random, count)), text, answer)


_DRAW = {"bound": _bound, "same": _same, "count": _count, "said": _said, "shown": _of_picture}


def _sentence(colours: tuple[str, str] | list[str], shapes: list[str]) -> str:
    return " and ".join(with_article(f"{colour} {shape}") for colour, shape in zip(colours, shapes, strict=True))


def _objects(
    random: Random, count: int, colours: list[str] | None = None, shapes: list[str] | None = None
) -> list[WorldObject]:
    """Of different shapes at different places; the first have ``shapes``. Colours differ where none are given."""
    colours = colours or random.sample(WORLD_COLOURS, count)
    rest = [shape for shape in WORLD_SHAPES if shape not in (shapes or ())]
    shapes = [*(shapes or ()), *random.sample(rest, count - len(shapes or ()))]
    places = random.sample(range(len(WORLD_PLACES)), count)
    return [
        draw_object(random, place, shape, colour) for place, shape, colour in zip(places, shapes, colours, strict=True)
    ]


def _shown(random: Random, objects: list[WorldObject]) -> WorldScene:
    return draw_ground(random, random.sample(objects, len(objects)))
