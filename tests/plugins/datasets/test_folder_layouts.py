"""Folders mean what people mean by them: splits, wrapping folders, hidden files, other suffixes, unreadable ones."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graftwork.core.data.items import DataError, DatasetContent
from graftwork.plugins.datasets import AudioFolderSpec, ImageFolderSpec
from graftwork.plugins.datasets.folders.audio_folder import AudioFolder
from graftwork.plugins.datasets.folders.image_folder import ImageFolder
from graftwork.plugins.datasets.split_names import split_of


def picture(path: Path, kind: str | None = None) -> None:
    """A picture of its own, in the format that ``kind`` or the suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = int.from_bytes(hashlib.sha256(str(path).encode()).digest()[:4], "big")
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    Image.fromarray(pixels).save(path, kind)


def sound(path: Path) -> None:
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    seed = int.from_bytes(hashlib.sha256(str(path).encode()).digest()[:4], "big")
    soundfile.write(path, np.random.default_rng(seed).random(160).astype("float32"), 16000)


def classes(root: Path, names: tuple[str, ...] = ("blue", "red"), count: int = 4) -> Path:
    for name in names:
        for number in range(count):
            picture(root / name / f"{number}.png")
    return root


def loaded(root: Path, **fields: object) -> DatasetContent:
    return ImageFolder(ImageFolderSpec(root=str(root), **fields)).load()


def refusal(root: Path, **fields: object) -> str:
    with pytest.raises(DataError) as error:
        loaded(root, **fields)
    return str(error.value).replace(str(root), "ROOT")


def found(content: DatasetContent) -> tuple[tuple[str, ...], dict[str, int]]:
    return content.class_names, {name: len(items) for name, items in content.splits.items()}


TRAIN = ["train", "Train", "TRAIN", "training", "Training", "training_set", "train_images", "seg_train", "trainval"]
TRAIN += ["TrainSet", "train-data", "train2017", "trainset", "train_val", "Training Images"]
VAL = ["val", "Valid", "validation", "validation_set", "dev", "eval", "holdout", "hold_out", "val2017", "ValImages"]
TEST = ["test", "Test", "TESTING", "test_set", "test_images", "seg_test", "testset", "Testing Data"]
NO_SPLIT = ["training_shoes", "test_tube", "trains", "contest", "val_unlabelled", "devil", "train_test", "red", "fold1"]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        (name, split)
        for split, names in (("train", TRAIN), ("val", VAL), ("test", TEST), (None, NO_SPLIT))
        for name in names
    ],
)
def test_split_names_in_any_case_and_form(name: str, split: str | None) -> None:
    """A name means a split by its words, whatever their case; a word that is none of them makes it something else."""
    assert split_of(name) == split


@pytest.mark.parametrize(
    ("train", "other", "split"),
    [
        ("Train", "Test", "test"),
        ("training_set", "test_set", "test"),
        ("seg_train", "seg_test", "test"),
        ("TRAIN", "TESTING", "test"),
        ("trainval", "test_images", "test"),
        ("train", "dev", "val"),
        ("train", "eval", "val"),
        ("Training", "holdout", "val"),
    ],
)
def test_split_folders_are_no_classes_whatever_they_are_called(tmp_path, train, other, split):
    """The classes are those inside, and the given split stays whole."""
    classes(tmp_path / train, count=10), classes(tmp_path / other, count=3)
    names, sizes = found(loaded(tmp_path))
    assert (names, sizes[split]) == (("blue", "red"), 6)


def test_kaggle_repeats_the_name_inside(tmp_path):
    """``seg_train/seg_train/CLASS``: the inner folder is the split."""
    for split in ("seg_train", "seg_test"):
        classes(tmp_path / split / split, ("buildings", "forest"), 8)
    assert found(loaded(tmp_path))[0] == ("buildings", "forest")


