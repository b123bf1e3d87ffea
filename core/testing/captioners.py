"""Captioners that look at pictures."""

from __future__ import annotations

from typing import Any

import torch

from ..captioner import Captioner
from .case import Case
from .check import NotApplicable
from .contents import pictures


def make(case: Case) -> Captioner:
    """On the CPU."""
    if missing := case.spec.missing_files():
        raise NotApplicable(f"its files are not here: {missing}")
    built = case.build(torch.device("cpu"))
    assert isinstance(built, Captioner), f"build gives a {type(built).__name__}, not a Captioner"
    return built


def exercise(case: Case) -> Any:
    """Descriptions by a new one."""
    captioner = make(case)
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
