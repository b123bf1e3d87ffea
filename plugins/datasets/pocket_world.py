"""The pocket world as a data set: scenes are drawn when it is listed, painted and played when they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from random import Random
from typing import Any

from ...core.data.items import DatasetContent, Item, Masks, Media, Target
from ...core.roles import Dataset
from ..pocket.world import audio_visual, clip_questions, clips, events, questions, retrieval, segmentation, statements
from .pocket_media import VERSION, mask, picture, sound, sounds
from .specs import PocketWorldSpec

#: Modalities, passes, target and groups of an item.
_Parts = tuple[Mapping[str, Media], tuple[Mapping[str, Media], ...], Target, Mapping[str, str]]

_SOUNDING = ("what sounds",)
_CLASSES = {
    "events": events.EVENT_CLASSES,
    "vqa": questions.ANSWERS,
    "nlvr2": statements.TRUTH_NAMES,
    "retrieval": (),
    "s4": _SOUNDING,
    "ms3": _SOUNDING,
    "audio_visual_qa": audio_visual.AV_ANSWERS,
    "audio_visual_qa_short": audio_visual.SHORT_ANSWERS,
    "clips_qa": clip_questions.CLIP_ANSWERS,
    "clips": (),
    "clips_often": (),
    "clips_twins": (),
}
_CHANCE = {
    "events": "by sound or by picture alone 1/5 of the segments",
    "vqa": "by the question alone a score of about 0.34, by the picture alone about 0.21",
    "nlvr2": "by the statement, by the pictures, or by the statement with one of them, 1/2",
    "retrieval": "R@k by guessing: k over the number of pictures",
    "s4": "by the pictures alone a mean IoU of 1/4, by the sounds alone below 1/9",
    "ms3": "by the pictures alone a mean IoU of about 2/5, by the sounds alone below 2/9",
    "audio_visual_qa": "by the question 0.358, with the sounds no more, with the pictures 0.4",
    "audio_visual_qa_short": "by the question 0.319, with the sounds no more, with the pictures 0.389",
    "clips_twins": "R@k by guessing: k over the number of clips",
    "clips_qa": "by the question alone 0.331, by the clip alone 0.3125",
    "clips": "R@k by guessing: k over the number of clips",
    "clips_often": "R@k by guessing: k over the number of clips; captions of a clip found by it, four times that",
}
#: Captions a clip.
_CAPTIONS = {"clips": 1, "clips_often": 4, "clips_twins": 1}


class PocketWorld(Dataset):
    """Items of one task. They follow from task, seed, split and number alone; those with captions from sizes, too."""

    def __init__(self, spec: PocketWorldSpec) -> None:
        self.spec = spec

    def load(self) -> DatasetContent:
        """Ids are ``SPLIT-NUMBER``; the target of a caption is the number of its picture or clip
        within the split."""
        spec = self.spec
        sizes = {"train": spec.train, "val": spec.val, "test": spec.test}
        items = _items_of(spec.task)
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


def _items_of(task: str) -> Callable[[str, str, int, set[Any]], Iterator[Item]]:
    if task in _CAPTIONS:
        return partial(_clip_items, _CAPTIONS[task], task == "clips_twins")
    return _retrieval_items if task == "retrieval" else partial(_drawn_items, _DRAW[task])


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


def _draw_segmentation(subset: str, random: Random) -> list[_Parts]:
    moments = segmentation.draw_moments(random, subset)
    passes = tuple({"image": picture(one.scene), "audio": sounds(one.sounds(), one.take)} for one in moments)
    return [({}, passes, Masks(tuple(mask(one.sounding) for one in moments)), {})]


def _draw_audio_visual(
    draw: Callable[[Random], audio_visual.AskedClip], answers: Sequence[str], random: Random
) -> list[_Parts]:
    asked = draw(random)
    passes = tuple({"image": picture(one.scene), "audio": sound(one.sound, one.take)} for one in asked.moments)
    return [({"text": Media.of_text(asked.text)}, passes, answers.index(asked.answer), {"type": asked.kind})]


def _draw_clip_question(random: Random) -> list[_Parts]:
    asked = clip_questions.draw_asked_moving_clip(random)
    passes = tuple({"image": picture(frame)} for frame in asked.clip.frames)
    answer = {clip_questions.CLIP_ANSWERS.index(asked.answer): 1.0}
    return [({"text": Media.of_text(asked.text)}, passes, answer, {"answer_type": asked.kind})]


_DRAW: dict[str, Callable[[Random], list[_Parts]]] = {
    "events": _draw_events,
    "vqa": _draw_vqa,
    "nlvr2": _draw_nlvr2,
    "s4": partial(_draw_segmentation, "s4"),
    "ms3": partial(_draw_segmentation, "ms3"),
    "audio_visual_qa": partial(_draw_audio_visual, audio_visual.draw_asked_clip, audio_visual.AV_ANSWERS),
    "audio_visual_qa_short": partial(
        _draw_audio_visual, audio_visual.draw_asked_short_clip, audio_visual.SHORT_ANSWERS
    ),
    "clips_qa": _draw_clip_question,
}


def _retrieval_items(split: str, seeded: str, size: int, seen: set[retrieval.Content]) -> Iterator[Item]:
    pictures = -(-size // retrieval.CAPTIONS)
    drawn = retrieval.draw_captioned(Random(seeded), pictures, seen)
    pairs = ((number, captioned, caption) for number, captioned in enumerate(drawn) for caption in captioned.captions)
    for count, (number, captioned, caption) in enumerate(pairs):
        media = {"image": picture(captioned.scene), "text": Media.of_text(caption.text)}
        yield Item(f"{split}-{count}", media, number)


def _clip_items(
    captions: int, twins: bool, split: str, seeded: str, size: int, seen: set[clips.Content]
) -> Iterator[Item]:
    drawn = clips.draw_captioned_clips(Random(seeded), -(-size // captions), captions, seen, twins)
    pairs = ((number, captioned, caption) for number, captioned in enumerate(drawn) for caption in captioned.captions)
    for count, (number, captioned, caption) in enumerate(pairs):
        passes = tuple({"image": picture(frame)} for frame in captioned.clip.frames)
        yield Item(f"{split}-{count}", {"text": Media.of_text(caption.text)}, number, passes)
