"""The first stage: a data set listed, with its files remembered and its notes told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...registry.build import build
from ...registry.catalogue import Catalogue
from ..data.duplicates import with_duplicates_told
from ..data.file_memo import FileMemo
from ..data.items import DatasetContent
from ..events import Event, Note
from ..roles.dataset import Dataset
from ..roles.specs import DatasetSpec


def list_items(
    spec: DatasetSpec, catalogue: Catalogue, store: Path, tell: Callable[[Event], None], may_download: bool = True
) -> DatasetContent:
    """What the data set holds. Raises ``DataError``."""
    dataset = build(Dataset, catalogue, spec)
    dataset.files = FileMemo(store, tell)
    dataset.may_download = may_download
    content = with_duplicates_told(dataset.load(), spec.duplicates)
    for note in content.notes:
        tell(Note(note))
    return content
