"""Oxford Flowers 102: flowers that grow in the United Kingdom."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from ....core.data.items import DataError
from ....core.storage.files import read_regular
from ..labelled_files import LabelledFiles
from .flower_names import FLOWER_NAMES
from .publication import Publication, PublishedDataset

_HOST = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102"
#: The official training split is the small one: 10 pictures a class.
_SPLITS = {"train": "trnid", "val": "valid", "test": "tstid"}


class Flowers102(PublishedDataset):
    """Source: Nilsback, Zisserman, "Automated flower classification over a large number of classes", ICVGIP 2008."""

    about = Publication(
        title="Oxford Flowers 102",
        folders=("flowers-102", "oxford_flowers"),
        pictures="jpg",
        annotations=("imagelabels.mat", "setid.mat"),
        fetch=(
            f"curl -LO {_HOST}/102flowers.tgz && tar xzf 102flowers.tgz",
            f"curl -LO {_HOST}/imagelabels.mat -LO {_HOST}/setid.mat",
        ),
        download_size="0.35 GB",
        coop_file="split_zhou_OxfordFlowers.json",
        coop_url="https://drive.google.com/file/d/1Pp0sRXzZFZq15zVOzKjKBu4A9i01nozT/view",
        official={"train": 1020, "val": 1020, "test": 6149},
        coop={"train": 4093, "val": 1633, "test": 2463},
        torchvision="Flowers102",
    )

    def official(self, folder: Path) -> LabelledFiles:
        """``imagelabels.mat``: a class from 1 for picture 1, 2, 3 ...; ``setid.mat``: the pictures of each split."""
        labels = _vector(folder / "imagelabels.mat", "labels")
        splits = {}
        for split, key in _SPLITS.items():
            pictures = _vector(folder / "setid.mat", key)
            outside = [picture for picture in pictures if not 1 <= picture <= len(labels)]
            if outside:
                raise DataError(
                    f"{folder / 'setid.mat'}: {key} names pictures {outside[:10]}, and imagelabels.mat has labels for "
                    f"1..{len(labels)}"
                )
            splits[split] = [(f"image_{picture:05d}.jpg", labels[picture - 1] - 1) for picture in pictures]
        names = FLOWER_NAMES[: max(labels, default=0)]  # a label beyond 102 is refused with the pictures that bear it
        return LabelledFiles(splits, names, f"{folder}/{{imagelabels,setid}}.mat")


def _vector(path: Path, key: str) -> list[int]:
    """A row of whole numbers of a MATLAB file. Raises ``DataError``."""
    from scipy.io import loadmat  # type: ignore[import-untyped]  # scipy ships no types

    try:
        found: dict[str, Any] = loadmat(BytesIO(read_regular(path)), variable_names=[key])
        return [int(value) for value in found[key].ravel()]
    except Exception as error:  # the reader stumbles over a broken file in as many ways as it has lines
        raise DataError(f"{path}: no readable MATLAB file with `{key}`: {error}; download it again") from error
