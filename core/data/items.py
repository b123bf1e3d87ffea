"""The items that flow from a data set, and the error of data that cannot be used. Light: no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...registry.errors import UserError
from .names import not_utf8

MAX_NAMED = 10


class DataError(UserError):
    """The data cannot be used as it is; the message names the files and what to do."""


@dataclass(frozen=True, slots=True)
class Media:
    """One piece of content, known by what it holds and not yet decoded."""

    #: sha256 (hex) of the content, of a picture together with how it is seen: items of one digest are encoded once.
    digest: str
    #: Where it comes from, for messages.
    source: str
    #: Decodes it: a ``PIL.Image.Image`` for images, ``str`` for texts, ``Waveform`` for audio. Raises ``DataError`` if
    #: it cannot.
    read: Callable[[], Any]
    #: sha256 (hex) of the encoded bytes, where ``digest`` says more: of a picture also how it is seen. Else empty.
    sha256: str = ""

    @property
    def bytes_digest(self) -> str:
        """sha256 (hex) of the content's bytes, by which people name it."""
        return self.sha256 or self.digest

    @classmethod
    def of_text(cls, text: str, source: str = "text") -> Media:
        """A text as media. Raises ``DataError`` for one that is no UTF-8."""
        if spelt := not_utf8(text):
            raise DataError(f"{source}: {spelt:.80}: a text with half a surrogate pair, which is no UTF-8")
        return cls(hashlib.sha256(text.encode()).hexdigest(), source, lambda: text)


@dataclass(frozen=True, slots=True, repr=False)
class Masks:
    """What is to be found in the picture of each pass."""

    #: A mask a pass, ``None`` where there is none to learn from or be scored by. ``read`` gives bool [H, W], of the
    #: size of the pass's picture.
    of: tuple[Media | None, ...]

    def __repr__(self) -> str:
        """By what they hold."""
        return f"Masks({', '.join(mask.digest[:12] if mask else 'none' for mask in self.of)})"


#: Index into ``class_names``; one a pass (segments of a clip); a score in [0, 1] by class (answers of a question); or a
#: mask a pass.
Target = int | tuple[int, ...] | Mapping[int, float] | Masks


@dataclass(frozen=True, slots=True)
class Item:
    """One example: its modalities, and its target if it is labelled."""

    #: Unique in its data set, stable between runs.
    id: str
    #: ``image``, ``text``, ``audio`` to content.
    modalities: Mapping[str, Media]
    #: What the task learns; a plain classification needs an ``int``.
    target: Target | None = None
    #: Where an item goes through the model several times: what each pass has of its own, beside ``modalities``, which
    #: all share (the segments of a clip; the two pictures of one statement).
    passes: tuple[Mapping[str, Media], ...] = ()
    #: What a task tells figures apart by, or counts together: the type of a question, the sentence of several pairs.
    groups: Mapping[str, str] = field(default_factory=dict)

    def views(self) -> tuple[Mapping[str, Media], ...]:
        """The modalities of each pass; one of them where ``passes`` names none."""
        return tuple({**self.modalities, **own} for own in self.passes) or (self.modalities,)


#: Name to items.
Splits = Mapping[str, Sequence[Item]]


@dataclass(frozen=True, slots=True)
class DatasetContent:
    """What a dataset gives: named splits over one list of classes."""

    #: ``train``, ``val``, ``test`` ... to items. ``val`` may be missing.
    splits: Mapping[str, tuple[Item, ...]]
    #: Index to the name that prompts use.
    class_names: tuple[str, ...]
    #: Says which split this is, for results: two results are comparable only under one split id.
    split_id: str
    #: What a reader of the result should know of this data: another size than published, a warning on comparisons.
    notes: tuple[str, ...] = ()

    def fingerprint(self) -> str:
        """sha256 (hex) over ids, contents, targets and splits."""
        digest = hashlib.sha256(repr((self.class_names, self.split_id)).encode())
        for name, items in sorted(self.splits.items()):
            for item in items:
                media = [sorted((kind, content.digest) for kind, content in view.items()) for view in item.views()]
                target = sorted(item.target.items()) if isinstance(item.target, Mapping) else item.target
                groups = (dict(sorted(item.groups.items())),) if item.groups else ()
                digest.update(repr((name, item.id, target, media, *groups)).encode())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class LeftOutItem:
    """One item that a run goes on without, since it cannot be read."""

    split: str
    id: str
    source: str
    reason: str


@dataclass(frozen=True)
class Items:
    """The items of a run, as they flow from stage to stage."""

    #: The whole data set as it was listed, without what is left out.
    content: DatasetContent
    #: The splits that the pipeline uses: train, the one to select on, the one to test on.
    splits: Splits
    #: What the run goes on without, in the order in which the stages met it.
    left_out: tuple[LeftOutItem, ...]

    def of_all_splits(self) -> list[Item]:
        """The items of the used splits, one after another."""
        return [item for split in self.splits.values() for item in split]

    def without(self, left_out: Sequence[LeftOutItem]) -> Items:
        """Go on without those, too."""
        gone = {(one.split, one.id) for one in left_out}

        def kept(splits: Splits) -> dict[str, tuple[Item, ...]]:
            return {name: tuple(one for one in split if (name, one.id) not in gone) for name, split in splits.items()}

        content = replace(self.content, splits=kept(self.content.splits))
        return Items(content, kept(self.splits), (*self.left_out, *left_out))


def some_of(lines: Sequence[str]) -> str:
    """Up to ten of them, a line of at most 1,000 characters each, and how many more there are."""
    more = [f"and {len(lines) - MAX_NAMED} more"] if len(lines) > MAX_NAMED else []
    return "".join(f"\n  {line:.1000}" for line in [*lines[:MAX_NAMED], *more])
