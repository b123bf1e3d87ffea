"""The emoji: the excerpt that ships, a miniature of the npm packages, and the packages where they are."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from graftwork.core.data.file_memo import FileMemo
from graftwork.core.data.items import DataError, DatasetContent, Item
from graftwork.plugins.datasets import EmojiSpec
from graftwork.plugins.datasets.registries import build_emoji_excerpt, emoji_excerpt
from graftwork.plugins.datasets.registries.build_emoji_excerpt import LIMIT, build
from graftwork.plugins.datasets.registries.emoji import Emoji
from graftwork.plugins.datasets.registries.emoji_excerpt import EXCERPT, SHA256, DamagedExcerpt
from graftwork.plugins.datasets.registries.emoji_packages import PACKAGES
from graftwork.plugins.datasets.registries.emoji_pictures import CLASS_NAMES

from ...support.miniature_registries import emoji
from ...support.miniature_sets import write

#: Where somebody has them: `npm install --prefix $GRAFTWORK_EMOJI ...`
WHOLE = os.environ.get("GRAFTWORK_EMOJI", "")
needs_packages = pytest.mark.skipif(not WHOLE, reason="needs the npm packages in the folder that GRAFTWORK_EMOJI names")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is remembered what the pictures of the excerpt are known by."""
    return tmp_path_factory.mktemp("store")


def of_excerpt(store: Path, **fields: Any) -> DatasetContent:
    dataset = Emoji(EmojiSpec(**fields))
    dataset.files = FileMemo(store)
    return dataset.load()


@pytest.fixture(scope="module")
def excerpt(store: Path) -> DatasetContent:
    return of_excerpt(store)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return emoji(tmp_path_factory.mktemp("emoji"))


def load(root: Path, **fields: Any) -> DatasetContent:
    return Emoji(EmojiSpec(root=str(root), **fields)).load()


def every(content: DatasetContent) -> list[Item]:
    return [item for split in content.splits.values() for item in split]


def of_emoji(item: Item) -> str:
    return item.id.partition("/")[2]


# -- the excerpt -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("split", "size", "sha256"),
    [
        ("train", 666, "17726eafc04aa55c8367432ff3cbe1491f19774382eb6d98df98a865abb5de8a"),
        ("val", 255, "aba1d8f4f5c4157612bd437df3dffda9d05cba300970721dfdbbe962c819e582"),
        ("test", 345, "553c70539dc7d0102321f1f0f53994f9fba12b691049cc42536436b2855d933d"),
    ],
)
def test_the_split_of_the_excerpt_never_moves(excerpt, split, size, sha256):
    """Size and members are pinned: results of years apart are comparable."""
    members = [item.id for item in excerpt.splits[split]]
    assert (len(members), hashlib.sha256("\n".join(members).encode()).hexdigest()) == (size, sha256)


def test_the_excerpt_has_sixteen_shots_of_every_class(excerpt):
    """Of 29 classes, each emoji by three vendors."""
    assert len(set(excerpt.class_names)) == len(excerpt.class_names) == 29
    assert min(Counter(item.target for item in excerpt.splits["train"]).values()) >= 16
    assert set(Counter(map(of_emoji, every(excerpt))).values()) == {3}


def test_the_vendors_pictures_of_an_emoji_are_in_one_split(store, excerpt):
    """For every split seed, of which each makes another split."""
    tests = {tuple(item.id for item in excerpt.splits["test"])}
    for seed in (1, 2, 3):
        content = of_excerpt(store, split_seed=seed)
        assert content.split_id == excerpt.split_id.replace("seed 0", f"seed {seed}")
        places = {(of_emoji(item), name) for name, some in content.splits.items() for item in some}
        assert len(places) == len({code for code, _ in places}) == 422
        tests.add(tuple(item.id for item in content.splits["test"]))
    assert len(tests) == 4


def test_pictures_of_the_excerpt_are_read_in_place(store, excerpt):
    """64 x 64 pixels, on the background asked for; no two the same; with words."""
    green = {item.id: item for item in every(of_excerpt(store, background="#00ff00"))}
    for item in excerpt.splits["val"]:
        seen, other = item.modalities["image"].read(), green[item.id].modalities["image"].read()
        assert isinstance(seen, Image.Image)
        assert (seen.mode, seen.size) == ("RGB", (64, 64))
    assert other.getpixel((0, 0)) == (0, 255, 0)
    assert len({item.modalities["image"].digest for item in every(excerpt)}) == 1266
    words = {of_emoji(item): item.modalities["text"].read() for item in every(excerpt)}
    assert words["1F33A"] == "hibiscus: flower, plant"


