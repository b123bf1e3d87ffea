"""Contents that stand in several splits, or in several classes: known by their digests, so that telling costs nothing.

Light: no torch.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from ...registry.errors import counted
from .items import DataError, DatasetContent, Item, Media, some_of

#: What a note on them ends with.
NAMES = '; "duplicates": "fail" in `dataset` names them'
#: What an item is for this: its pictures and sounds, or its text where it has nothing else; (kind, digest) each.
Content = tuple[tuple[str, str], ...]


def with_duplicates_told(content: DatasetContent, duplicates: Literal["note", "fail"]) -> DatasetContent:
    """The same, with a note for each pair of splits that share contents, and one for contents in several classes.

    With ``fail`` these are a ``DataError`` that names up to ten of each.
    """
    of = {name: _by_content(items) for name, items in content.splits.items()}
    found = [*_shared(of), *_in_two_classes(content)]
    if found and duplicates == "fail":
        raise DataError(
            "\n".join(f"{note}:{some_of(named)}" for note, named in found)
            + '\nremove the copies, or set "duplicates": "note" in `dataset`'
        )
    return replace(content, notes=(*content.notes, *(note + NAMES for note, _ in found))) if found else content


def _shared(of: Mapping[str, Mapping[Content, Sequence[Item]]]) -> Iterator[tuple[str, list[str]]]:
    for one, two in itertools.combinations(of, 2):
        both = [content for content in of[two] if content in of[one]]
        if both:
            items = sum(len(of[two][content]) for content in both)
            total = sum(map(len, of[two].values()))
            share = f"{items} of {counted(total, 'items')} of {two}, byte for byte"
            yield (
                f"{counted(len(both), 'contents', 'are')} in {one} and in {two} alike ({share})",
                [f"{of[one][content][0].id} = {of[two][content][0].id}" for content in both],
            )


def _in_two_classes(content: DatasetContent) -> Iterator[tuple[str, list[str]]]:
    """Where all of an item is equal, its words as well, and its class is not."""
    first: dict[tuple[Content, ...], Item] = {}
    twice: dict[tuple[Content, ...], str] = {}
    names = content.class_names
    for item in itertools.chain.from_iterable(content.splits.values()):
        if isinstance(item.target, int) and item.target < len(names):
            key = tuple(_digests(view) for view in item.views())
            other = first.setdefault(key, item)
            if isinstance(other.target, int) and other.target != item.target:
                twice[key] = f"{other.id} ({names[other.target]}) = {item.id} ({names[item.target]})"
    if twice:
        yield f"{counted(len(twice), 'contents', 'stand')} in more than one class, byte for byte", list(twice.values())


def _by_content(items: Sequence[Item]) -> dict[Content, list[Item]]:
    found: dict[Content, list[Item]] = defaultdict(list)
    for item in items:
        found[_content(item)].append(item)
    return found


def _content(item: Item) -> Content:
    """What it shows in all its passes, else all that each pass shows, else what it says."""
    seen = tuple(one for one in _digests(item.modalities) if one[0] != "text")
    passes = (one for own in item.passes for one in _digests(own))
    return seen or tuple(one for one in passes if one[0] != "text") or _digests(item.modalities)


def _digests(modalities: Mapping[str, Media]) -> Content:
    return tuple(sorted((kind, media.digest) for kind, media in modalities.items()))
