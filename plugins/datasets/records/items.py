"""From labelled records, as Hugging Face data sets and WebDataset shards hold them, to items with class indices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....core.data.items import DataError, DatasetContent, Item, Media, some_of
from ....core.storage.files import read_regular
from ....core.storage.text_files import lines_of
from ....registry.errors import counted
from ..missing_splits import how_cut, require_classes_everywhere, with_missing_splits
from .specs import RecordsSpec


@dataclass(frozen=True, slots=True)
class Record:
    """One picture as found."""

    #: Unique in its split.
    id: str
    picture: Media
    #: A number (a class index, or a class called so), a class name, or ``None`` where the data says nothing.
    label: int | str | None
    text: str | None = None


def given_names(spec: RecordsSpec) -> tuple[str, ...] | None:
    """The class names of the spec, from the list or the file. Raises ``DataError``."""
    if spec.class_names_file is None:
        return spec.class_names
    path = Path(spec.class_names_file)
    try:
        lines = lines_of(read_regular(path))
    except (OSError, ValueError) as error:
        raise DataError(f"dataset.class_names_file: {path}: cannot be read: {error}") from None
    names = tuple(line.strip() for line in lines)
    names = names[:-1] if names[-1] == "" else names
    twice = [name or "(an empty line)" for name, count in Counter(names).items() if count > 1 or not name]
    if not names:
        raise DataError(f"dataset.class_names_file: {path} names no class")
    if twice:
        raise DataError(f"dataset.class_names_file: {path}: every line is one class; more than once:{some_of(twice)}")
    return names


def as_label(value: Any, place: str) -> int | str | None:
    """A label as found. Raises ``DataError`` for a list, a broken number or an object; ``place`` says where."""
    if value is None or isinstance(value, (int, str)):
        return value
    raise DataError(f"{place}: {_found(value)}; a label is a whole number or a name, one a record")


def as_text(value: Any, place: str) -> str | None:
    """The words about a picture. Raises ``DataError`` for anything but a string; ``place`` says where."""
    if value is None or isinstance(value, str):
        return value
    raise DataError(f"{place}: {_found(value)}; the text of a record is one string")


def _found(value: Any) -> str:
    kinds = {list: "a list", dict: "an object", float: "a number with a point", int: "a number", bool: "a truth value"}
    return f"found {kinds.get(type(value), type(value).__name__)}: {value!r:.80}"


def content_of(
    splits: Mapping[str, Sequence[Record]],
    names: tuple[str, ...] | None,
    spec: RecordsSpec,
    where: str,
    notes: Iterable[str] = (),
    *,
    to_score: bool = False,
) -> DatasetContent:
    """Records as a data set; ``where`` names the data in messages and in the split id.

    Without ``names`` the labels must be names, and are sorted. Raises ``DataError`` naming up to ten records that have
    no label outside ``train``, or one that is no class.
    """
    if empty := [split for split, records in splits.items() if not records]:
        raise DataError(
            f"{where}: nothing is in {' and '.join(empty)}; name what holds records, or leave the split out"
        )
    if names is None:
        names = _names_in([record for records in splits.values() for record in records], where)
    index: dict[int | str, int] = {name: number for number, name in enumerate(names)}
    index |= _numbers(splits, names, where)
    wrong: list[str] = []
    given = {split: list(_items(split, records, index, wrong)) for split, records in splits.items()}
    if wrong:
        raise DataError(
            f"{where}: {counted(len(wrong), 'records', 'have')} no label of the {counted(len(names), 'classes')} "
            f"(0..{len(names) - 1}, or a name; none only in train):{some_of(wrong)}"
        )
    fractions = {"val": spec.val_fraction, "test": spec.test_fraction}
    made = with_missing_splits(given, fractions, where, to_score)
    require_classes_everywhere(made, names, where, to_score=to_score)
    split_id = f"{spec.type} {where}, {how_cut(given, fractions)}"
    return DatasetContent({name: tuple(items) for name, items in made.items() if items}, names, split_id, tuple(notes))


def _names_in(records: Sequence[Record], where: str) -> tuple[str, ...]:
    labels = {record.label for record in records if record.label is not None}
    numbers = [label for label in labels if isinstance(label, int)]
    if numbers or not labels:
        found = f"numbers ({min(numbers)}..{max(numbers)})" if numbers else "missing everywhere"
        raise DataError(
            f"{where}: its labels are {found}: name the classes with dataset.class_names or class_names_file"
        )
    return tuple(sorted(map(str, labels)))


def _numbers(splits: Mapping[str, Sequence[Record]], names: tuple[str, ...], where: str) -> dict[int | str, int]:
    """What numbers among the labels mean: class indices, or names where all of them are names and one is no index.

    Raises ``DataError`` for one that may be either.
    """
    found = {record.label for records in splits.values() for record in records if isinstance(record.label, int)}
    numbers = sorted(number for number in found if isinstance(number, int) and number != -1)
    called = {name: position for position, name in enumerate(names)}
    as_names: dict[int | str, int] = {number: called[str(number)] for number in numbers if str(number) in called}
    if len(as_names) == len(numbers) and not all(0 <= number < len(names) for number in numbers):
        return as_names
    for number in numbers:
        position = as_names.get(number, number)
        if 0 <= number < len(names) and position != number:
            raise DataError(
                f"{where}: label {number} may be the class called {number} (class {position}) or class {number} "
                f"(called {names[number]}); write labels as JSON strings, or give other class names"
            )
    return {number: number for number in range(len(names))}


def _items(split: str, records: Iterable[Record], index: Mapping[int | str, int], wrong: list[str]) -> Iterator[Item]:
    for record in records:
        unlabelled = record.label is None or record.label == -1  # -1: the datasets library's word for it
        target = None if record.label is None else index.get(record.label)
        if unlabelled and split == "train":
            target = None
        elif unlabelled or target is None:
            wrong.append(f"{split}/{record.id}: {record.label!r}")
            continue
        modalities = {"image": record.picture}
        if record.text is not None:
            modalities["text"] = Media.of_text(record.text, f"text of {record.picture.source}")
        yield Item(f"{split}/{record.id}", modalities, target)