@pytest.mark.parametrize("above", ["data", "a/b", "data/train"])
def test_wrapping_folder_is_stepped_into_with_a_note(tmp_path, above):
    """One folder below the root that holds the classes, or the splits, is no class; ids still count from the root."""
    classes(tmp_path / above)
    content = loaded(tmp_path)
    assert (content.class_names, "that is read as the data set" in content.notes[0]) == (("blue", "red"), True)
    assert content.splits["train"][0].id.startswith(f"{above}/blue/")


def test_wrapping_folder_with_metadata_is_stepped_into(tmp_path):
    """A list of the pictures says the same as class folders."""
    classes(tmp_path / "data")
    lines = [f'{{"file_name": "{name}/{n}.png", "label": "{name}"}}\n' for name in ("blue", "red") for n in range(4)]
    (tmp_path / "data" / "metadata.jsonl").write_text("".join(lines))
    assert loaded(tmp_path).class_names == ("blue", "red")


def test_one_class_alone_is_refused(tmp_path):
    """A class by itself, or what is left of two after ``exclude``, tells nothing apart."""
    assert "ROOT has one class alone, red" in refusal(classes(tmp_path / "one", ("red",)))
    assert "ROOT has one class alone, red" in refusal(classes(tmp_path / "two"), exclude=["blue"])


@pytest.mark.parametrize("outer", [("first", "second"), ("fold_a", "train_b"), ("2020", "2021")])
def test_folders_of_equal_names_are_refused_with_the_fix(tmp_path, outer):
    """What holds the same folders twice may be splits under names that nobody knows: it cannot be told."""
    for name in outer:
        classes(tmp_path / name)
    said = refusal(tmp_path)
    assert f"{', '.join(outer)} hold folders of the same names (blue, red) and no pictures of their own" in said
    assert "rename the outer ones" in said


@pytest.mark.parametrize(
    "outer", [("entrenamiento", "prueba"), ("source", "target"), ("a", "b"), ("fold_a", "train_b")]
)
@pytest.mark.parametrize("second", [("red",), ("green", "red"), ("red", "green", "teal")])
def test_one_equal_name_inside_is_enough_to_refuse(tmp_path, outer, second):
    """A split may lack a class or have one of its own; within a split folder, too, and among other folders."""
    classes(tmp_path / outer[0]), classes(tmp_path / outer[1], second)
    said = refusal(tmp_path)
    assert f"{', '.join(outer)} hold folders of the same names (red) and no pictures of their own" in said
    classes(tmp_path / "further", ("pink", "grey"))
    assert "hold folders of the same names (red)" in refusal(tmp_path)
    assert "hold folders of the same names (red)" in refusal(tmp_path, exclude=["further"])


def test_equal_names_in_classes_of_a_split_are_refused(tmp_path):
    """Whatever lies above them."""
    classes(tmp_path / "test"), classes(tmp_path / "train" / "a"), classes(tmp_path / "train" / "b", ("red",))
    assert "ROOT/train: a, b hold folders of the same names (red)" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("train", "test"),
    [("X_train", "X_test"), ("train_v2", "test_v2"), ("catsTrain", "catsTesting"), ("train", "test_b")],
)
def test_one_word_of_a_name_says_the_split_where_folders_can_be_no_classes(tmp_path, train, test):
    """With a note; a split that lacks a class is told as any other."""
    classes(tmp_path / train), classes(tmp_path / test)
    names, sizes = found(content := loaded(tmp_path))
    assert (names, sizes["test"]) == (("blue", "red"), 8)
    assert f"{tmp_path / test} is taken for split test, by its name" in content.notes
    shutil.rmtree(tmp_path / test / "blue")
    assert "class `blue` is in train and val but not in test of ROOT" in refusal(tmp_path)


@pytest.mark.parametrize("stray", [["X_train"], ["X_test"], ["X_train", "X_test"]])
def test_stray_pictures_make_no_classes_of_splits(tmp_path, stray):
    """They are fewer than those in the inner folders: counted in a note, as in any split."""
    classes(tmp_path / "X_train"), classes(tmp_path / "X_test")
    for name in stray:
        picture(tmp_path / name / "overview.png")
    content = loaded(tmp_path)
    assert found(content)[0] == ("blue", "red")
    assert [note for note in content.notes if "in no class folder" in note] == [
        f"{tmp_path / name}: 1 picture lies in no class folder: left out" for name in sorted(stray)
    ]


