"""Sounds from a folder, labelled by class folders."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ....core.data.items import DataError, DatasetContent, Item, Media
from ....core.data.sounds import SUFFIXES, open_sound, soundfile
from ....core.roles import Dataset
from ..missing_splits import how_cut, require_classes_everywhere, with_missing_splits
from ..specs import AudioFolderSpec
from .class_folders import class_files, parts_of
from .class_names import require_known, shown_names


class AudioFolder(Dataset):
    """Layouts: class folders, and split folders of class folders."""

    def __init__(self, spec: AudioFolderSpec) -> None:
        self.spec, self.root = spec, Path(spec.root)

    def load(self) -> DatasetContent:
        """Ids are paths relative to the root. Raises ``DataError`` naming folder, file or class."""
        if not self.root.is_dir():
            raise DataError(f"dataset.root: {self.root} is no folder")
        soundfile()  # said now, not once a file
        rows = [(path, label, split) for part, split in parts_of(self.root) for path, label in self._files(part)]
        if not rows:
            kinds = ", ".join(sorted(SUFFIXES))
            raise DataError(f"dataset.root: {self.root} holds no sounds ({kinds}) in class folders")
        labels = {label for _, label, _ in rows}
        require_known("exclude", self.spec.exclude, labels, self.root)
        rows = [row for row in rows if row[1] not in self.spec.exclude]
        names = tuple(sorted({label for _, label, _ in rows}))
        shown = shown_names(names, self.spec.class_names, labels, self.root)
        given: dict[str, list[Item]] = {"train": [], "val": [], "test": []}
        for (path, label, split), sound in zip(rows, self._sounds([row[0] for row in rows]), strict=True):
            name = path.relative_to(self.root).as_posix()
            given[split or "train"].append(Item(name, {"audio": sound}, names.index(label)))
        fractions = {"val": self.spec.val_fraction, "test": self.spec.test_fraction}
        splits = with_missing_splits(given, fractions, str(self.root))
        require_classes_everywhere(splits, names, str(self.root))
        left_out = f" without {', '.join(sorted(self.spec.exclude))}" if self.spec.exclude else ""
        return DatasetContent(
            {name: tuple(split) for name, split in splits.items() if split},
            shown,
            f"audio_folder{left_out}, {how_cut(given, fractions)}",
        )

    def _files(self, part: Path) -> list[tuple[Path, str]]:
        return list(class_files(part, SUFFIXES, "sounds"))

    def _sounds(self, paths: list[Path]) -> list[Media]:
        digests = self.files.sha256(self.root, paths)
        return [
            Media(digest, str(path), partial(open_sound, path)) for path, digest in zip(paths, digests, strict=True)
        ]
