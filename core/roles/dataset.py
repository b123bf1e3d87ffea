"""The dataset role: where items come from. Light: no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING

from ..data.items import DatasetContent
from .contract import broken, form

if TYPE_CHECKING:
    from ..data.file_memo import FileMemo


class Dataset(ABC):
    """Built as ``build(spec)``."""

    #: Whether ``load`` may fetch what its spec allows it to; a plan may not.
    may_download: bool = True

    @cached_property
    def files(self) -> FileMemo:
        """Reads files in parallel and remembers what it found; whoever loads the data set gives it a store."""
        from ..data.file_memo import FileMemo

        return FileMemo()

    @abstractmethod
    def load(self) -> DatasetContent:
        """List the items. Cheap: hashes content, decodes nothing. Raises ``DataError``."""


def content_of(dataset: Dataset) -> DatasetContent:
    """What it lists. Raises ``ContractError`` where that is no ``DatasetContent``."""
    given = dataset.load()
    if not isinstance(given, DatasetContent):
        raise broken("dataset", dataset, f"gave {form(given)}; `load` gives a DatasetContent")
    return given
