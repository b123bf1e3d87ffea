"""The dataset role: where items come from. Light: no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING

from ..data.items import DataError, DatasetContent
from ..data.names import not_utf8
from .contract import broken, form

if TYPE_CHECKING:
    from ..data.file_memo import FileMemo


class Dataset(ABC):
    """Built as ``build(spec)``."""

    #: Whether ``load`` may fetch what its spec allows it to; a plan may not.
    may_download: bool = True
    #: Whether the items are scored by a finished run, which has its classes: some may lack here, or be in no split.
    to_score: bool = False

    @cached_property
    def files(self) -> FileMemo:
        """Reads files in parallel and remembers what it found; whoever loads the data set gives it a store."""
        from ..data.file_memo import FileMemo

        return FileMemo()

    @abstractmethod
    def load(self) -> DatasetContent:
        """List the items. Cheap: hashes content, decodes nothing. Raises ``DataError``."""


def content_of(dataset: Dataset) -> DatasetContent:
    """What it lists. Raises ``ContractError`` where that is no ``DatasetContent``, ``DataError`` for names that no
    result could hold."""
    given = dataset.load()
    if not isinstance(given, DatasetContent):
        raise broken("dataset", dataset, f"gave {form(given)}; `load` gives a DatasetContent")
    ids = (item.id for items in given.splits.values() for item in items)
    for what, names in (("class name", given.class_names), ("split", given.splits), ("item", ids)):
        if spelt := next(filter(None, map(not_utf8, map(str, names))), None):
            raise DataError(f"dataset: {what} {spelt:.80} holds half a surrogate pair, which is no UTF-8; name it anew")
    if twice := [name for name, count in Counter(given.class_names).items() if count > 1]:
        raise DataError(
            f"dataset: several classes are called {twice[0]!r:.80}; answers name a class, so name them apart"
        )
    return given
