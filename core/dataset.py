"""The dataset role, and the items that flow from it. Light: no torch."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..registry.errors import UserError

if TYPE_CHECKING:
    from .file_memo import FileMemo

MAX_NAMED = 10


class DataError(UserError):
    """The data cannot be used as it is; the message names the files and what to do."""


@dataclass(frozen=True, slots=True)
class Media:
    """One piece of content, known by what it holds and not yet decoded."""

    #: sha256 (hex) of the content: two items with one digest are encoded once.
    digest: str
    #: Where it comes from, for messages.
    source: str
    #: Decodes it: a ``PIL.Image.Image`` for images, ``str`` for texts. Raises ``DataError`` if it cannot.
    read: Callable[[], Any]

    @classmethod
    def of_text(cls, text: str, source: str = "text") -> Media:
        """A text as media."""
        return cls(hashlib.sha256(text.encode()).hexdigest(), source, lambda: text)


@dataclass(frozen=True, slots=True)
class Item:
    """One example: its modalities, and its class index if it is labelled."""

    #: Unique in its data set, stable between runs.
    id: str
    #: ``image``, ``text`` ... to content.
    modalities: Mapping[str, Media]
    #: Index into ``class_names``.
    target: int | None = None


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
                media = sorted((kind, content.digest) for kind, content in item.modalities.items())
                digest.update(repr((name, item.id, item.target, media)).encode())
        return digest.hexdigest()


class Dataset(ABC):
    """Built as ``build(spec)``."""

    #: Whether ``load`` may fetch what its spec allows it to; a plan may not.
    may_download: bool = True

    @cached_property
    def files(self) -> FileMemo:
        """Reads files in parallel and remembers what it found; whoever loads the data set gives it a store."""
        from .file_memo import FileMemo

        return FileMemo()

    @abstractmethod
    def load(self) -> DatasetContent:
        """List the items. Cheap: hashes content, decodes nothing. Raises ``DataError``."""


def some_of(lines: Sequence[str]) -> str:
    """Up to ten of them, a line each, and how many more there are."""
    more = [f"and {len(lines) - MAX_NAMED} more"] if len(lines) > MAX_NAMED else []
    return "".join(f"\n  {line}" for line in [*lines[:MAX_NAMED], *more])


def sample_fingerprint(ids: Iterable[str]) -> str:
    """sha256 (hex) of a few-shot sample: two runs with equal ones trained on the same items, whatever the method."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def sample_shots(items: Sequence[Item], shots: int | None, seed: int) -> tuple[Item, ...]:
    """The labelled items of a few-shot sample: ``shots`` of each class, or all where a class has fewer.

    Drawn by sha256 of seed and id, so that the sample is the same on every machine, whatever the method, and four
    shots are a subset of sixteen.
    """
    classes: dict[int, list[Item]] = defaultdict(list)
    for item in items:
        if item.target is not None:
            classes[item.target].append(item)
    if shots is None:
        chosen = {item.id for group in classes.values() for item in group}
    else:
        draw = lambda item: hashlib.sha256(f"{seed}:{item.id}".encode()).digest()  # noqa: E731
        chosen = {item.id for group in classes.values() for item in sorted(group, key=draw)[:shots]}
    return tuple(item for item in items if item.id in chosen)