@pytest.mark.parametrize("strays", [1, 3])
@pytest.mark.parametrize("above", ["", "train"])
def test_stray_pictures_make_no_classes_of_what_cannot_be_told(tmp_path, strays, above):
    """Refused with the fix, within a split folder too; with as many of their own as below they are classes."""
    for name in ("trn", "tst"):
        classes(tmp_path / above / name)
    for number in range(strays):
        picture(tmp_path / above / "trn" / f"overview {number}.png")
    said = refusal(tmp_path)
    assert f"trn, tst hold folders of the same names (blue, red) and only {strays} pictures of their own" in said
    for name in ("trn", "tst"):
        for number in range(8):
            picture(tmp_path / above / name / f"{number}.png")
    assert found(loaded(tmp_path))[0] == ("trn", "tst")


@pytest.mark.parametrize("other", ["Red", "RED", "red ", "re\N{ZERO WIDTH SPACE}d"])
def test_inner_names_are_the_same_in_any_case_and_where_they_look_alike(tmp_path, other):
    """Refused where the outer names say nothing; where they say the split, the class that differs is named."""
    classes(tmp_path / "a" / "trn", ("red", "blue")), classes(tmp_path / "a" / "tst", (other, "Blue"))
    assert "trn, tst hold folders of the same names (" in refusal(tmp_path / "a")
    classes(tmp_path / "b" / "X_train", ("red", "blue")), classes(tmp_path / "b" / "X_test", (other, "blue"))
    said = refusal(tmp_path / "b")
    assert said.startswith(
        ("class `red` is in train and val but not in test", f"class `{other}` is in test but not in")
    )


def test_two_folders_of_one_split_word_are_refused(tmp_path):
    """As those whose whole name says it."""
    for name in ("X_train", "Y_train", "X_test"):
        classes(tmp_path / name)
    assert "X_train and Y_train both mean train" in refusal(tmp_path)


@pytest.mark.parametrize("names", [("test_tube", "training_shoes"), ("X_test", "X_train")])
def test_one_word_of_a_name_says_nothing_of_folders_that_can_be_classes(tmp_path, names):
    """With pictures of their own, or with nothing in common inside."""
    assert found(loaded(classes(tmp_path / "flat", names)))[0] == names
    for name in names:
        classes(tmp_path / "deep" / name, (f"{name} 1", f"{name} 2"))
    assert found(loaded(tmp_path / "deep"))[0] == names


def test_one_inner_folder_a_class_is_no_split(tmp_path):
    """Tiny ImageNet has ``CLASS/images/*``: classes as before."""
    for name in ("n01", "n02"):
        classes(tmp_path / name, ("images",), 8)
    assert found(loaded(tmp_path))[0] == ("n01", "n02")


@pytest.mark.parametrize("extra", ["extra", "raw", "__MACOSX_2"])
def test_exclude_is_looked_at_first(tmp_path, extra):
    """What is left out makes no folder of splits ambiguous, and no class."""
    for split in ("train", "val", "test"):
        classes(tmp_path / split)
    classes(tmp_path / extra)
    assert f"split folders beside {extra}" in refusal(tmp_path)
    assert f'"exclude": ["{extra}"]' in refusal(tmp_path)
    assert found(loaded(tmp_path, exclude=[extra])) == (("blue", "red"), {"train": 8, "val": 8, "test": 8})


def test_excluded_folder_may_be_empty_and_a_wrong_name_is_still_named(tmp_path):
    """``exclude`` names what is there; what it does not know it says."""
    (classes(tmp_path) / "notes").mkdir()
    assert found(loaded(tmp_path, exclude=["notes"]))[0] == ("blue", "red")
    assert "no class of ROOT is called `note`; did you mean `notes`?" in refusal(tmp_path, exclude=["note", "notes"])


