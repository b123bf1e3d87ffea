"""What is said of the pocket world: its words, and true captions of scenes."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from ..scenes.scene import COUNTS
from .scene import WORLD_COLOURS, WORLD_PLACES, WORLD_SHAPES, WORLD_SIZES, WORLD_TEXTURES, WorldObject, WorldScene

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


#: What a noun phrase claims: shape, size, colour, texture, place; ``None`` where it says nothing.
Claim = tuple[str, str | None, str | None, str | None, int | None]


@dataclass(frozen=True, slots=True)
class Caption:
    """A sentence, and what each of its noun phrases claims."""

    text: str
    claims: tuple[Claim, ...]

    def holds(self, scene: WorldScene) -> bool:
        """Whether every noun phrase fits some object of ``scene``."""
        return all(any(fits(claim, thing) for thing in scene.objects) for claim in self.claims)


def facts_of(thing: WorldObject) -> Claim:
    """All that can be said of an object."""
    return thing.shape, thing.size, thing.colour, thing.texture, thing.place


def fits(claim: Claim, thing: WorldObject) -> bool:
    """Whether all that is claimed is true of ``thing``."""
    return all(said is None or said == true for said, true in zip(claim, facts_of(thing), strict=True))


def noun_phrase(claim: Claim) -> str:
    """ "a large red striped circle in the top left"."""
    shape, size, colour, texture, place = claim
    phrase = with_article(" ".join(word for word in (size, colour, texture, shape) if word))
    return phrase if place is None else f"{phrase} {place_phrase(place)}"


def describe(scene: WorldScene, random: Random, say: float = 0.7) -> Caption:
    """A true caption: every object in random order, each of its attributes said with probability ``say``.

    "plain" goes without saying, and is not claimed.
    """
    claims = []
    for thing in random.sample(scene.objects, len(scene.objects)):
        shape, size, colour, texture, place = facts_of(thing)
        says = [random.random() < say for _ in range(4)]
        claims.append(
            (
                shape,
                size if says[0] else None,
                colour if says[1] else None,
                texture if says[2] and texture != "plain" else None,
                place if says[3] else None,
            )
        )
    text = random.choice(_FRAMES).format(" and ".join(map(noun_phrase, claims)))
    return Caption(text, tuple(claims))


def caption(scene: WorldScene, random: Random, say: float = 0.7) -> str:
    """The text of a random true caption."""
    return describe(scene, random, say).text


def full_caption(scene: WorldScene, random: Random) -> str:
    """A caption that says everything of every object: "a large red striped circle in the top left and ..."."""
    return describe(scene, random, say=1.0).text
