"""Sounds from a folder, labelled by class folders."""

from __future__ import annotations

from pathlib import Path

from ....core.data.items import DataError, DatasetContent, Item
from ....core.data.sounds import SUFFIXES, soundfile
from ....core.roles import Dataset
from ..media_in_files import file_sounds
from ..missing_splits import how_cut, require_classes_everywhere, with_missing_splits
from ..specs import AudioFolderSpec
from .class_folders import ClassFolders
from .class_names import beside, require_known, require_several, shown_names


class AudioFolder(Dataset):
    """Layouts: class folders, and split folders of class folders."""

    def __init__(self, spec: AudioFolderSpec) -> None:
        self.spec, self.root = spec, Path(spec.root)

    def load(self) -> DatasetContent:
        """Ids are paths relative to the root. Raises ``DataError`` naming folder, file or class."""
        if not self.root.is_dir():
            raise DataError(f"dataset.root: {self.root} is no folder")
        soundfile()  # said now, not once a file
        tree = ClassFolders(self.root, self.spec.exclude, SUFFIXES, "sounds")
        rows = [(path, label, part.split) for part in tree.parts for path, label in tree.files(part)]
        if not rows:
            kinds = ", ".join(sorted(SUFFIXES))
            raise DataError(f"dataset.root: {self.root} holds no sounds ({kinds}) in class folders")
        labels = {label for _, label, _ in rows} | tree.excluded
        require_known("exclude", self.spec.exclude, labels, self.root)
        names = tuple(sorted({label for _, label, _ in rows}))
        require_several(names, "sounds", self.root)
        shown = shown_names(names, self.spec.class_names, labels, self.root)
        given: dict[str, list[Item]] = {"train": [], "val": [], "test": []}
        sounds = file_sounds([row[0] for row in rows], self.root, self.files)
        for (path, label, split), sound in zip(rows, sounds, strict=True):
            name = path.relative_to(self.root).as_posix()
            given[split or "train"].append(Item(name, {"audio": sound}, names.index(label)))
        fractions = {"val": self.spec.val_fraction, "test": self.spec.test_fraction}
        with beside(tree.notes):
            splits = with_missing_splits(given, fractions, str(self.root))
            require_classes_everywhere(splits, names, str(self.root))
        left_out = f" without {', '.join(sorted(self.spec.exclude))}" if self.spec.exclude else ""
        return DatasetContent(
            {name: tuple(split) for name, split in splits.items() if split},
            shown,
            f"audio_folder{left_out}, {how_cut(given, fractions)}",
            tuple(tree.notes),
        )
