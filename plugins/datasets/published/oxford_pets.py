"""Oxford-IIIT Pets: 37 breeds of cats and dogs."""

from __future__ import annotations

from pathlib import Path

from ....core.data.items import DataError
from ....core.storage.files import read_regular
from ....core.storage.text_files import lines_of
from ..labelled_files import LabelledFiles
from .publication import Publication, PublishedDataset

_HOST = "https://www.robots.ox.ac.uk/~vgg/data/pets/data"


class OxfordPets(PublishedDataset):
    """Source: Parkhi, Vedaldi, Zisserman, Jawahar, "Cats and Dogs", CVPR 2012."""

    about = Publication(
        title="Oxford-IIIT Pets",
        folders=("oxford-iiit-pet", "oxford_pets"),
        pictures="images",
        annotations=("annotations/trainval.txt", "annotations/test.txt"),
        fetch=(
            f"curl -LO {_HOST}/images.tar.gz && tar xzf images.tar.gz",
            f"curl -LO {_HOST}/annotations.tar.gz && tar xzf annotations.tar.gz",
        ),
        download_size="0.8 GB",
        coop_file="split_zhou_OxfordPets.json",
        coop_url="https://drive.google.com/file/d/1501r8Ber4nNKvmlFVQZ8SeUHTcdTTEqs/view",
        official={"train": 3680, "test": 3669},
        coop={"train": 2944, "val": 736, "test": 3669},
        torchvision="OxfordIIITPet",
    )

    def official(self, folder: Path) -> LabelledFiles:
        """Lines ``Abyssinian_100 1 1 1``: picture, class from 1, species, breed. Names as torchvision's."""
        names: dict[int, str] = {}
        splits = {
            split: _rows(folder / "annotations" / f"{stem}.txt", names)
            for split, stem in (("train", "trainval"), ("test", "test"))
        }
        class_names = tuple(names.get(target, f"class {target + 1}") for target in range(max(names, default=-1) + 1))
        return LabelledFiles(splits, class_names, f"{folder}/annotations/{{trainval,test}}.txt")


def _rows(path: Path, names: dict[int, str]) -> list[tuple[str, int]]:
    try:
        lines = lines_of(read_regular(path))
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        picture, label, *_ = [*line.split(), "", ""]
        breed = " ".join(part.title() for part in picture.split("_")[:-1])
        if not (label.isdecimal() and int(label) >= 1 and breed):
            raise DataError(f"{path}:{number}: expected a line like `Abyssinian_100 1 1 1`, found {line[:80]!r}")
        if names.setdefault(int(label) - 1, breed) != breed:
            raise DataError(f"{path}:{number}: class {label} is {names[int(label) - 1]} before and {breed} here")
        rows.append((f"{picture}.jpg", int(label) - 1))
    return rows
