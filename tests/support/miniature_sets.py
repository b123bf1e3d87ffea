"""Published data sets in miniature: a few real JPEG files each, laid out and annotated as the originals are."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat

#: As in the original: cats with a capital letter, dogs without, one class named in two words.
BREEDS = ("Abyssinian", "american_bulldog", "Bengal")
DISHES = ("apple_pie", "baby_back_ribs", "baklava")


def jpeg(name: str, corner: int = 0) -> bytes:
    """A 24x24 JPEG of noise that follows ``name``, bright in one ``corner`` (a class), so that classes can be told."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    pixels = np.random.default_rng(seed).integers(0, 120, (24, 24, 3), np.uint8)
    row, column = 12 * (corner // 2 % 2), 12 * (corner % 2)
    pixels[row : row + 12, column : column + 12] += np.uint8(120)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "jpeg")
    return buffer.getvalue()


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def pets(folder: Path, trainval: int = 5, test: int = 3) -> Path:
    """``images/`` and ``annotations/{list,trainval,test}.txt``; some pictures have neighbours that no list names."""
    lines: dict[str, list[str]] = {"trainval": [], "test": []}
    for label, breed in enumerate(BREEDS, start=1):
        for number in range(1, trainval + test + 1):
            write(folder / "images" / f"{breed}_{number}.jpg", jpeg(f"{breed}{number}", label))
            lines["trainval" if number <= trainval else "test"].append(f"{breed}_{number} {label} 1 1")
    write(folder / "images" / "Abyssinian_100.mat", b"as in the original archive")
    for split, rows in lines.items():
        write(folder / "annotations" / f"{split}.txt", "\n".join(rows) + "\n")
    write(folder / "annotations" / "list.txt", "#Image CLASS-ID SPECIES BREED ID\n")
    return folder


def flowers(folder: Path, classes: int = 3, each: int = 6) -> Path:
    """``jpg/image_00001.jpg`` ..., ``imagelabels.mat`` and ``setid.mat`` with rows of numbers, as MATLAB wrote them."""
    labels = [1 + number % classes for number in range(classes * each)]
    for number, label in enumerate(labels, start=1):
        write(folder / "jpg" / f"image_{number:05d}.jpg", jpeg(f"flower{number}", label))
    third = len(labels) // 3
    numbers = np.arange(1, len(labels) + 1, dtype=np.uint16)
    savemat(folder / "imagelabels.mat", {"labels": np.array([labels], np.uint8)})
    ids = {
        "trnid": numbers[None, :third],
        "valid": numbers[None, third : 2 * third],
        "tstid": numbers[None, 2 * third :],
    }
    savemat(folder / "setid.mat", ids)
    return folder


def food(folder: Path, train: int = 6, test: int = 2) -> Path:
    """``images/apple_pie/1000.jpg`` ... and ``meta/{train,test}.json``."""
    meta: dict[str, dict[str, list[str]]] = {"train": {}, "test": {}}
    for label, dish in enumerate(DISHES):
        names = [f"{dish}/{1000 * label + number}" for number in range(train + test)]
        for name in names:
            write(folder / "images" / f"{name}.jpg", jpeg(name, label))
        meta["train"][dish], meta["test"][dish] = names[:train], names[train:]
    for split, found in meta.items():
        write(folder / "meta" / f"{split}.json", json.dumps(found))
    write(folder / "meta" / "classes.txt", "\n".join(DISHES))
    return folder


def caltech(folder: Path, each: int = 10) -> Path:
    """``101_ObjectCategories/CLASS/image_0001.jpg``, with the folder of clutter."""
    for label, name in enumerate(("BACKGROUND_Google", "Faces", "airplanes", "yin_yang")):
        for number in range(1, each + 1):
            path = folder / "101_ObjectCategories" / name / f"image_{number:04d}.jpg"
            write(path, jpeg(f"{name}{number}", label))
    write(folder / "101_ObjectCategories" / "BACKGROUND_Google" / "tmp", "as in the original archive")
    return folder


Row = list[Any]


def coop_rows(pictures: Path, names: dict[str, str]) -> dict[str, list[Row]]:
    """Half the pictures of each class for train, a quarter for val, the rest for test; ``names``: prefix to name."""
    splits: dict[str, list[Row]] = {"train": [], "val": [], "test": []}
    for label, (prefix, name) in enumerate(names.items()):
        found = sorted(path.relative_to(pictures).as_posix() for path in pictures.rglob("*.jpg"))
        found = [path for path in found if path.startswith(prefix)]
        half, quarter = len(found) // 2, len(found) // 4
        cuts = {"train": found[:half], "val": found[half : half + quarter], "test": found[half + quarter :]}
        for split, paths in cuts.items():
            splits[split] += [[path, label, name] for path in paths]
    return splits


def pets_coop(folder: Path) -> dict[str, list[Row]]:
    """Write CoOp's split file of the miniature pets; names in small letters with underscores, as CoOp has them."""
    rows = coop_rows(folder / "images", {f"{breed}_": breed.lower() for breed in BREEDS})
    write(folder / "split_zhou_OxfordPets.json", json.dumps(rows))
    return rows
