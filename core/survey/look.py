"""What lies at a path, as a data set reads it: classes, splits, copies, sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from ...registry.catalogue import Catalogue, UnknownComponent
from ...registry.errors import Problem, SpecError, counted
from ..data.found_files import FoundFiles, Reading, find_files
from ..data.items import DataError, DatasetContent, Item
from ..events import Tell
from ..roles.specs import DatasetSpec
from ..spec.overrides import apply_overrides
from ..stages.context import RunContext
from ..stages.list_items import listed
from .contents import FEW, contents_of
from .fractions import UNCUT, fractions_of
from .sections import dataset_spec


@dataclass(frozen=True, slots=True)
class Seen:
    """Data, as a data set reads it."""

    path: Path
    #: As it goes into a spec, with its ``type``.
    section: Mapping[str, Any]
    #: What it was taken for, in words.
    what: str
    #: What every item has.
    modalities: tuple[str, ...]
    #: Class to its number of items, in the order of the data set.
    classes: Mapping[str, int]
    #: The splits as a run uses them, each with its number of items.
    splits: Mapping[str, int]
    #: Those of them that the data brings; the others are cut off ``train``.
    given: tuple[str, ...]
    #: Labelled training items of the smallest class.
    least: int
    #: Items whose content another one has, too.
    copies: int
    #: Modality to what its contents are like, in words.
    contents: Mapping[str, str]
    notes: tuple[str, ...]


def look(path: Path, catalogue: Catalogue, store: Path, tell: Tell, settings: Mapping[str, Any]) -> Seen:
    """See what is there. ``settings``: overrides of its section (``dataset.shots``), which nothing here changes.

    Raises ``DataError`` for data that no data set reads or that tells no classes apart, ``SpecError`` for ``settings``.
    Files are counted and hashed one by one; a few are decoded.
    """
    found = find_files(path, tell)
    type_, reading, notes = _chosen(found, catalogue, settings.get("dataset.type"))
    whole, _ = apply_overrides({"dataset": {"type": type_, **reading.fields}}, settings)
    section, said = whole["dataset"], {key.split(".")[1] for key in settings}
    context = RunContext(catalogue, store, tell)
    cuts = {name for name in UNCUT if name in type(dataset_spec(section, catalogue)).model_fields} - said
    uncut = {name: share for name, share in UNCUT.items() if name in cuts}
    content = listed(dataset_spec({**section, **uncut}, catalogue), context)
    classes = _classes(content, path)
    given = tuple(name for name, items in content.splits.items() if items)
    broken: list[str] = []
    contents: dict[str, str] = {}
    every = list(chain.from_iterable(content.splits.values()))
    modalities = tuple(kind for kind in every[0].modalities if all(kind in item.modalities for item in every))
    for kind in modalities:
        contents[kind], unread = contents_of(every, kind)
        if len(unread) == min(FEW, len(every)):
            raise DataError(f"{path}: none of the {counted(len(unread), 'items')} looked at can be read: {unread[0]}")
        broken += unread
    if broken and "on_error" not in said:
        section["on_error"] = "record"
        notes.append(
            f"items that cannot be read are left out; of those looked at {counted(len(broken), 'items')}: {broken[0]}"
        )
    total = len(every)
    copies = total - len({_content(item) for item in every})
    if cuts:
        section |= fractions_of(_counts(content, "train"), given, cuts, type_)
        del content, every  # of a million files two listings are too many
        content = listed(dataset_spec(section, catalogue), context)
    if not content.splits.get("test"):
        raise DataError(
            f"{path}: no `test` is left when copies stay together: too few of its {total:,} items differ; "
            "add items, or split folders"
        )
    least = min(_counts(content, "train").values(), default=0)
    return Seen(
        path=path,
        section=section,
        what=f"{reading.media} {reading.where}",
        modalities=modalities,
        classes=classes,
        splits={name: len(items) for name, items in content.splits.items()},
        given=given,
        least=least,
        copies=copies,
        contents=contents,
        notes=(*notes, *content.notes),
    )


def _chosen(found: FoundFiles, catalogue: Catalogue, type_: Any) -> tuple[str, Reading, list[str]]:
    """The type that reads the most of what was found, or that which is asked for; and a note of the others."""
    broken: list[DataError] = []
    readings = [(name, one) for name in catalogue.types("dataset") if (one := _reading(name, found, catalogue, broken))]
    readings.sort(key=lambda one: (one[1].files, one[1].listed), reverse=True)
    if type_ is not None:
        named = [one for one in readings if one[0] == type_]
        if not named:
            raise SpecError([Problem(_unread(str(type_), readings, catalogue), ("dataset", "type"), source="--set")])
        return *named[0], []
    if not readings:
        raise broken[0] if broken else DataError(_nothing(found))
    notes = [
        f"also there: {counted(reading.files, reading.media)} {reading.where}, which `{name}` reads: "
        f"--set dataset.type={name}"
        for name, reading in readings[1:]
        if reading.media != readings[0][1].media
    ]
    return *readings[0], notes


def _reading(type_: str, found: FoundFiles, catalogue: Catalogue, broken: list[DataError]) -> Reading | None:
    """``broken``: gets why files of its own kind cannot be read."""
    spec = catalogue.find("dataset", type_).ready_spec()
    try:
        return spec.reading(found) if issubclass(spec, DatasetSpec) else None
    except DataError as error:
        broken.append(error)
        return None


def _unread(type_: str, readings: Sequence[tuple[str, Reading]], catalogue: Catalogue) -> str:
    try:
        catalogue.find("dataset", type_)
    except UnknownComponent as error:
        return error.reason
    others = ", ".join(name for name, _ in readings) or "none"
    return f"`{type_}` does not read what lies there; data sets that do: {others}"


def _nothing(found: FoundFiles) -> str:
    if not found.suffixes:
        return f"{found.path} holds no files"
    kinds = ", ".join(f"{count:,} {suffix or 'without a suffix'}" for suffix, count in found.suffixes.most_common(5))
    return (
        f"{found.path} holds nothing that an installed data set reads (files: {kinds}). What is read: a folder a class "
        "of pictures, sounds or clips, or split folders of such; pictures listed with their classes in a CSV or JSON "
        "lines beside them; such a list by itself; vectors with their labels: name the .npy, .npz or .parquet file"
    )


def _classes(content: DatasetContent, path: Path) -> dict[str, int]:
    """Raises ``DataError`` where items are not of one class each, or all of one."""
    every = list(chain.from_iterable(content.splits.values()))
    if not all(item.target is None or isinstance(item.target, int) for item in every):
        raise DataError(
            f"{path}: its items have answers, or a label a segment: init writes pipelines of one class an item; "
            "docs/tasks.md has a pipeline for each task"
        )
    counts = Counter(item.target for item in every if isinstance(item.target, int))
    if not content.class_names or not counts:
        raise DataError(
            f"{path}: nothing says which classes its items are of; label them, or name the label's column "
            "with --set dataset.columns.label=COLUMN"
        )
    if len(content.class_names) < 2:
        raise DataError(f"{path} has one class alone, {content.class_names[0]}: there is nothing to tell apart")
    return {name: counts[index] for index, name in enumerate(content.class_names)}


def _counts(content: DatasetContent, split: str) -> dict[str, int]:
    """Labelled items of each class."""
    counts = Counter(item.target for item in content.splits.get(split, ()) if isinstance(item.target, int))
    return {name: counts[index] for index, name in enumerate(content.class_names)}


def _content(item: Item) -> tuple[str, ...]:
    return tuple(media.digest for media in item.modalities.values())