@pytest.mark.parametrize("name", ["test", "val", "Testing"])
def test_flat_split_folder_is_not_passed_over(tmp_path, name):
    """Pictures of a split without class folders have no class: beside train, and beside classes."""
    classes(tmp_path / "train")
    picture(tmp_path / name / "1.png")
    assert f"split folder ROOT/{name} holds 1 picture and no class folders" in refusal(tmp_path)
    assert set(loaded(tmp_path, exclude=[name]).splits) == {"train", "val", "test"}
    (tmp_path / "train").rename(tmp_path / "green")
    shutil.rmtree(tmp_path / "green" / "red")
    classes(tmp_path, ("red",))
    assert f"{name} stands beside green, red and would be a class" in refusal(tmp_path)


def test_class_called_train_is_a_class_with_a_note(tmp_path):
    """Vehicles: a flat folder of trains beside others."""
    content = loaded(classes(tmp_path, ("bus", "car", "train")))
    assert (content.class_names, "is taken for a class" in content.notes[0]) == (("bus", "car", "train"), True)


@pytest.mark.parametrize(("one", "two"), [("val", "validation"), ("train", "trainval"), ("dev", "Valid")])
def test_two_folders_of_one_split_are_refused(tmp_path, one, two):
    """Which is meant cannot be told; ``exclude`` says it."""
    for split in {"train", one, two}:
        classes(tmp_path / split)
    assert "both mean" in refusal(tmp_path)
    assert loaded(tmp_path, exclude=[two]).class_names == ("blue", "red")


@pytest.mark.parametrize(
    "hidden",
    [".ipynb_checkpoints/0-checkpoint.png", "@eaDir/thumb.png", "._0.png", "deep/.cache/a.png", "__MACOSX/red/._1.png"],
)
def test_hidden_files_are_no_items_at_any_depth(tmp_path, hidden):
    """Neither copies in hidden folders, nor what systems leave behind; and no note of them."""
    path = classes(tmp_path) / "red" / hidden
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(tmp_path / "red" / "0.png", path)
    (tmp_path / "red" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "__MACOSX").mkdir()
    content = loaded(tmp_path)
    assert (sum(found(content)[1].values()), content.notes) == (8, ())


def test_files_of_other_suffixes_are_counted_in_a_note(tmp_path):
    """By suffix, with links that lead nowhere; what is known to be no picture is not."""
    classes(tmp_path)
    for name in ("a.heic", "b.HEIC", "c.xyz", "bare", "notes.txt", "README"):
        (tmp_path / "red" / name).write_bytes(b"x")
    (tmp_path / "red" / "gone.png").symlink_to(tmp_path / "nothing.png")
    picture(tmp_path / "stray.png")
    notes = loaded(tmp_path).notes
    counted = "2 .heic, 1 .png that lead nowhere, 1 .xyz, 1 without a suffix"
    assert notes == (
        f"{tmp_path}: left out as no pictures by their suffix: {counted}",
        f"{tmp_path}: 1 picture lies in no class folder: left out",
    )


def test_class_that_lacks_pictures_names_what_was_passed_over(tmp_path):
    """Its suffixes are the reason, not its splits."""
    classes(tmp_path)
    (tmp_path / "eel").mkdir()
    (tmp_path / "eel" / "1.heic").write_bytes(b"x")
    assert refusal(tmp_path).startswith("class folder ROOT/eel holds no pictures that can be read (only 1 .heic)")
    picture(tmp_path / "eel" / "2.png")
    assert "note: ROOT: left out as no pictures by their suffix: 1 .heic" in refusal(tmp_path)


@pytest.mark.parametrize("denied", ["red", "red/deep", "red/deep/deeper"])
def test_folder_that_may_not_be_read_is_an_error(tmp_path, monkeypatch, denied):
    """At any depth: half of a class would be missing without a word."""
    picture(classes(tmp_path) / "red" / "deep" / "deeper" / "1.png")
    scandir = os.scandir

    def refused(path):
        if Path(path) == tmp_path / denied:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    assert refusal(tmp_path).startswith(f"folder ROOT/{denied} cannot be read: Permission denied")


