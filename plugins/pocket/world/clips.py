"""Clips of moving objects with captions, such that no caption is true of another clip of its split.

A clip shows two objects for three frames; an object stays at its place, or goes from there to another. A caption names
places where an object is in some frame, so that who goes is said by two places; or how the two lie to each other in
every frame. Clips come in fours: as drawn, with the two colours exchanged, with the two ways exchanged, and with both;
so that the words without what belongs to what do not find their clip. Often a caption says "object" for a shape.

Twins are a simpler form: two frames, and clips in pairs that have the two colours exchanged. A caption names one object
by colour and shape ("a red circle") and the other, without them, by size, texture and a place: whether there is a red
circle tells the twins apart. Only where that is true of other clips, too, more is said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from random import Random

from .captions import place_phrase, with_article
from .scene import WORLD_COLOURS, WORLD_PLACES, WORLD_SHAPES, WorldObject, WorldScene, draw_ground, draw_object, move

FRAMES, TWIN_FRAMES = 3, 2
#: How often an attribute, a shape and a place are said; once so many captions were true of other clips, always.
SAY, SAY_SHAPE, _TRIES = 0.5, 0.5, 12
_OPPOSITE = {"above": "below", "below": "above", "left of": "right of", "right of": "left of"}
#: What can be said of a clip, and nothing of how it was painted.
Content = frozenset[object]
#: Shape (``None`` where "object" is said), size, colour, texture, as claimed or not; and places, in order.
Phrase = tuple[str | None, str | None, str | None, str | None, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Mover:
    """An object, and where it is: one place, or from the first to the second."""

    thing: WorldObject
    way: tuple[int, ...]

    @property
    def attributes(self) -> tuple[str, str, str, str | None]:
        """All that is sayable but its places; "plain" is never said."""
        thing = self.thing
        return thing.shape, thing.size, thing.colour, None if thing.texture == "plain" else thing.texture


@dataclass(frozen=True, slots=True)
class MovingClip:
    """Frames, and who moves in them."""

    movers: tuple[Mover, Mover]
    frames: tuple[WorldScene, ...]

    @property
    def content(self) -> Content:
        """What can be said of it, and nothing of how it was painted."""
        return frozenset((mover.attributes, mover.way) for mover in self.movers)

    def related(self, relation: str) -> bool:
        """Whether the first object is above (below, ...) the second in every frame."""
        return all(_is(frame.objects[0], frame.objects[1], relation) for frame in self.frames)


@dataclass(frozen=True, slots=True)
class ClipCaption:
    """A sentence, and what it claims of two different objects."""

    text: str
    phrases: tuple[Phrase, Phrase]
    #: Of the first object to the second, in every frame.
    relation: str | None

    def holds(self, clip: MovingClip) -> bool:
        """Whether it is true of ``clip``."""
        first, second = clip.movers
        forward = self.relation is None or clip.related(self.relation)
        back = self.relation is None or clip.related(_OPPOSITE[self.relation])
        one, other = self.phrases
        return (fits(one, first) and fits(other, second) and forward) or (
            fits(one, second) and fits(other, first) and back
        )


@dataclass(frozen=True, slots=True)
class CaptionedClip:
    """A clip and what is said of it."""

    clip: MovingClip
    captions: tuple[ClipCaption, ...]


def fits(phrase: Phrase, mover: Mover) -> bool:
    """Whether all that is claimed is true of an object: it is at each of the places in some frame."""
    *attributes, places = phrase
    return set(places) <= set(mover.way) and all(
        said is None or said == true for said, true in zip(attributes, mover.attributes, strict=True)
    )


def draw_captioned_clips(
    random: Random, count: int, captions: int, taken: set[Content], twins: bool = False
) -> list[CaptionedClip]:
    """``count`` clips with so many captions, in fours or twins; none has the content of ``taken``, to which theirs are
    added."""
    clips: list[MovingClip] = []
    alike: dict[Content, list[MovingClip]] = defaultdict(list)
    while len(clips) < count:
        like = _draw_four(random, TWIN_FRAMES)[::2] if twins else _draw_four(random)
        contents = {clip.content for clip in like}
        if contents.isdisjoint(taken) and not any(_clash(one, other) for one in like for other in alike[_kind(one)]):
            taken |= contents
            clips += like
            for clip in like:
                alike[_kind(clip)].append(clip)
    index = _Index(clips := clips[:count])
    say = _describe_twin if twins else _describe
    return [CaptionedClip(clip, tuple(_own_captions(random, clip, captions, index, say))) for clip in clips]


def draw_clip(random: Random) -> MovingClip:
    """One clip."""
    return _draw_four(random)[0]


def _kind(clip: MovingClip) -> Content:
    """Clips of another kind have no caption in common that says all."""
    return frozenset(mover.attributes[:3] for mover in clip.movers)


def _clash(one: MovingClip, other: MovingClip) -> bool:
    """Whether all there is to say of one of them is true of the other, too."""
    return _whole(one).holds(other) or _whole(other).holds(one)


def _whole(clip: MovingClip) -> ClipCaption:
    first, second = ((*mover.attributes, mover.way) for mover in clip.movers)
    return ClipCaption("", (first, second), None)


def _draw_four(random: Random, frames: int = FRAMES) -> list[MovingClip]:
    shapes, colours = random.sample(WORLD_SHAPES, 2), random.sample(WORLD_COLOURS, 2)
    places = random.sample(range(len(WORLD_PLACES)), 4)
    ways = [tuple(places[at : at + random.choice((1, 2))]) for at in (0, 2)]
    things = [draw_object(random, 0, shape, colour) for shape, colour in zip(shapes, colours, strict=True)]
    hues = [thing.hue for thing in things]
    return [
        _film(random, [replace(thing, hue=hue) for thing, hue in zip(things, of, strict=True)], by, frames)
        for of, by in product((hues, hues[::-1]), (ways, ways[::-1]))
    ]


def _film(random: Random, things: Sequence[WorldObject], ways: Sequence[tuple[int, ...]], count: int) -> MovingClip:
    turns = random.randint(1, count - 1), random.randint(1, count - 1)
    scene, frames = draw_ground(random, things), []
    for frame in range(count):
        scene = move(random, scene)
        at = [way[0] if frame < turn else way[-1] for way, turn in zip(ways, turns, strict=True)]
        placed = (replace(thing, place=place) for thing, place in zip(scene.objects, at, strict=True))
        frames.append(replace(scene, objects=tuple(placed)))
    first, second = (Mover(thing, way) for thing, way in zip(things, ways, strict=True))
    return MovingClip((first, second), tuple(frames))


def _own_captions(
    random: Random,
    clip: MovingClip,
    count: int,
    index: _Index,
    say: Callable[[Random, MovingClip, float], ClipCaption],
) -> Iterator[ClipCaption]:
    said: set[str] = set()
    for _ in range(count):
        for attempt in range(4 * _TRIES):
            caption = say(random, clip, attempt // _TRIES / 2)
            new = caption.text not in said or attempt >= 3 * _TRIES
            if new and index.is_of(caption, clip):
                break
        else:
            raise RuntimeError(f"no caption of its own for {clip.movers}")
        said.add(caption.text)
        yield caption


def _describe(random: Random, clip: MovingClip, surely: float) -> ClipCaption:
    """A true caption; the nearer ``surely`` comes to 1, the more it says."""
    order = random.sample((0, 1), 2)
    true = [one for one in _OPPOSITE if clip.related(one if order == [0, 1] else _OPPOSITE[one])]
    relation = random.choice(true) if true and random.random() < 0.5 else None
    first, second = (_phrase(random, clip.movers[one], surely, relation is None) for one in order)
    text = f"{_words(first)} {relation or 'and'} {_words(second)}"
    return ClipCaption(text, (first, second), relation)


def _describe_twin(random: Random, clip: MovingClip, surely: float) -> ClipCaption:
    """A true caption that tells the twins apart by the colour of one shape; where ``surely`` is above 1 it says all."""
    one, other = random.sample(clip.movers, 2)
    more, (shape, size, colour, texture) = random.random() < surely, one.attributes
    first: Phrase = (shape, size, colour, texture, ()) if more else (shape, None, colour, None, ())
    shape, size, _, texture = other.attributes
    second: Phrase = (shape, size, None, texture, other.way) if more else (None, size, None, texture, other.way[:1])
    if surely > 1:
        first, second = (*one.attributes, one.way), (*other.attributes, other.way)
    return ClipCaption(f"{_words(first)} and {_words(second)}", (first, second), None)


def _phrase(random: Random, mover: Mover, surely: float, placed: bool) -> Phrase:
    shape, size, colour, texture = (
        said if random.random() < max(surely, often) else None
        for said, often in zip(mover.attributes, (SAY_SHAPE, SAY, SAY, SAY), strict=True)
    )
    return shape, size, colour, texture, mover.way if placed else ()


def _words(phrase: Phrase) -> str:
    shape, size, colour, texture, places = phrase
    named = with_article(" ".join(word for word in (size, colour, texture, shape or "object") if word))
    return " ".join([named, " and ".join(map(place_phrase, places))]).strip()


def _is(one: WorldObject, other: WorldObject, relation: str) -> bool:
    match relation:
        case "above":
            return one.row < other.row
        case "below":
            return one.row > other.row
        case "left of":
            return one.column < other.column
        case _:
            return one.column > other.column


class _Index:
    """Which clips have an object of some attributes, and one at a place, so that few are looked at for a caption."""

    def __init__(self, clips: Sequence[MovingClip]) -> None:
        self._clips = clips
        self._of: dict[tuple[str | None, ...], set[int]] = defaultdict(set)
        self._at: dict[int, set[int]] = defaultdict(set)
        for number, clip in enumerate(clips):
            for mover in clip.movers:
                for claimed in product(*({value, None} for value in mover.attributes)):
                    self._of[claimed].add(number)
                for place in mover.way:
                    self._at[place].add(number)

    def is_of(self, caption: ClipCaption, clip: MovingClip) -> bool:
        """Whether a caption is true of no other clip."""
        there = [self._at[place] for phrase in caption.phrases for place in phrase[4]]
        fitting = set.intersection(*(self._of[phrase[:4]] for phrase in caption.phrases), *there)
        return not any(caption.holds(self._clips[one]) for one in fitting if self._clips[one] is not clip)
