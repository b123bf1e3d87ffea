"""The digits data set: real handwriting that needs no network."""

from __future__ import annotations

import hashlib

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
        bunch = imported("sklearn.datasets", "dataset `digits`").load_digits()
        items, order = [], {}
        for index, (pixels, target) in enumerate(zip(bunch.images.astype("uint8"), bunch.target, strict=True)):
            item = Item(f"digits/{index:04d}", {"image": _media(pixels, index)}, int(target))
            items.append(item)
            order[item.id] = hashlib.sha256(pixels.tobytes() + str(index).encode()).hexdigest()
        splits = stratified_split(items, order, {"train": 0.5, "val": 0.2, "test": 0.3})
        return DatasetContent({name: tuple(split) for name, split in splits.items()}, self.spec.class_names, SPLIT_ID)


def _media(pixels: NDArray[np.uint8], index: int) -> Media:
    stretched = (pixels.astype(np.float32) * (255 / 16)).round().astype(np.uint8)
    digest = hashlib.sha256(b"L8x8" + stretched.tobytes()).hexdigest()
    return Media(digest, f"digits[{index}]", lambda: Image.fromarray(stretched))
