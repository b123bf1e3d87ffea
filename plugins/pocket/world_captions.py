"""What is said of the pocket world: its words, and true captions of scenes."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from .scene import COUNTS
from .world import WORLD_COLOURS, WORLD_PLACES, WORLD_SHAPES, WORLD_SIZES, WORLD_TEXTURES, WorldObject, WorldScene

#: Every word of captions, questions, statements and class names.
WORDS: tuple[str, ...] = tuple(
    dict.fromkeys(
        (
            *WORLD_SHAPES, *WORLD_COLOURS, *WORLD_TEXTURES, *WORLD_SIZES,
            *(word for place in WORLD_PLACES for word in place.split()),
            "circles", "squares", "triangles", "stars", "crosses", "object", "objects", "picture", "pictures", "thing",
            *COUNTS, "zero", "no", "yes", "none", "background", "true", "false",
            "a", "an", "the", "and", "in", "on", "at", "of", "to", "is", "are", "there", "it", "this", "that",
            "what", "which", "how", "many", "color", "shape", "size", "texture", "place", "where", "with",
            "above", "below", "contains", "contain", "both", "neither", "nor", "has", "have", "more", "fewer", "than",
            "exactly", "total", "as", "same", "different", "only", "one", "each", "all", "any", "not", "or", "shows",
            "showing", "sound", "sounds", "sounding", "low", "high",
        )
    )
)  # fmt: skip
_FRAMES = ("{}", "{}", "there is {}", "a picture of {}", "this picture shows {}", "a picture with {}")


def plural(shape: str) -> str:
    """circles, crosses."""
    return f"{shape}es" if shape.endswith("s") else f"{shape}s"


def with_article(phrase: str) -> str:
    """a red circle, an orange circle."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def place_phrase(place: int) -> str:
    """in the top left, on the left."""
    name = WORLD_PLACES[place]
    return {"left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom"}.get(
        name, f"in the {name}"
    )


def noun_phrase(
    thing: WorldObject, attributes: Sequence[str] = ("size", "colour", "texture"), place: bool = False
) -> str:
    """ "a large red striped circle in the top left"; "plain" goes without saying."""
    said = {"size": thing.size, "colour": thing.colour, "texture": thing.texture}
    words = [said[name] for name in ("size", "colour", "texture") if name in attributes and said[name] != "plain"]
    phrase = with_article(" ".join([*words, thing.shape]))
    return f"{phrase} {place_phrase(thing.place)}" if place else phrase


def caption(scene: WorldScene, random: Random, say: float = 0.7) -> str:
    """A true caption: every object in random order, each of its attributes said with probability ``say``."""
    phrases = []
    for thing in random.sample(scene.objects, len(scene.objects)):
        attributes = [name for name in ("size", "colour", "texture") if random.random() < say]
        phrases.append(noun_phrase(thing, attributes, place=random.random() < say))
    return random.choice(_FRAMES).format(" and ".join(phrases))


def full_caption(scene: WorldScene, random: Random) -> str:
    """A caption that says everything of every object: "a large red striped circle in the top left and ..."."""
    return caption(scene, random, say=1.0)
