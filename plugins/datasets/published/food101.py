"""Food-101: 101 dishes, a thousand pictures each."""

from __future__ import annotations

from pathlib import Path

from ....core.data.items import DataError
from ....core.storage.json_files import json_in
from ..labelled_files import LabelledFiles
from .publication import Publication, PublishedDataset


class Food101(PublishedDataset):
    """Source: Bossard, Guillaumin, Van Gool, "Food-101", ECCV 2014. The training pictures were left uncleaned."""

    about = Publication(
        title="Food-101",
        folders=("food-101",),
        pictures="images",
        annotations=("meta/train.json", "meta/test.json"),
        fetch=("curl -L http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz | tar xz --strip-components=1",),
        download_size="5 GB",
        coop_file="split_zhou_Food101.json",
        coop_url="https://drive.google.com/file/d/1QK0tGi096I0Ba6kggatX1ee6dJFIcEJl/view",
        official={"train": 75750, "test": 25250},
        coop={"train": 50500, "val": 20200, "test": 30300},
        torchvision="Food101",
    )

    def official(self, folder: Path) -> LabelledFiles:
        """``meta/train.json`` and ``test.json``: class to paths without suffix. Underscores in names become spaces."""
        by_class = {split: _read(folder / "meta" / f"{split}.json") for split in ("train", "test")}
        names = sorted({name for split in by_class.values() for name in split})
        index = {name: number for number, name in enumerate(names)}
        splits = {
            split: [(f"{picture}.jpg", index[name]) for name, pictures in found.items() for picture in pictures]
            for split, found in by_class.items()
        }
        readable = tuple(name.replace("_", " ") for name in names)
        return LabelledFiles(splits, readable, f"{folder}/meta/{{train,test}}.json")


def _read(path: Path) -> dict[str, list[str]]:
    try:
        value = json_in(path)
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}; extract the archive again") from None
    if not isinstance(value, dict) or not all(
        isinstance(pictures, list) and all(isinstance(picture, str) for picture in pictures)
        for pictures in value.values()
    ):
        raise DataError(f'{path}: expected {{"apple_pie": ["apple_pie/1005649", ...], ...}}')
    return value
