"""Captions, and exactly what each of them claims.

A caption comes with a claim: per noun, the facts it states. So for any caption and any scene one can tell whether the
caption is true of it; the training counts every true pair as a positive, not just the pair that was drawn together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .scene import COUNTS, DIGITS, VALUES, Facts, Scene, facts

ATTRIBUTES = tuple(VALUES)
_CODES = {attribute: {value: code for code, value in enumerate(values)} for attribute, values in VALUES.items()}
#: A claim says nothing of this attribute.
UNSAID = -1
#: A scene has no (or no sure) value of this attribute.
NONE = -2

#: Frames around a noun phrase that claim nothing.
FRAMES = (
    "{}", "{}", "a photo of {}", "a photo of {}", "a picture of {}", "an image of {}", "a drawing of {}", "this is {}",
    "there is {}", "a photo showing {}",
)  # fmt: skip
#: Frames that claim the value of ``detail``.
DETAIL_FRAMES = {
    "low resolution": ("a low resolution photo of {}", "a pixelated image of {}", "a blurry photo of {}"),
    "sharp": ("a sharp photo of {}", "a clear picture of {}"),
}
NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_PLACE_PHRASES = {"center": "in the center", "left": "on the left", "right": "on the right"}
#: The most that is said of one noun besides what it is: keeps captions within the context length.
_MOST_SAID = 3


@dataclass(frozen=True)
class Caption:
    """A sentence and what it claims, one mapping a noun."""

    text: str
    claim: tuple[Facts, ...]


def caption(scene: Scene, rng: np.random.Generator) -> Caption:
    """A random true caption of ``scene``."""
    known = facts(scene)
    said = [_choose(group, rng) for group in known]
    if len(said) == 2 and "relation" in known[0] and rng.random() < 0.6:
        claim, phrase = _related(known, said, rng)
    elif not scene.groups:
        claim, phrase = ((_bare(known[0], rng)),), ""
        phrase = _bare_phrase(claim[0])
    else:
        claim = tuple(said) if rng.random() < 0.7 else (said[int(rng.integers(len(said)))],)
        phrase = " and ".join(_noun(noun, rng) for noun in claim)
        claim, phrase = _with_ground(claim, phrase, known[0], rng)
    return _framed(claim, phrase, known[0], rng)


def _choose(known: Facts, rng: np.random.Generator) -> dict[str, str]:
    """A random part of what is known of a group: what it is, or at least its kind, and up to three more facts."""
    if "count" not in known:
        return {}
    said = {"count": known["count"], "kind": known["kind"]}
    if rng.random() < 0.94:
        said["what"] = known["what"]
    optional = [key for key in ("colour", "size", "style", "case", "place") if key in known]
    most = min(len(optional), int(rng.choice((0, 1, 2, _MOST_SAID), p=(0.4, 0.3, 0.2, 0.1))))
    for index in rng.permutation(len(optional))[:most]:
        said[optional[index]] = known[optional[index]]
    return said


def _noun(said: Facts, rng: np.random.Generator) -> str:
    """The noun phrase for one group: "three small red circles at the top", "the handwritten digit 3"."""
    count = COUNTS.index(said["count"]) + 1
    words = [said[key] for key in ("size", "colour", "style", "case") if key in said]
    words += _head(said, count > 1, rng)
    vowel = words[0][0] in "aeiou" if len(words[0]) > 1 else words[0] in "aefhilmnorsx8"
    definite = count == 1 and (said["kind"] != "shape" or rng.random() < 0.1) and rng.random() < 0.5
    article = said["count"] if count > 1 else "the" if definite else "an" if vowel else "a"
    place = said.get("place")
    tail = [_PLACE_PHRASES.get(place, f"at the {place}")] if place else []
    return " ".join([article, *words, *tail])


def _head(said: Facts, plural: bool, rng: np.random.Generator) -> list[str]:
    kind, what = said["kind"], said.get("what")
    ending = "s" if plural else ""
    if kind == "shape":
        many = {"cross": "crosses"}.get(what or "", f"{what}s")
        return [f"shape{ending}" if what is None else many if plural else what]
    # "number" and "digit" are one kind to us; a letter may also be called a character.
    title = "letter" if kind == "letter" else "number" if rng.random() < 0.4 else "digit"
    if what is None:
        return [title + ending]
    spelled = NUMBER_WORDS[int(what)] if what in DIGITS and rng.random() < 0.3 else what
    bare = not plural and kind == "digit" and rng.random() < 0.15
    return [spelled] if bare else [title + ending, spelled]


def _related(known: Sequence[Facts], said: Sequence[Facts], rng: np.random.Generator) -> tuple[tuple[Facts, ...], str]:
    first = int(rng.integers(2))
    here, there = dict(said[first]), dict(said[1 - first])
    here.pop("place", None), there.pop("place", None)
    relation = known[first]["relation"]
    phrase = f"{_noun(here, rng)} {relation} {_noun(there, rng)}"
    return (here | {"relation": relation}, there), phrase


def _bare(known: Facts, rng: np.random.Generator) -> dict[str, str]:
    said = {"texture": known["texture"]}
    if rng.random() < 0.7:
        said |= {key: known[key] for key in ("ground", "second") if key in known}
    return said


def _bare_phrase(said: Facts) -> str:
    colours = " and ".join(said[key] for key in ("ground", "second") if key in said)
    words = " ".join(word for word in (said["texture"], colours, "background") if word)
    return f"a {words}"


def _with_ground(
    claim: tuple[Facts, ...], phrase: str, known: Facts, rng: np.random.Generator
) -> tuple[tuple[Facts, ...], str]:
    if len(claim) > 1 or rng.random() < 0.75:
        return claim, phrase
    ground = _bare(known, rng) if rng.random() < 0.5 else {"texture": known["texture"]}
    if known["texture"] == "plain" and rng.random() < 0.8:
        ground = {"ground": known["ground"], "texture": "plain"}
        phrase = f"{phrase} on a {known['ground']} background"
    else:
        phrase = f"{phrase} on {_bare_phrase(ground)}"
    return ({**claim[0], **ground},), phrase


def _framed(claim: tuple[Facts, ...], phrase: str, known: Facts, rng: np.random.Generator) -> Caption:
    frames: Sequence[str] = FRAMES
    detail = known.get("detail")
    if detail and rng.random() < 0.1:
        frames = DETAIL_FRAMES[detail]
        claim = tuple({**noun, "detail": detail} for noun in claim)
    text = frames[int(rng.integers(len(frames)))].format(phrase)
    if len(claim) > 1 or known.get("count", "one") != "one":
        text = text.replace("this is", "these are").replace("there is", "there are")
    return Caption(text + ("." if rng.random() < 0.4 else ""), claim)


def claim_codes(claims: Sequence[tuple[Facts, ...]]) -> Tensor:
    """int16 [claims, 2 nouns, attributes]; ``UNSAID`` where nothing is claimed (all of it for an absent noun)."""
    return _codes(claims, UNSAID)


def scene_codes(scenes: Sequence[Scene]) -> Tensor:
    """int16 [scenes, 2 groups, attributes]; ``NONE`` where a scene has no value (all of it for an absent group)."""
    return _codes([facts(scene) for scene in scenes], NONE)


def _codes(rows: Sequence[tuple[Facts, ...]], empty: int) -> Tensor:
    codes = np.full((len(rows), 2, len(ATTRIBUTES)), empty, np.int16)
    for number, row in enumerate(rows):
        for noun, known in enumerate(row):
            for attribute, value in known.items():
                codes[number, noun, ATTRIBUTES.index(attribute)] = _CODES[attribute][value]
    return torch.from_numpy(codes)


def holds(claims: Tensor, scenes: Tensor) -> Tensor:
    """Which claim is true of which scene: bool [claims, scenes]. Every noun of a claim must find a group it fits."""
    wanted, given = claims[:, None, :, None], scenes[None, :, None]  # (claims, 1, 2, 1, a), (1, scenes, 1, 2, a)
    fits = ((wanted == UNSAID) | (wanted == given)).all(-1)
    return fits.any(-1).all(-1)
