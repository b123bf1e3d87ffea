"""Published picture sets: found in torchvision's layout or CoOp's, with the official split or CoOp's.

The annotation files are read here and not by torchvision's classes, which would import torch for a plan, and decode
nothing less; a test holds both readings against each other. Downloads are torchvision's.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ....core.data.items import DataError, DatasetContent, Item
from ....core.roles import Dataset
from ....core.storage.files import sha256_of
from ....registry.errors import GraftworkError
from ..coop_split import read_coop_split
from ..labelled_files import LabelledFiles, items_of
from ..missing_splits import how_cut, require_classes_everywhere, with_missing_splits
from .specs import CarvedSpec, PublishedSpec


class DownloadError(GraftworkError):
    """The data could not be fetched."""


@dataclass(frozen=True, slots=True)
class Publication:
    """Where a set comes from and what it holds when it is whole."""

    title: str
    #: Its folder below ``root``: as torchvision names it, as CoOp does. ``root`` itself may be it, too.
    folders: tuple[str, ...]
    #: The folder of the pictures, inside.
    pictures: str
    #: The files of the official split, inside.
    annotations: tuple[str, ...]
    #: Shell lines that fetch it into torchvision's folder.
    fetch: tuple[str, ...]
    download_size: str
    #: CoOp's split file and where it is.
    coop_file: str
    coop_url: str
    #: Pictures a split: official (val carved from train counts as train), CoOp's.
    official: Mapping[str, int]
    coop: Mapping[str, int]
    #: torchvision's class, which downloads.
    torchvision: str


class PublishedDataset(Dataset):
    """Ids are paths below the folder of the pictures: one picture has one id in every split and layout."""

    about: ClassVar[Publication]

    def __init__(self, spec: PublishedSpec) -> None:
        self.spec = spec

    @abstractmethod
    def official(self, folder: Path) -> LabelledFiles:
        """What the annotation files in ``folder`` say. Raises ``DataError``."""

    def load(self) -> DatasetContent:
        """Raises ``DataError`` naming what is missing, with the commands that fetch it."""
        folder = self._folder()
        coop = self.spec.split == "coop"
        listed = read_coop_split(self._split_file(folder)) if coop else self.official(folder)
        given = items_of(listed, folder / self.about.pictures, self.files, self.spec.background)
        carve = {"val": self.spec.val_fraction} if isinstance(self.spec, CarvedSpec) and not coop else {}
        splits = with_missing_splits(given, carve, str(folder))
        require_classes_everywhere(splits, listed.class_names, str(folder))
        return DatasetContent(
            {name: tuple(items) for name, items in splits.items()},
            listed.class_names,
            self._split_id(folder, given, carve),
            tuple(self._notes(given)),
        )

    def _folder(self) -> Path:
        found = self._existing()
        if found is None and self.spec.download and self.may_download:
            self._download()
            found = self._existing()
        if found is None:
            raise DataError(self._how_to_fetch())
        lacking = [name for name in self.about.annotations if not (found / name).is_file()]
        if lacking and self.spec.split == "official":
            raise DataError(
                f"dataset.root: {found} lacks {', '.join(lacking)}, which the official split is read from. "
                + self._commands()
            )
        return found

    def _existing(self) -> Path | None:
        root = Path(self.spec.root)
        places = [*(root / name for name in self.about.folders), root]
        return next((place for place in places if (place / self.about.pictures).is_dir()), None)

    def _split_file(self, folder: Path) -> Path:
        path = Path(self.spec.split_file) if self.spec.split_file else folder / self.about.coop_file
        if not path.is_file():
            raise DataError(
                f"dataset.split_file: {path} does not exist. CoOp's split of {self.about.title} is "
                f"{self.about.coop_file}, at {self.about.coop_url}; put it there"
            )
        return path

    def _split_id(self, folder: Path, given: Mapping[str, Sequence[Item]], carve: Mapping[str, float]) -> str:
        if self.spec.split == "coop":
            path = self._split_file(folder)
            return f"{self.spec.type}, CoOp's split ({path.name}, sha256 {sha256_of(path)[:12]})"
        cut = f", {how_cut(given, carve)} of train" if carve.get("val") else ", no val" if carve else ""
        return f"{self.spec.type}, official split{cut}"

    def _notes(self, given: Mapping[str, Sequence[Item]]) -> list[str]:
        other = "official" if self.spec.split == "coop" else "coop"
        notes = [f"split `{self.spec.split}`: not comparable with results on split `{other}` of {self.about.title}"]
        published = self.about.coop if self.spec.split == "coop" else self.about.official
        found = {name: len(items) for name, items in given.items() if items}
        if found != published:
            notes.append(f"{_sizes(found)} pictures, published are {_sizes(published)}: this is not the whole data set")
        return notes

    def _download(self) -> None:
        from torchvision import datasets

        try:
            getattr(datasets, self.about.torchvision)(self.spec.root, download=True)
        except (OSError, RuntimeError) as error:
            raise DownloadError(f"{self.about.title} could not be downloaded: {error}. {self._commands()}") from error

    def _how_to_fetch(self) -> str:
        root = Path(self.spec.root)
        places = ", ".join(str(root / name) for name in self.about.folders)
        lead = f"dataset.root: no {self.about.title} here: no folder `{self.about.pictures}` in {places} or {root}. "
        if self.spec.download and not self.may_download:
            lead += 'A plan downloads nothing; a run will ("download": true). '
        return lead + self._commands()

    def _commands(self) -> str:
        folder = Path(self.spec.root) / self.about.folders[0]
        lines = "".join(f"\n  {line}" for line in (f"mkdir -p '{folder}' && cd '{folder}'", *self.about.fetch))
        return f'Set "download": true, or fetch it ({self.about.download_size}; docs/datasets.md says more):{lines}'


def _sizes(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {size:,}" for name, size in sizes.items())
