"""Captioners: those that look at pictures, and those that look descriptions up."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

from ...roles.captioner import Captioner, PictureKey, WrittenCaptions
from ..case import Case
from ..contents import pictures
from ..outcome import NotApplicable

UNKNOWN = [
    PictureKey(f"no such item {number}", hashlib.sha256(str(number).encode()).hexdigest(), f"/nowhere/{number}.png")
    for number in range(3)
]


def make(case: Case) -> Captioner | WrittenCaptions:
    """On the CPU; one that looks up as a plan builds it."""
    if missing := case.spec.missing_files():
        raise NotApplicable(f"its files are not here: {missing}")
    role: type[Captioner | WrittenCaptions] = WrittenCaptions if case.spec.written else Captioner
    built = case.build(object, *(() if case.spec.written else (torch.device("cpu"),)))
    assert isinstance(built, role), f"build gives a {type(built).__name__}, not {role.__name__}"
    return built


def exercise(case: Case) -> Any:
    """Descriptions by a new one, or what it finds."""
    captioner = make(case)
    if isinstance(captioner, WrittenCaptions):
        return captioner.look_up(UNKNOWN)
    return captioner.describe(pictures()), captioner.weights()


def descriptions(case: Case) -> None:
    """As texts."""
    for images in (pictures(), []):
        given = case.made.describe(images)
        assert isinstance(given, list), f"it gives a {type(given).__name__}, not a list"
        assert len(given) == len(images), f"it gives {len(given)} descriptions of {len(images)} pictures"
        assert all(isinstance(one, str) for one in given), f"it gives {given!r}: a description is a text"


def pixels_alone(case: Case) -> None:
    """A target could only come in through what a picture carries besides its pixels."""
    plain = case.made.describe(pictures())
    for label in ("cat", "dog"):
        named = pictures()
        for image in named:
            image.filename = f"/data/{label}/1.png"  # type: ignore[attr-defined]
            image.info |= {"label": label, "target": label, "Description": label}
            image.target = image.label = label  # type: ignore[attr-defined]
        told = case.made.describe(named)
        assert told == plain, f"pictures that carry the label {label!r} are described otherwise: {told}, not {plain}"


def order(case: Case) -> None:
    """Turned round."""
    images = pictures()
    forth, back = case.made.describe(images), case.made.describe(images[::-1])
    assert back[::-1] == forth, f"in the other order pictures are described otherwise: {back[::-1]}, not {forth}"


def answers(case: Case) -> None:
    """As many as keys."""
    for keys in (UNKNOWN, []):
        given = case.made.look_up(keys)
        assert isinstance(given, list), f"it gives a {type(given).__name__}, not a list"
        assert len(given) == len(keys), f"it gives {len(given)} answers to {len(keys)} keys"


def unknown_keys(case: Case) -> None:
    """It looks up and cannot make up."""
    given = case.made.look_up(UNKNOWN)
    assert not any(given), f"it describes what nobody described: {given}"
