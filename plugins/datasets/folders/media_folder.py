"""Files of one kind from a folder, labelled by class folders."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from ....core.data.items import DataError, DatasetContent, Item, Media
from ....core.roles import Dataset
from ..missing_splits import how_cut, require_classes_everywhere, with_missing_splits
from .class_folders import ClassFolders
from .class_names import beside, require_known, require_several, shown_names
from .specs import MediaFolderSpec


class MediaFolder(Dataset):
    """Layouts: class folders, and split folders of class folders."""

    #: What its files are called, in lower case.
    suffixes: ClassVar[Collection[str]]
    #: ``sounds``, for messages.
    what: ClassVar[str]

    def __init__(self, spec: MediaFolderSpec) -> None:
        self.spec, self.root = spec, Path(spec.root)

    @abstractmethod
    def require_library(self) -> None:
        """Raises ``DataError`` with what to install: once, before any file is looked at."""

    @abstractmethod
    def media(self, paths: Sequence[Path]) -> Sequence[Mapping[str, Media]]:
        """What an item has of each file, by modality. Raises ``DataError``."""

    def load(self) -> DatasetContent:
        """Ids are paths relative to the root. Raises ``DataError`` naming folder, file or class."""
        if not self.root.is_dir():
            raise DataError(f"dataset.root: {self.root} is no folder")
        self.require_library()
        tree = ClassFolders(self.root, self.spec.exclude, self.suffixes, self.what)
        rows = [(path, label, part.split) for part in tree.parts for path, label in tree.files(part)]
        if not rows:
            kinds = ", ".join(sorted(self.suffixes))
            raise DataError(f"dataset.root: {self.root} holds no {self.what} ({kinds}) in class folders")
        labels = {label for _, label, _ in rows} | tree.excluded
        require_known("exclude", self.spec.exclude, labels, self.root)
        names = tuple(sorted({label for _, label, _ in rows}))
        require_several(names, self.what, self.root, self.to_score)
        shown = shown_names(names, self.spec.class_names, labels, self.root)
        given: dict[str, list[Item]] = {"train": [], "val": [], "test": []}
        for (path, label, split), media in zip(rows, self.media([row[0] for row in rows]), strict=True):
            name = path.relative_to(self.root).as_posix()
            given[split or "train"].append(Item(name, media, names.index(label)))
        fractions = {"val": self.spec.val_fraction, "test": self.spec.test_fraction}
        with beside(tree.notes):
            splits = with_missing_splits(given, fractions, str(self.root), self.to_score)
            require_classes_everywhere(splits, names, str(self.root), excludes=True, to_score=self.to_score)
        left_out = f" without {', '.join(sorted(self.spec.exclude))}" if self.spec.exclude else ""
        return DatasetContent(
            {name: tuple(split) for name, split in splits.items() if split},
            shown,
            f"{self.spec.type}{left_out}, {how_cut(given, fractions)}",
            tuple(tree.notes),
        )
