"""Pictures of the pocket world with captions and exact facts, for towers to learn from: nothing of any later task.

A batch is made of pairs: a scene, and the same scene with one attribute of one object changed. So every picture has a
neighbour that differs in one thing, which a tower that does not tell things apart cannot tell from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..scenes.scene import COUNTS
from ..world.captions import Claim, facts_of, noun_phrase, plural
from ..world.picture import CELL, SIDE, paint
from ..world.scene import (
    GRAINS,
    WORLD_COLOURS,
    WORLD_PLACES,
    WORLD_SHAPES,
    WORLD_SIZES,
    WORLD_TEXTURES,
    WorldObject,
    WorldScene,
    draw_scene,
    hue_near,
)
from .word_tokenizer import END_ID, PAD_ID, START_ID

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PATCH = 8
#: Of the pictures, near enough: with a mean of 1/2 the dark grounds would drown everything else in a constant.
PIXEL_MEAN, PIXEL_STD = 0.15, 0.2
#: Patches along an edge of the picture, and of one of its nine cells.
EDGE, CELL_EDGE = SIDE // PATCH, CELL // PATCH
#: What is to be told of the object under a patch.
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "shape": WORLD_SHAPES,
    "colour": WORLD_COLOURS,
    "texture": WORLD_TEXTURES,
    "size": WORLD_SIZES,
}
#: The words of a phrase, by what they tell; of one row at most one stands in a phrase.
SAID: dict[str, tuple[str, ...]] = {**ATTRIBUTES, "row": ("top", "bottom", "center"), "column": ("left", "right")}
MOST_OBJECTS = 5
#: Share of batches whose captions count instead of describing.
COUNTED = 0.15
#: Rows and columns that an object can lie in.
PLACE_VALUES = (3, 3)
#: Values of each row of ``SAID`` that an object can have.
OBJECT_VALUES = (*(len(values) for values in ATTRIBUTES.values()), *PLACE_VALUES)
#: How far hues of the training lie from their colour: further than usual, and still within its name.
SPREAD = 45
#: The label of what is not there or not asked.
NOTHING = -100


@dataclass(frozen=True)
class Batch:
    """Scenes 2k and 2k + 1 differ in one attribute of one object."""

    #: float32 [N, 3, 48, 48], normalised as the processors do.
    pixels: Tensor
    #: int64 [N, L], padded; L is that of the longest caption.
    tokens: Tensor
    #: int64 [N, 36, attributes]: values of ``ATTRIBUTES`` of the object in the patch's cell, ``NOTHING`` where none is.
    patches: Tensor
    #: int64 [N, L]: which object (index in its scene) a word of the caption speaks of, -1 where of none.
    about: Tensor
    #: int64 [N, objects, rows of ``SAID``]: what is true of each object.
    objects: Tensor
    #: bool [N]: whether the scene's caption is that of its neighbour, word by word: it does not say what differs.
    alike: Tensor

    @property
    def mask(self) -> Tensor:
        """int64 [N, L]: 1 where a token stands."""
        return (self.tokens != PAD_ID).long()


class Lessons:
    """Batches without end from one seed."""

    def __init__(self, seed: str, tokenizer: PreTrainedTokenizerFast, described: Sequence[int] = ()) -> None:
        """``described``: of how many objects a batch's captions speak, drawn for each batch; of all by default."""
        self.random, self.described = Random(seed), described
        self._ids = tokenizer.get_vocab()

    def pictures(self, count: int) -> tuple[Tensor, Tensor]:
        """``pixels`` and ``patches`` of ``count`` crowded scenes, without captions: five to nine objects each."""
        scenes = [draw_scene(self.random, MOST_OBJECTS, len(WORLD_PLACES), spread=SPREAD) for _ in range(count)]
        return as_pixels(paint(scenes)), patch_facts(scenes)

    def batch(self, count: int) -> Batch:
        """``count`` scenes, which is even, all of as many objects.

        Captions are then of like length, and short ones are not padded to the longest there is (a third less work).
        """
        things = self.random.randint(1, MOST_OBJECTS)
        told = self.random.choice(self.described) if self.described else things
        counted = self.random.random() < COUNTED
        scenes: list[WorldScene] = []
        phrases: list[Phrases] = []
        for _ in range(count // 2):
            scene = draw_scene(self.random, things, things, spread=SPREAD)
            pair = (scene, changed(scene, self.random))
            wording, say = self.random.getrandbits(64), self.random.choice((0.7, 0.85, 1.0))
            scenes += pair
            # The same draws word both captions: they differ exactly where they say what was changed.
            # What is changed lies in front: a caption of the first few objects speaks of it.
            for one in pair:
                drawn = Random(wording)
                phrases.append(counting(one, drawn) if counted else describing(one.objects[:told], drawn, say))
        texts = [[word for phrase, _ in said for word in phrase.split()] for said in phrases]
        about = [[which for phrase, which in said for _ in phrase.split()] for said in phrases]
        alike = [first == second for first, second in zip(texts[::2], texts[1::2], strict=True)]
        return Batch(
            pixels=as_pixels(paint(scenes)),
            tokens=padded([[START_ID, *(self._ids[word] for word in text), END_ID] for text in texts], PAD_ID),
            patches=patch_facts(scenes),
            about=padded([[-1, *one, -1] for one in about], -1),
            objects=torch.tensor([[object_facts(thing) for thing in scene.objects] for scene in scenes]),
            alike=torch.tensor(alike).repeat_interleave(2),
        )


def padded(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    """int64 [rows, longest]."""
    out = np.full((len(rows), max(map(len, rows))), fill)
    for number, row in enumerate(rows):
        out[number, : len(row)] = row
    return torch.from_numpy(out)


#: A caption in parts: words, and the index of the object that they speak of, -1 for none.
Phrases = list[tuple[str, int]]
_FRAMES = ("", "", "there is", "a picture of", "this picture shows", "a picture with")


def describing(objects: Sequence[WorldObject], random: Random, say: float) -> Phrases:
    """``world_captions.caption`` of ``objects`` that tells which words speak of which: attributes said with ``say``."""
    phrases: Phrases = [(random.choice(_FRAMES), -1)]
    for number, which in enumerate(random.sample(range(len(objects)), len(objects))):
        shape, size, colour, texture, place = facts_of(objects[which])
        says = [random.random() < say for _ in range(4)]
        claim: Claim = (
            shape,
            size if says[0] else None,
            colour if says[1] else None,
            texture if says[2] and texture != "plain" else None,
            place if says[3] else None,
        )
        phrases += [("and", -1)] * (number > 0) + [(noun_phrase(claim), which)]
    return phrases


def counting(scene: WorldScene, random: Random) -> Phrases:
    """How many there are of each shape, or of each colour: "two circles and one star", "three red objects"."""
    by_shape = random.random() < 0.5
    groups = sorted(Counter(thing.shape if by_shape else thing.colour for thing in scene.objects).items())
    random.shuffle(groups)
    said = [
        f"{COUNTS[number - 1]} " + (value if number == 1 else plural(value))
        if by_shape
        else f"{COUNTS[number - 1]} {value} object{'s' * (number > 1)}"
        for value, number in groups
    ]
    return [(" and ".join(said), -1)]


def object_facts(thing: WorldObject) -> list[int]:
    """What is true of an object, in the rows of ``SAID``, with ``OBJECT_VALUES`` values each."""
    return [*(values.index(getattr(thing, name)) for name, values in ATTRIBUTES.items()), thing.row, thing.column]


def changed(scene: WorldScene, random: Random) -> WorldScene:
    """``scene`` under new grain, with another shape, colour, texture or size of its first object."""
    thing, attribute = scene.objects[0], random.choice(tuple(ATTRIBUTES))
    other = random.choice([value for value in ATTRIBUTES[attribute] if value != getattr(thing, attribute)])
    objects = (_with(thing, attribute, other, random), *scene.objects[1:])
    return replace(scene, objects=objects, grain=random.randrange(GRAINS))


def _with(thing: WorldObject, attribute: str, value: str, random: Random) -> WorldObject:
    if attribute == "colour":
        return replace(thing, hue=hue_near(random, value, SPREAD))
    if attribute == "size":  # a large object keeps closer to the middle of its cell
        return replace(thing, size=value, dx=thing.dx // 3, dy=thing.dy // 3)
    return replace(thing, shape=value) if attribute == "shape" else replace(thing, texture=value)


def as_pixels(pictures: NDArray[np.uint8]) -> Tensor:
    """uint8 [N, 48, 48, 3] as the processors hand it over: float32 [N, 3, 48, 48]."""
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    return pixels.sub_(255 * PIXEL_MEAN).div_(255 * PIXEL_STD).contiguous()


def patch_facts(scenes: Sequence[WorldScene]) -> Tensor:
    """What is to be told of the object in each patch's cell: int64 [N, 36, attributes]."""
    cells = np.full((len(scenes), 3, 3, len(ATTRIBUTES)), NOTHING)
    for number, scene in enumerate(scenes):
        for thing in scene.objects:
            cells[number, thing.row, thing.column] = object_facts(thing)[: len(ATTRIBUTES)]
    spread = cells.repeat(CELL_EDGE, 1).repeat(CELL_EDGE, 2)
    return torch.from_numpy(spread.reshape(len(scenes), EDGE * EDGE, len(ATTRIBUTES)))


def said_by(tokenizer: PreTrainedTokenizerFast) -> Tensor:
    """What each word says, int64 [rows of ``SAID``, vocabulary]: 0 is nothing, otherwise one more than the place."""
    ids = tokenizer.get_vocab()
    said = torch.zeros(len(SAID), len(ids), dtype=torch.long)
    for row, words in enumerate(SAID.values()):
        for value, word in enumerate(words):
            said[row, ids[word]] = value + 1
    for value, shape in enumerate(WORLD_SHAPES):
        said[0, ids[plural(shape)]] = value + 1
    return said


class WordFacts:
    """Tells at each word of a caption what its phrase has said so far."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._and = tokenizer.get_vocab()["and"]
        self._said = said_by(tokenizer)

    def __call__(self, tokens: Tensor) -> Tensor:
        """int64 [N, L] to int64 [N, L, rows of ``SAID``]: 0 is unsaid, otherwise one more than the place in ``SAID``.

        Behind the caption, and at its start and end, ``NOTHING``.
        """
        heard = self._said[:, tokens].permute(1, 2, 0)
        facts = torch.full_like(heard, NOTHING)
        state = torch.zeros_like(heard[:, 0])
        for at in range(1, tokens.shape[1]):
            state = torch.where((tokens[:, at] == self._and)[:, None], 0, state)
            state = torch.where(heard[:, at] > 0, heard[:, at], state)
            facts[:, at] = state
        stands = (tokens != PAD_ID) & (tokens != START_ID) & (tokens != END_ID)
        return torch.where(stands[..., None], facts, NOTHING)
