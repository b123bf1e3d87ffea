"""The digits data set: real handwriting that needs no network."""

from __future__ import annotations

import gzip
import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.data.items import DatasetContent, Item, Media
from ...core.roles import Dataset
from ...registry.errors import imported
from .specs import DigitsSpec
from .stratified import stratified_split

SPLIT_ID = "graftwork-digits-1 (50/20/30 by content hash, stratified; writers shared between splits)"


class Digits(Dataset):
    """scikit-learn's copy of the UCI test set of optical digits, 43 writers; grey values 0..16 are stretched to 0..255.

    Source: Alpaydin & Kaynak (1998), UCI Machine Learning Repository. A random split shares writers between train and
    test: the task is easier than digits of unseen writers.
    """

    def __init__(self, spec: DigitsSpec) -> None:
        self.spec = spec

    def load(self) -> DatasetContent:
        """1,797 items, ids ``digits/0000`` ... in scikit-learn's order."""
        items, order = [], {}
        for index, row in enumerate(_rows()):
            pixels, target = row[:64].reshape(8, 8), row[64]
            item = Item(f"digits/{index:04d}", {"image": _media(pixels, index)}, int(target))
            items.append(item)
            order[item.id] = hashlib.sha256(pixels.tobytes() + str(index).encode()).hexdigest()
        splits = stratified_split(items, order, {"train": 0.5, "val": 0.2, "test": 0.3})
        return DatasetContent({name: tuple(split) for name, split in splits.items()}, self.spec.class_names, SPLIT_ID)


def _rows() -> NDArray[np.uint8]:
    """[1797, 65]: 64 grey values and the class. Read from the file of scikit-learn, which takes more than a second to
    import; imported where the file is not in its place.
    """
    spec = find_spec("sklearn")
    for folder in (spec and spec.submodule_search_locations) or ():
        if (file := Path(folder, "datasets", "data", "digits.csv.gz")).is_file():
            with gzip.open(file, "rt", encoding="utf-8") as lines:
                return np.loadtxt(lines, delimiter=",", dtype=np.uint8)
    bunch = imported("sklearn.datasets", "dataset `digits`").load_digits()
    return np.column_stack([bunch.data, bunch.target]).astype(np.uint8)


def _media(pixels: NDArray[np.uint8], index: int) -> Media:
    stretched = (pixels.astype(np.float32) * (255 / 16)).round().astype(np.uint8)
    digest = hashlib.sha256(b"L8x8" + stretched.tobytes()).hexdigest()
    return Media(digest, f"digits[{index}]", lambda: Image.fromarray(stretched))