def test_the_excerpt_is_one_small_file_with_its_licences():
    """3 MB at most; the notice inside is the one beside it, and names each licence and whose work it is."""
    assert EXCERPT.stat().st_size <= LIMIT == 3_000_000
    with tarfile.open(EXCERPT) as archive:
        names = archive.getnames()
        inside = archive.extractfile("NOTICE")
        assert inside is not None
        notice = inside.read()
    assert notice == EXCERPT.with_suffix(".NOTICE").read_bytes()
    for part in (
        "Apache License 2.0",
        "MIT License",
        "CC BY 4.0",
        "UNICODE LICENSE V3",
        "Google",
        "Twitter",
        "Microsoft",
    ):
        assert part in notice.decode()
    assert {name.partition("/")[0] for name in names} == {"NOTICE", "emoji.jsonl", "noto", "twemoji", "fluent"}


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_an_excerpt_that_is_not_ours_is_refused(tmp_path, monkeypatch, damage):
    other = tmp_path / EXCERPT.name
    if damage == "changed":
        write(other, EXCERPT.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(emoji_excerpt, "EXCERPT", other)
    with pytest.raises(DamagedExcerpt, match="not the file that came with Graftwork; install Graftwork again"):
        Emoji(EmojiSpec()).load()


# -- the packages ------------------------------------------------------------------------------------------------------


def test_packages_give_every_vendors_picture_with_words(packages):
    """Ids name vendor and code points; label and tags, the label alone, the list's name: what there is."""
    found = {item.id: item for item in every(load(packages))}
    assert len(found) == 29 * (4 * 3 - 1)
    assert {id_.partition("/")[0] for id_ in found} == {"noto", "twemoji", "fluent"}
    assert "fluent/1F000" not in found
    texts = [found[f"noto/{code}"].modalities["text"].read() for code in ("1F000", "1F001-FE0F", "1F003")]
    assert texts == ["thing 0", "thing 0: small, drawn", "animal-mammal 3"]
    assert "fluent/1F001-FE0F" in found
    assert not any("1F1D0" in id_ for id_ in found)


def test_packages_are_found_where_they_are_unpacked(packages, tmp_path):
    """In ``node_modules``, in the folder itself, and as ``npm pack`` packs them: under ``package``."""
    same = load(packages).fingerprint()
    assert load(packages / "node_modules").fingerprint() == same
    for name in PACKAGES:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "package").symlink_to(packages / "node_modules" / name)
    assert load(tmp_path).fingerprint() == same


def test_missing_packages_are_named_with_the_command(packages, tmp_path):
    """One command that brings all four, in the versions that were counted."""
    (tmp_path / "emojibase-data").symlink_to(packages / "node_modules" / "emojibase-data")
    with pytest.raises(DataError) as error:
        load(tmp_path)
    assert "lacks the npm packages emoji-datasource-google, emoji-datasource-twitter, @lobehub/" in str(error.value)
    assert f"npm install --prefix '{tmp_path}' --ignore-scripts emoji-datasource-google@16.0.0" in str(error.value)
    assert "emojibase-data@17.0.0" in str(error.value)


def test_other_versions_and_counts_are_said(packages, tmp_path):
    """The split id names the versions, so results on others are not taken for comparable."""
    other = load(emoji(tmp_path, versions=PACKAGES | {"emojibase-data": "16.0.3"}))
    assert other.notes[:2] == (
        "emojibase-data is of version 16.0.3; the figures of the documentation are of 17.0.0",
        "319 pictures of 116 emoji, with the versions named in the documentation 2,074 of 694: not comparable with "
        "results on those",
    )
    assert "emojibase-data 16.0.3" in other.split_id
    assert load(packages).notes == other.notes[1:]


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("emoji-datasource-google/emoji.json", "[", "not JSON"),
        ("emoji-datasource-google/emoji.json", "{}", "expected a list"),
        ("emoji-datasource-google/emoji.json", '[{"unified": 1}]', "entry 0 has no strings unified, image"),
        ("emojibase-data/en/data.json", "[[]]", "entry 0 has no strings hexcode and label"),
        ("emojibase-data/en/data.json", None, "cannot be read: No such file"),
    ],
)
def test_lists_of_another_form_are_refused(tmp_path, file, content, reason):
    path = emoji(tmp_path, each=1) / "node_modules" / file
    path.unlink()
    if content is not None:
        write(path, content)
    with pytest.raises(DataError, match=rf"{file}: {reason}"):
        load(tmp_path)


# -- making the excerpt ------------------------------------------------------------------------------------------------


def test_an_excerpt_is_made_of_packages(packages, tmp_path, monkeypatch):
    """Emoji that all vendors draw, so many a class, of one size; equal packages give equal bytes; it is read back."""
    monkeypatch.setattr(build_emoji_excerpt, "MOST", 2)
    made = build(packages)
    assert made == build(packages)
    path = write(tmp_path / EXCERPT.name, made)
    monkeypatch.setattr(emoji_excerpt, "EXCERPT", path)
    monkeypatch.setattr(emoji_excerpt, "SHA256", hashlib.sha256(made).hexdigest())
    pictures = emoji_excerpt.excerpt_pictures(FileMemo(), "#ffffff")
    assert Counter(one.subgroup for one in pictures) == dict.fromkeys(CLASS_NAMES, 6)
    assert {one.picture.read().size for one in pictures} == {(64, 64)}
    assert "1F000" not in {one.hexcode for one in pictures}


@needs_packages
def test_the_packages_hold_what_the_documentation_says():
    """2,074 pictures of 694 emoji in 29 classes."""
    content = load(Path(WHOLE))
    assert {name: len(some) for name, some in content.splits.items()} == {"train": 1033, "val": 403, "test": 638}
    assert len(set(map(of_emoji, every(content)))) == 694
    assert len(content.notes) == 1


@needs_packages
def test_the_excerpt_that_ships_is_made_of_the_packages():
    """Byte for byte, with the Pillow of constraints.txt."""
    assert hashlib.sha256(build(Path(WHOLE))).hexdigest() == SHA256
