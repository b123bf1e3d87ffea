"""The pocket world as a data set: scenes are drawn when it is listed, painted and played when they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from random import Random
from typing import Any

from PIL import Image

from ...core.data.items import DatasetContent, Item, Media, Target
from ...core.data.waveform import Waveform
from ...core.roles import Dataset
from ..pocket.world import events, mixed, questions, retrieval, statements
from ..pocket.world.picture import paint
from ..pocket.world.scene import WorldScene
from ..pocket.world.sounds import Sound, waveform
from .specs import PocketWorldSpec

#: Raised when anything that is drawn changes.
VERSION = 1
#: Modalities, passes, target and groups of an item.
_Parts = tuple[Mapping[str, Media], tuple[Mapping[str, Media], ...], Target, Mapping[str, str]]

_CLASSES = {
    "events": events.EVENT_CLASSES,
    "vqa": questions.ANSWERS,
    "mixed": mixed.MIXED_ANSWERS,
    "nlvr2": statements.TRUTH_NAMES,
    "retrieval": (),
}
_CHANCE = {
    "events": "by sound or by picture alone 1/5 of the segments",
    "vqa": "by the question alone a score of about 0.34, by the picture alone about 0.21",
    "mixed": "by the question alone 0.52 (a fifth of the questions needs no picture), by the picture alone about 0.2",
    "nlvr2": "by the statement, by the pictures, or by the statement with one of them, 1/2",
    "retrieval": "R@k by guessing: k over the number of pictures",
}


class PocketWorld(Dataset):
    """Items of one task. What they are follows from task, seed, split and number alone (retrieval: and the sizes)."""

    def __init__(self, spec: PocketWorldSpec) -> None:
        self.spec = spec

    def load(self) -> DatasetContent:
        """Ids are ``SPLIT-NUMBER``; a retrieval target is the number of the picture within its split."""
        spec = self.spec
        sizes = {"train": spec.train, "val": spec.val, "test": spec.test}
        items = _retrieval_items if spec.task == "retrieval" else partial(_drawn_items, _DRAW[spec.task])
        # What is in some split already: pictures by digest, for retrieval by content.
        seen: set[Any] = set()
        splits = {
            split: tuple(islice(items(split, f"{spec.task} {spec.seed} {split}", size, seen), size))
            for split, size in sizes.items()
            if size
        }
        said = " ".join(f"{split} {size}" for split, size in sizes.items())
        return DatasetContent(
            splits,
            _CLASSES[spec.task],
            f"graftwork-pocket-world-{VERSION} {spec.task} (seed {spec.seed}; {said})",
            (f"drawn by Graftwork, not real pictures or sounds; chance: {_CHANCE[spec.task]}",),
        )


def _drawn_items(
    draw: Callable[[Random], list[_Parts]], split: str, seeded: str, size: int, seen: set[str]
) -> Iterator[Item]:
    """Items of the tasks whose draws know nothing of each other; a draw with a picture seen elsewhere is drawn anew."""
    number = 0
    for turn in range(size):
        random = Random(f"{seeded} {turn}")
        parts = draw(random)
        while not seen.isdisjoint(digests := {digest for part in parts for digest in _pictures(part)}):
            parts = draw(random)
        seen |= digests
        for modalities, passes, target, groups in parts:
            yield Item(f"{split}-{number}", modalities, target, passes, groups)
            number += 1


def _pictures(parts: _Parts) -> Iterator[str]:
    modalities, passes, *_ = parts
    for media in (modalities, *passes):
        if "image" in media:
            yield media["image"].digest


def _draw_events(random: Random) -> list[_Parts]:
    clip = events.draw_clip(random)
    passes = tuple({"image": picture(part.scene), "audio": sound(part.sound, part.take)} for part in clip)
    return [({}, passes, tuple(part.label for part in clip), {})]


def _draw_vqa(random: Random) -> list[_Parts]:
    asked = questions.draw_asked(random)
    media = {"image": picture(asked.scene), "text": Media.of_text(asked.question.text())}
    return [(media, (), asked.scores(), {})]


def _draw_mixed(random: Random) -> list[_Parts]:
    asked = mixed.draw_mixed(random)
    media = {"image": picture(asked.scene), "text": Media.of_text(asked.text)}
    return [(media, (), mixed.MIXED_ANSWERS.index(asked.answer), {"kind": asked.kind})]


def _draw_nlvr2(random: Random) -> list[_Parts]:
    return [
        (
            {"text": Media.of_text(judged.statement.text())},
            ({"image": picture(judged.left)}, {"image": picture(judged.right)}),
            judged.truth,
            {},
        )
        for judged in statements.draw_judged(random)
    ]


_DRAW: dict[str, Callable[[Random], list[_Parts]]] = {
    "events": _draw_events,
    "vqa": _draw_vqa,
    "mixed": _draw_mixed,
    "nlvr2": _draw_nlvr2,
}


def _retrieval_items(split: str, seeded: str, size: int, seen: set[retrieval.Content]) -> Iterator[Item]:
    pictures = -(-size // retrieval.CAPTIONS)
    drawn = retrieval.draw_captioned(Random(seeded), pictures, seen)
    pairs = ((number, captioned, caption) for number, captioned in enumerate(drawn) for caption in captioned.captions)
    for count, (number, captioned, caption) in enumerate(pairs):
        media = {"image": picture(captioned.scene), "text": Media.of_text(caption.text)}
        yield Item(f"{split}-{count}", media, number)


def picture(scene: WorldScene) -> Media:
    """A scene as an image of 48 x 48 pixels, painted when it is read."""
    return Media(scene.digest("image"), scene.description(), partial(_read_picture, scene))


def sound(heard: Sound, take: int) -> Media:
    """A sound as audio, synthesised when it is read; ``take`` seeds its variation."""
    source = f"pocket world {VERSION} audio {heard} take {take}"
    return Media(hashlib.sha256(source.encode()).hexdigest(), source, partial(_read_sound, heard, take))


def _read_picture(scene: WorldScene) -> Image.Image:
    return Image.fromarray(paint([scene])[0])


def _read_sound(heard: Sound, take: int) -> Waveform:
    return waveform(heard, Random(take))
