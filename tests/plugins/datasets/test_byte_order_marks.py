"""Every list that people write or publish is read by one reader: UTF-8 with or without its mark, all else by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graftwork.core.data.items import DatasetContent
from graftwork.core.roles import Dataset
from graftwork.core.spec.json_source import read_json
from graftwork.core.storage.text_files import lines_of, text_of
from graftwork.plugins.captioners.captions_table import read_rows
from graftwork.plugins.datasets import Food101Spec, ImageFolderSpec, JsonLinesSpec, OxfordPetsSpec, WebDatasetSpec
from graftwork.plugins.datasets.folders.image_folder import ImageFolder
from graftwork.plugins.datasets.json_lines.dataset import JsonLines
from graftwork.plugins.datasets.published.food101 import Food101
from graftwork.plugins.datasets.published.oxford_pets import OxfordPets
from graftwork.plugins.datasets.records.items import given_names
from graftwork.registry.errors import GraftworkError

from ...support.miniature_sets import food, jpeg, pets, pets_coop, write

Read = Callable[[], Any]


def seen(dataset: Dataset) -> tuple[Any, ...]:
    content: DatasetContent = dataset.load()
    return content.class_names, {split: [(i.id, i.target) for i in items] for split, items in content.splits.items()}


def pets_list(root: Path) -> tuple[Path, Read]:
    pets(root / "oxford-iiit-pet")
    file = root / "oxford-iiit-pet/annotations/trainval.txt"
    return file, lambda: seen(OxfordPets(OxfordPetsSpec(root=str(root))))


def food_list(root: Path) -> tuple[Path, Read]:
    food(root / "food-101")
    return root / "food-101/meta/train.json", lambda: seen(Food101(Food101Spec(root=str(root))))


def coop_list(root: Path) -> tuple[Path, Read]:
    pets(root / "oxford-iiit-pet")
    file = write(root / "split.json", json.dumps(pets_coop(root / "oxford-iiit-pet")))
    return file, lambda: seen(OxfordPets(OxfordPetsSpec(root=str(root), split="coop", split_file=str(file))))


def metadata(root: Path) -> tuple[Path, Read]:
    lines = []
    for number in range(8):
        write(root / f"{number}.jpg", jpeg(f"picture {number}"))
        lines.append(
            json.dumps({"file_name": f"{number}.jpg", "label": "café" if number % 2 else "thé"}, ensure_ascii=False)
        )
    return write(root / "metadata.jsonl", "\n".join(lines)), lambda: seen(ImageFolder(ImageFolderSpec(root=str(root))))


def json_lines(root: Path) -> tuple[Path, Read]:
    lines = [json.dumps({"text": f"text {number}", "label": "café"}, ensure_ascii=False) for number in range(4)]
    return write(root / "train.jsonl", "\n".join(lines)), lambda: seen(JsonLines(JsonLinesSpec(root=str(root))))


def class_names(root: Path) -> tuple[Path, Read]:
    file = write(root / "names.txt", "café\nthé\n")
    spec = WebDatasetSpec(shards={"train": "a.tar"}, class_names_file=str(file))
    return file, lambda: given_names(spec)


def captions(root: Path) -> tuple[Path, Read]:
    file = write(root / "captions.jsonl", '{"id": "1", "text": "un café"}\n{"id": "2", "text": "un thé"}\n')
    return file, lambda: read_rows(file)


def captions_csv(root: Path) -> tuple[Path, Read]:
    file = write(root / "captions.csv", "id,text\n1,un café\n2,un thé\n")
    return file, lambda: read_rows(file)


def spec(root: Path) -> tuple[Path, Read]:
    file = write(root / "spec.json", '{"name": "café"}')
    return file, lambda: read_json(file).value


LISTS = (pets_list, food_list, coop_list, metadata, json_lines, class_names, captions, captions_csv, spec)


@pytest.fixture(params=LISTS, ids=lambda make: make.__name__)
def listed(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Read]:
    made: tuple[Path, Read] = request.param(tmp_path)
    return made


def test_a_mark_changes_nothing(listed: tuple[Path, Read]) -> None:
    """As Windows' editors and spreadsheets write it: same names, same items."""
    file, read = listed
    plain = read()
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert read() == plain


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-16", "not UTF-8 but UTF-16; save it as UTF-8"),
        ("utf-32", "not UTF-8 but UTF-32; save it as UTF-8"),
        ("utf-16-le", "not UTF-8: it begins with zero bytes, as UTF-16 without a mark does"),
        ("utf-16-be", "not UTF-8: it begins with zero bytes"),
    ],
)
def test_another_encoding_is_refused_by_name(listed: tuple[Path, Read], encoding: str, said: str) -> None:
    """The file, the encoding, what to do; never names with invisible letters."""
    file, read = listed
    text = file.read_text(encoding="utf-8")
    file.write_bytes(text.encode(encoding))
    with pytest.raises(GraftworkError) as caught:
        read()
    assert said in str(caught.value)
    assert file.name in str(caught.value)


def test_files_put_together_may_hold_a_mark_a_file() -> None:
    """At the beginning of a line; one inside a line is the writer's own."""
    assert lines_of("\ufeffa\n\ufeffb\nc\ufeffd\u2028e".encode()) == ["a", "b", "c\ufeffd\u2028e"]
    assert text_of(b"") == ""
    with pytest.raises(ValueError, match="not UTF-8: byte 3"):
        text_of(b"caf\xe9 au lait")
