"""The captioner role: images in, one description each out. Its work is stored by content and never repeated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...registry.errors import UserError
from .contract import broken, form

if TYPE_CHECKING:
    from PIL.Image import Image


class CaptionerError(UserError):
    """Descriptions cannot be had; the message says which model or file is at fault, and what to do."""


class Captioner(ABC):
    """A model that describes. Built as ``build(spec, device)``.

    It sees pictures alone, bare of file name and metadata, so that no label can leak into a description.
    """

    @abstractmethod
    def describe(self, images: Sequence[Image]) -> list[str]:
        """One description for each picture, in order; an empty one where the model says nothing."""

    def weights(self) -> str | None:
        """Which weights are loaded (a commit, a sha256), where the spec's ``identity`` leaves it open."""
        return None

    def notes(self) -> list[str]:
        """What the user should know since the last call: the stage tells it as ``Note`` events."""
        return []


@dataclass(frozen=True, slots=True)
class PictureKey:
    """What a written description may be found by. It may well spell a label, so no model ever gets one."""

    #: Id of the item; at prediction the path below the data set's root, empty for a picture from elsewhere.
    id: str
    #: sha256 (hex) of the picture's content; of a file, that of its bytes.
    digest: str
    #: Where the picture comes from: of a file, its path; at prediction empty for a picture from elsewhere.
    source: str


class WrittenCaptions(ABC):
    """Descriptions that somebody wrote beforehand, for specs with ``written = True``. Built as ``build(spec)``.

    The only kind of captioner that learns which picture it is asked about: it looks up and cannot make up. Light: a
    plan builds it too.
    """

    @abstractmethod
    def look_up(self, keys: Sequence[PictureKey]) -> list[str | None]:
        """The description of each, ``None`` where there is none. Raises ``CaptionerError`` for an unusable file."""


def texts_of(captioner: Captioner, pictures: Sequence[Image]) -> list[str]:
    """A description of each picture. Raises ``ContractError`` where that is not one string each."""
    given = captioner.describe(pictures)
    if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
        raise broken("captioner", captioner, f"gave {_kinds(given)}; `describe` gives a list of str")
    if len(given) != len(pictures):
        raise broken("captioner", captioner, f"gave {len(given)} descriptions for {len(pictures)} pictures")
    return given


def written_texts_of(captions: WrittenCaptions, keys: Sequence[PictureKey]) -> list[str | None]:
    """What is written of each picture. Raises ``ContractError`` where that is not a string or ``None`` each."""
    given = captions.look_up(keys)
    if not isinstance(given, list) or not all(text is None or isinstance(text, str) for text in given):
        raise broken("captions", captions, f"gave {_kinds(given)}; `look_up` gives a list of str or None")
    if len(given) != len(keys):
        raise broken("captions", captions, f"gave {len(given)} descriptions for {len(keys)} pictures")
    return given


def _kinds(given: object) -> str:
    return ", ".join(sorted({form(text) for text in given})) if isinstance(given, list) else form(given)
