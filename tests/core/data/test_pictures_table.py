"""Every form of a picture is seen alike by every road that a picture can take."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from graftwork.core.data.items import Media
from graftwork.core.data.pictures import bare, digest_of, file_media, finding, open_picture
from graftwork.core.roles import Dataset
from graftwork.plugins.datasets import HuggingFaceSpec, ImageFolderSpec, JsonLinesSpec, WebDatasetSpec
from graftwork.plugins.datasets.folders.image_folder import ImageFolder
from graftwork.plugins.datasets.json_lines.dataset import JsonLines
from graftwork.plugins.datasets.records.huggingface import HuggingFace
from graftwork.plugins.datasets.records.webdataset import WebDataset

from ...support.media.picture_forms import BACKGROUND, FORMS

Files = dict[str, bytes]
Seen = dict[str, Media]
PATHS = {name: f"{number:02d}{form.suffix}" for number, (name, form) in enumerate(FORMS.items())}


@pytest.fixture(scope="module")
def files() -> Files:
    """Form to bytes."""
    return {name: form.write() for name, form in FORMS.items()}


def folder(root: Path, files: Files) -> Dataset:
    """Class folders: both classes in every split."""
    for split in ("train", "val", "test"):
        for label in ("one", "two"):
            (root / split / label).mkdir(parents=True)
            for name, content in files.items() if split == "train" and label == "one" else list(files.items())[:1]:
                (root / split / label / PATHS[name]).write_bytes(content)
    return ImageFolder(ImageFolderSpec(root=str(root), background=BACKGROUND))


def lines(root: Path, files: Files) -> Dataset:
    """A line a picture, as its caption."""
    for name, content in files.items():
        (root / PATHS[name]).write_bytes(content)
    rows = [json.dumps({"id": PATHS[name], "image": PATHS[name], "label": f"c{len(name) % 2}"}) for name in files]
    (root / "train.jsonl").write_text("\n".join(rows))
    return JsonLines(JsonLinesSpec(root=str(root), background=BACKGROUND))


def shards(root: Path, files: Files) -> Dataset:
    """One tar file; any suffix of a picture is that of a picture."""
    with tarfile.open(root / "a.tar", "w") as archive:
        for name, content in files.items():
            stem, _, suffix = PATHS[name].partition(".")
            for key, value in ((suffix, content), ("cls", str(len(name) % 2).encode())):
                info = tarfile.TarInfo(f"{stem}.{key}")
                info.size = len(value)
                archive.addfile(info, io.BytesIO(value))
    suffixes = tuple(sorted({path.partition(".")[2] for path in PATHS.values()}))
    given = {"class_names": ("a", "b"), "val_fraction": 0, "test_fraction": 0, "background": BACKGROUND}
    return WebDataset(WebDatasetSpec(shards={"train": str(root / "a.tar")}, image=suffixes, **given))


def table(root: Path, files: Files, **more: Any) -> Dataset:
    """Rows of an Arrow table, on disk; ids are the rows."""
    columns = {
        "image": [{"bytes": content, "path": None} for content in files.values()],
        "label": [len(name) % 2 for name in files],
    }
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    datasets.Dataset.from_dict(columns, features=features).save_to_disk(str(root / "hf"))
    given = {"val_fraction": 0, "test_fraction": 0, "background": BACKGROUND}
    return HuggingFace(HuggingFaceSpec(path=str(root / "hf"), **given, **more))


LOADERS: dict[str, Callable[[Path, Files], Dataset]] = {
    "image_folder": folder,
    "json_lines": lines,
    "webdataset": shards,
    "huggingface": table,
    "huggingface, streamed": lambda root, files: table(root, files, streaming=True),
}


@pytest.fixture(scope="module", params=LOADERS)
def loaded(request: pytest.FixtureRequest, files: Files, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Form to media, by one loader."""
    root = tmp_path_factory.mktemp("loader")
    dataset = LOADERS[request.param](root, files)
    dataset.files.store = root / "store"
    items = dataset.load().splits["train"]
    if "huggingface" in request.param:
        return dict(zip(files, (item.modalities["image"] for item in items), strict=True))
    found = {item.id.rpartition("/")[2].partition(".")[0]: item.modalities["image"] for item in reversed(items)}
    return {name: found[PATHS[name].partition(".")[0]] for name in files}


def off(picture: Image.Image, wanted: Image.Image) -> float:
    """The greatest difference of two samples."""
    assert (picture.mode, picture.size) == ("RGB", wanted.size)
    return float(np.abs(pixels(picture) - pixels(wanted)).max())


def pixels(picture: Image.Image) -> NDArray[np.float64]:
    return np.asarray(picture).astype(np.float64)


def test_every_loader_sees_every_form_as_it_is_meant(loaded: Seen) -> None:
    """Upright, scaled by its depth, laid on the background."""
    differences = {name: off(loaded[name].read(), form.seen()) for name, form in FORMS.items()}
    assert {name: by for name, by in differences.items() if by > FORMS[name].within} == {}


def test_predictions_and_captioners_see_the_same(files: Files, tmp_path: Path) -> None:
    """By path, as an opened object, as one that is loaded already; a captioner gets the pixels alone."""
    for name, form in FORMS.items():
        path = tmp_path / PATHS[name]
        path.write_bytes(files[name])
        seen = open_picture(path, BACKGROUND)
        assert off(seen, form.seen()) <= form.within, name
        with Image.open(path) as unread, Image.open(path) as read:
            read.load()
            if name != "PNG of 4 bits with a transparent value":  # Pillow tells nobody of how many bits that value is
                assert open_picture(unread, BACKGROUND).tobytes() == seen.tobytes(), name
                assert open_picture(read, BACKGROUND).tobytes() == seen.tobytes(), name
        assert open_picture(seen) is seen, "what was turned once is not turned again"
        told = bare(file_media(path, BACKGROUND).read())
        assert (told.tobytes(), told.info, told.getexif()) == (seen.tobytes(), {}, {})


def test_what_is_seen_as_it_was_keeps_its_digest_and_nothing_else_does(loaded: Seen, files: Files) -> None:
    """Vectors stored under the sha256 of the bytes are found again exactly where the pixels are those of then."""
    for name, form in FORMS.items():
        sha256 = hashlib.sha256(files[name]).hexdigest()
        assert (loaded[name].digest == sha256) == form.plain, name
        assert loaded[name].bytes_digest == sha256
        assert loaded[name].digest == digest_of(finding(files[name]), BACKGROUND)


def test_the_background_is_part_of_the_identity_of_transparent_pictures_alone(files: Files) -> None:
    """Another colour, another digest; where nothing shines through it is the same."""
    for name, content in files.items():
        differs = digest_of(finding(content), "#000000") != digest_of(finding(content), "#ffffff")
        assert differs == ("transparent" in name), name


def test_an_encoder_makes_one_vector_of_all_lossless_forms(files: Files, tmp_path: Path) -> None:
    """A palette was once scaled by its nearest neighbours, and a file in colours smoothly."""
    from graftwork.plugins.encoders import OpenClipSpec
    from graftwork.plugins.encoders.open_clip.encoder import OpenClip

    encoder = OpenClip(OpenClipSpec(), torch.device("cpu"))
    alike = ("PNG", "BMP", "PNG, orientation 6", "WEBP, orientation 3", "PNG, opaque alpha", "TIFF, orientation 2")
    vectors = encoder.encode("image", [open_picture(Image.open(io.BytesIO(files[name]))) for name in alike])
    assert all(torch.equal(vector, vectors[0]) for vector in vectors)
