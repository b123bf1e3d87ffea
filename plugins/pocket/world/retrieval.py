"""Pictures with two captions each, such that no caption is true of another picture of its split.

Pictures come in twins: the same objects with two of their colours exchanged, so that a caption's words alone, without
which belongs to which, do not find its picture.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from random import Random

from .captions import Caption, Claim, describe, facts_of
from .scene import WorldScene, draw_ground, draw_scene

CAPTIONS = 2
#: After so many captions that are true of another picture too, everything is said.
_TRIES = 8


@dataclass(frozen=True, slots=True)
class Captioned:
    """A picture and what is said of it."""

    scene: WorldScene
    captions: tuple[Caption, ...]


#: Everything that says which objects a scene has, and nothing of how they were painted.
Content = frozenset[Claim]


def content_of(scene: WorldScene) -> Content:
    """The objects of a scene as captions can tell them apart ("plain" is never said)."""
    return frozenset(_sayable(facts_of(thing)) for thing in scene.objects)


def draw_captioned(random: Random, count: int, taken: set[Content]) -> list[Captioned]:
    """``count`` pictures with captions; none has the content of ``taken``, to which their contents are added."""
    scenes: list[WorldScene] = []
    index = _Index()
    while len(scenes) < count:
        twins = _draw_twins(random)
        contents = [content_of(scene) for scene in twins]
        if contents[0] == contents[1] or any(content in taken or index.clashes(content) for content in contents):
            continue
        for scene, content in zip(twins[: count - len(scenes)], contents, strict=False):
            taken.add(content)
            index.add(len(scenes), content)
            scenes.append(scene)
    return [Captioned(scene, tuple(_own_captions(random, scene, index))) for scene in scenes]


def _draw_twins(random: Random) -> tuple[WorldScene, WorldScene]:
    while True:
        scene = draw_scene(random, 2, 3)
        first, second, *rest = scene.objects
        if first.colour != second.colour:
            swapped = [replace(first, hue=second.hue), replace(second, hue=first.hue), *rest]
            return scene, draw_ground(random, swapped)


def _own_captions(random: Random, scene: WorldScene, index: _Index) -> Iterator[Caption]:
    said: set[str] = set()
    for _ in range(CAPTIONS):
        for attempt in range(3 * _TRIES):
            caption = describe(scene, random, say=0.75 if attempt < _TRIES else 1.0)
            if caption.text not in said and len(index.true_of(caption)) == 1:
                break
        else:
            raise RuntimeError(f"no caption of its own for {scene}")
        said.add(caption.text)
        yield caption


class _Index:
    """Which pictures have an object that fits a claim, for every claim that can be made of them."""

    def __init__(self) -> None:
        self._pictures: dict[Claim, set[int]] = defaultdict(set)
        self._contents: set[Content] = set()

    def add(self, picture: int, content: Content) -> None:
        """Enter a picture."""
        self._contents.add(content)
        for shape, *rest in content:
            for size, colour, texture, place in product(*({value, None} for value in rest)):
                self._pictures[shape, size, colour, texture, place].add(picture)  # type: ignore[index]  # by position

    def true_of(self, caption: Caption) -> set[int]:
        """The pictures that a caption is true of."""
        return self._fitting(caption.claims)

    def clashes(self, content: Content) -> bool:
        """Whether all there is to say of ``content`` is true of a picture, or the other way round."""
        return bool(self._fitting(content)) or any(part in self._contents for part in _parts(content))

    def _fitting(self, claims: Iterable[Claim]) -> set[int]:
        return set.intersection(*(self._pictures.get(claim, set()) for claim in claims))


def _parts(content: Content) -> Iterator[Content]:
    """Every content whose full caption is true of ``content``: objects left out, textures unsaid."""
    options = [(None, claim, (*claim[:3], None, claim[4])) for claim in content]
    for chosen in product(*options):
        yield frozenset(claim for claim in chosen if claim is not None)


def _sayable(claim: Claim) -> Claim:
    shape, size, colour, texture, place = claim
    return shape, size, colour, None if texture == "plain" else texture, place
