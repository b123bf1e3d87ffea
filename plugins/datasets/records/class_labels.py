"""The classes of a data set of the ``datasets`` library: each split may number the same names in its own order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import datasets

from ....core.data.items import DataError


class ClassLabels:
    """Reads labels by the names of their own split."""

    def __init__(self, tables: Mapping[str, Any], column: str, given: tuple[str, ...] | None, where: str) -> None:
        """``given`` are the names of the spec: those of the data in any order, or others in the order of ``train``.

        Raises ``DataError`` where it cannot be told which number is which name.
        """
        own = {split: _names_in(table, column) for split, table in tables.items()}
        train = own["train"]
        #: The names of the classes in order; ``None`` where labels are names, or nothing names them.
        self.names = given or train
        self._shown = _shown(train, given, where) if train and given else {}
        #: Split to what each of its numbers is called; splits without names are not in it.
        self._called: dict[str, tuple[str, ...]] = {}
        for split, names in own.items():
            if names is not None:
                if train is None and given is not None and not set(names) <= set(given):
                    raise DataError(
                        f"dataset.class_names: {split} of {where} calls its classes {_some(names)}, and the names "
                        f"given are {_some(given)}: which is which cannot be told; give those of {split}"
                    )
                self._called[split] = tuple(self._shown.get(name, name) for name in names)
            elif train is not None and given is None and _is_numbered(tables[split], column):
                raise DataError(
                    f"{where}: train names its classes ({_some(train)}), and the labels of {split} are numbers without "
                    "names; are they in the same order, give dataset.class_names"
                )

    def of(self, split: str, label: int | str | None) -> int | str | None:
        """A label by its name, where its split names its numbers."""
        if isinstance(label, str):
            return self._shown.get(label, label)
        called = self._called.get(split)
        if called is None or label is None or not 0 <= label < len(called):
            return label
        return called[label]


def _shown(own: Sequence[str], given: Sequence[str], where: str) -> dict[str, str]:
    """Own name to the one that prompts use; nothing where the spec gives own names."""
    if set(given) <= set(own):
        return {}
    if len(own) != len(given):
        raise DataError(
            f"dataset.class_names: {where} has {len(own)} classes ({_some(own)}), and {len(given)} other names are "
            "given"
        )
    for name, shown in zip(own, given, strict=True):
        if shown in own and shown != name:
            raise DataError(
                f"dataset.class_names: class {name} of {where} would be called {shown}, as another of its classes is; "
                f"its order is {_some(own)}"
            )
    return dict(zip(own, given, strict=True))


def _names_in(table: Any, column: str) -> tuple[str, ...] | None:
    feature = (table.features or {}).get(column)
    return tuple(feature.names) if isinstance(feature, datasets.ClassLabel) else None


def _is_numbered(table: Any, column: str) -> bool:
    feature = (table.features or {}).get(column)
    return isinstance(feature, datasets.Value) and "int" in str(feature.dtype)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (" ..." if len(names) > 10 else "")