@pytest.mark.parametrize("name", [b"red/caf\xe9.png", b"caf\xe9/1.png", b"red/\xff/1.png"])
def test_name_that_is_no_utf8_is_named(tmp_path, name):
    """A file, a class and a folder between: printed as it can be, with the command that mends it."""
    path = os.path.join(os.fsencode(classes(tmp_path)), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write((tmp_path / "red" / "0.png").read_bytes())
    said = refusal(tmp_path)
    assert (said.isascii(), "its name is no UTF-8" in said) == (True, True)
    assert "\\xe9" in said or "\\xff" in said


def test_linked_folders_are_followed_and_circles_are_not(tmp_path):
    """A link to pictures elsewhere is what its owner means; one back to the class would never end."""
    outside = classes(tmp_path / "elsewhere", ("more",), 2)
    classes(tmp_path / "root")
    (tmp_path / "root" / "red" / "more").symlink_to(outside / "more")
    (tmp_path / "root" / "red" / "back").symlink_to(tmp_path / "root")
    assert sum(found(loaded(tmp_path / "root"))[1].values()) == 10


@pytest.mark.parametrize("place", ["loop.png", "loop", "red/loop.png", "red/deep/loop", "red/metadata.jsonl"])
@pytest.mark.parametrize("rounds", [1, 2])
def test_link_to_itself_is_named(tmp_path, place, rounds):
    """At any depth, of any name, and where two links lead to each other."""
    link = classes(tmp_path) / place
    link.parent.mkdir(exist_ok=True)
    back = link if rounds == 1 else tmp_path / "red" / "other.gif"
    link.symlink_to(back)
    if rounds == 2:
        back.symlink_to(link)
    assert " cannot be followed: Too many levels of symbolic links; mend the link, or remove it" in refusal(tmp_path)


def test_link_to_itself_in_a_list_is_named(tmp_path):
    """In a hidden folder, too: as a file that does not exist."""
    (tmp_path / ".store").mkdir()
    (tmp_path / ".store" / "a.png").symlink_to("a.png")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": ".store/a.png", "label": "cat"}\n')
    assert refusal(tmp_path) == "ROOT/metadata.jsonl:1: ROOT/.store/a.png does not exist"


def test_sounds_are_found_by_the_same_rules(tmp_path):
    """Splits in any form, hidden files, other suffixes, exclude, and a wrapping folder."""
    for split in ("Training", "Testing"):
        for name in ("high", "low"):
            for number in range(6):
                sound(tmp_path / "data" / split / name / f"{number}.wav")
    (tmp_path / "data" / "Training" / "low" / "._0.wav").write_bytes(b"x")
    (tmp_path / "data" / "Training" / "low" / "1.xyz").write_bytes(b"x")
    (tmp_path / "data" / "noise").mkdir()
    content = AudioFolder(AudioFolderSpec(root=str(tmp_path), exclude=["noise"])).load()
    assert (content.class_names, len(content.splits["test"])) == (("high", "low"), 12)
    assert ["read as the data set" in content.notes[0], "1 .xyz" in content.notes[1]] == [True, True]


ROWS = "file_name,label\nred/0.png,cat\nred/1.png,dog\n"
LINES = '{"file_name": "0.png", "label": "cat"}\n{"file_name": "1.png", "label": "dog"}\n'
OTHER_LISTS = dict.fromkeys(("metadata.csv", "METADATA.CSV", "metadata.tsv", "metadata.json"), ROWS)
OTHER_LISTS |= dict.fromkeys(("Metadata.jsonl", "metadata.JSONL", "metadata.jsonl.txt"), LINES)
OTHER_LISTS |= {"metadata.parquet": "x" * 2**17 + ROWS}
UNREAD = [f"{place}{name}" for place in ("", "train/", "train/red/", "train/red/deep/") for name in OTHER_LISTS]


@pytest.mark.parametrize("place", [*UNREAD, "train/red/metadata.jsonl", "train/red/deep/metadata.jsonl"])
def test_list_that_is_not_read_is_refused(tmp_path, place):
    """At any level: its classes are not those of the folders. In a class folder none is read, of our form neither."""
    classes(tmp_path / "train"), classes(tmp_path / "test")
    path = tmp_path / place
    text = OTHER_LISTS.get(path.name, LINES)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    said = refusal(tmp_path)
    assert said.startswith(f"ROOT/{place} lists files and is not read as it stands; it may say")
    assert "write it as metadata.jsonl in the root or in each split folder, a line a file" in said
    path.unlink()
    assert found(loaded(tmp_path))[0] == ("blue", "red")


@pytest.mark.parametrize("place", ["", "train", "train/red"])
@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv"])
@pytest.mark.parametrize("kind", ["link", "pipe", "denied"])
def test_list_that_cannot_be_read_is_refused(tmp_path, monkeypatch, place, name, kind):
    """A link that leads nowhere (git-annex, DVC), a pipe, a file that may not be read: what it says is not known."""
    classes(tmp_path / "train"), classes(tmp_path / "test")
    path = tmp_path / place / name
    if kind == "link":
        path.symlink_to("nowhere")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_text(ROWS)
        opened = os.open

        def refused(which, *rest, **more):
            if Path(os.fsdecode(which)) == path:
                raise PermissionError(13, "Permission denied")
            return opened(which, *rest, **more)

        monkeypatch.setattr(os, "open", refused)
    said = refusal(tmp_path)
    assert said.startswith(f"ROOT/{path.relative_to(tmp_path)}")
    assert "cannot be read" in said


def test_flat_pictures_beside_a_list_that_is_not_read_name_it(tmp_path):
    """Not their missing class folders; what ``exclude`` names is not looked at."""
    picture(tmp_path / "train" / "0.png"), picture(tmp_path / "test" / "0.png")
    (tmp_path / "test" / "metadata.csv").write_text(ROWS)
    assert refusal(tmp_path, exclude=["train"]).startswith("ROOT/test/metadata.csv lists files")
    classes(tmp_path / "train")
    assert found(loaded(tmp_path, exclude=["test"]))[0] == ("blue", "red")


def test_list_that_names_no_files_is_noted(tmp_path):
    """By name, as is any beside the one that is read."""
    classes(tmp_path)
    (tmp_path / "metadata.csv").write_text("patient,age\n1,40\n")
    (tmp_path / "red" / "metadata.yaml").write_text("")
    assert loaded(tmp_path).notes == (f"{tmp_path}: not read: metadata.csv, red/metadata.yaml",)
    lines = [f'{{"file_name": "{name}/{n}.png", "label": "{n % 2}"}}\n' for name in ("blue", "red") for n in range(4)]
    (tmp_path / "metadata.jsonl").write_text("".join(lines))
    (tmp_path / "metadata.csv").write_text(ROWS)
    (tmp_path / "red" / "metadata.jsonl").write_text(LINES)
    content = loaded(tmp_path)
    assert content.class_names == ("0", "1")
    assert content.notes == (f"{tmp_path}: not read: metadata.csv, red/metadata.jsonl, red/metadata.yaml",)


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv", "Metadata.jsonl", "sub/metadata.csv"])
def test_list_in_an_excluded_folder_is_noted(tmp_path, name):
    """It is not read, whatever it says, and the user is told so; it is no reason to refuse the rest."""
    classes(tmp_path)
    picture(tmp_path / "extra" / "sub" / "0.png")
    (tmp_path / "extra" / name).write_text(LINES)
    content = loaded(tmp_path, exclude=["extra"])
    assert content.class_names == ("blue", "red")
    assert content.notes == (f"{tmp_path}: not read: extra/{name}",)


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv"])
def test_sounds_read_no_list(tmp_path, name):
    """Refused with the data set that does."""
    for kind in ("high", "low"):
        for number in range(6):
            sound(tmp_path / kind / f"{number}.wav")
    (tmp_path / name).write_text(ROWS.replace("png", "wav"))
    with pytest.raises(DataError, match=rf'{name} lists files .* read it by "type": "json_lines"; or, are the folders'):
        AudioFolder(AudioFolderSpec(root=str(tmp_path))).load()
