"""Published picture sets in miniature: what is listed, how it is split, and what is said when something is missing."""

from __future__ import annotations

import hashlib
import json
import tarfile
import threading
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from graftwork import Pipeline, SpecError
from graftwork.core.data.items import DataError, DatasetContent
from graftwork.core.data.shots import sample_fingerprint, sample_shots
from graftwork.core.events import Note
from graftwork.core.roles import Dataset
from graftwork.core.spec.load_spec import spec_from_dict
from graftwork.plugins.datasets import Flowers102Spec, Food101Spec, ImageFolderSpec, OxfordPetsSpec
from graftwork.plugins.datasets.coop_split import read_coop_split
from graftwork.plugins.datasets.folders.image_folder import ImageFolder
from graftwork.plugins.datasets.published.flower_names import FLOWER_NAMES
from graftwork.plugins.datasets.published.flowers102 import Flowers102
from graftwork.plugins.datasets.published.food101 import Food101
from graftwork.plugins.datasets.published.oxford_pets import OxfordPets
from graftwork.plugins.datasets.published.publication import DownloadError

from ...support.miniature_sets import BREEDS, caltech, coop_rows, flowers, food, jpeg, pets, pets_coop, write
from ...support.paths import ROOT
from ...support.small_pipeline import Hearing, pipeline

COOP_NAMES = ("abyssinian", "american bulldog", "bengal")


@pytest.fixture(scope="module")
def torchvision_datasets() -> Any:
    from torchvision import datasets

    return datasets


def pets_of(root: Path, **fields: Any) -> DatasetContent:
    return OxfordPets(OxfordPetsSpec(root=str(root), **fields)).load()


def sizes(content: DatasetContent) -> dict[str, int]:
    return {name: len(items) for name, items in content.splits.items()}


def ids(content: DatasetContent, split: str) -> list[str]:
    return [item.id for item in content.splits[split]]


def refusal(dataset: Dataset, root: Path) -> str:
    """Why it cannot be used, with ROOT for the folder."""
    with pytest.raises(DataError) as error:
        dataset.load()
    return str(error.value).replace(str(root), "ROOT")


# -- the official splits, against torchvision's own reading ------------------------------------------------------------


def same_as(ours: DatasetContent, split: str, theirs: Any, pictures: Path) -> bool:
    """Whether a split has torchvision's pictures, in its order, with its targets."""
    files = getattr(theirs, "_images", None) or theirs._image_files
    rows = [(path.relative_to(pictures).as_posix(), target) for path, target in zip(files, theirs._labels, strict=True)]
    return rows == [(item.id, item.target) for item in ours.splits[split]]


def test_pets_are_those_of_torchvision(tmp_path, torchvision_datasets):
    """Pictures, order, targets and class names of ``OxfordIIITPet``."""
    folder = pets(tmp_path / "oxford-iiit-pet")
    ours = pets_of(tmp_path, val_fraction=0)
    for split, theirs in (("train", "trainval"), ("test", "test")):
        loaded = torchvision_datasets.OxfordIIITPet(tmp_path, theirs)
        assert same_as(ours, split, loaded, folder / "images")
        assert list(ours.class_names) == loaded.classes == ["Abyssinian", "American Bulldog", "Bengal"]


def test_food_is_that_of_torchvision(tmp_path, torchvision_datasets):
    """As ``Food101``; class names with spaces, as prompts want them."""
    folder = food(tmp_path / "food-101")
    ours = Food101(Food101Spec(root=str(tmp_path), val_fraction=0)).load()
    for split in ("train", "test"):
        loaded = torchvision_datasets.Food101(tmp_path, split)
        assert same_as(ours, split, loaded, folder / "images")
    assert ours.class_names == ("apple pie", "baby back ribs", "baklava")


def test_flowers_are_those_of_torchvision(tmp_path, torchvision_datasets):
    """As ``Flowers102``, whose checksums are those of the whole set and are left out here."""
    folder = flowers(tmp_path / "flowers-102")

    class Miniature(torchvision_datasets.Flowers102):
        _file_dict = {key: (name, None) for key, (name, _) in torchvision_datasets.Flowers102._file_dict.items()}  # noqa: RUF012

    ours = Flowers102(Flowers102Spec(root=str(tmp_path))).load()
    for split in ("train", "val", "test"):
        assert same_as(ours, split, Miniature(tmp_path, split), folder / "jpg")
    assert ours.class_names == ("pink primrose", "hard-leaved pocket orchid", "canterbury bells")
    assert list(FLOWER_NAMES) == torchvision_datasets.Flowers102.classes


def test_official_val_is_cut_off_train_by_content(tmp_path):
    """A fifth of each class, the same pictures whatever the seed, none of them left in train, test untouched."""
    pets(tmp_path / "oxford-iiit-pet", trainval=10)
    content = pets_of(tmp_path)
    assert sizes(content) == {"val": 6, "train": 24, "test": 9}
    assert set(Counter(item.target for item in content.splits["val"]).values()) == {2}
    assert not set(ids(content, "val")) & set(ids(content, "train"))
    assert content.split_id == "oxford_pets, official split, val 20% a class by content hash of train"
    assert content.fingerprint() == pets_of(tmp_path).fingerprint()


def test_without_a_val_fraction_there_is_no_val_and_the_run_says_what_to_do(tmp_path):
    """``select_on: none`` is the way on."""
    pets(tmp_path / "oxford-iiit-pet")
    dataset = {"type": "oxford_pets", "root": str(tmp_path), "val_fraction": 0.0}
    assert pets_of(tmp_path, val_fraction=0).split_id == "oxford_pets, official split, no val"
    with pytest.raises(DataError, match='has no split `val`; it has train, test; set "select_on": "none"'):
        pipeline(dataset=dataset).run(tmp_path / "run")


@pytest.mark.parametrize("place", ["oxford-iiit-pet", "oxford_pets", "."])
def test_the_folder_is_found_in_torchvisions_place_in_coops_and_as_the_root_itself(tmp_path, place):
    """An id does not depend on where the folder stands."""
    pets(tmp_path / place)
    assert ids(pets_of(tmp_path), "test")[0] == "Abyssinian_6.jpg"


def test_a_miniature_is_said_to_be_one(tmp_path):
    """Sizes that are not the published ones stand in the notes, and so in the result."""
    pets(tmp_path / "oxford_pets")
    assert pets_of(tmp_path).notes == (
        "split `official`: not comparable with results on split `coop` of Oxford-IIIT Pets",
        "train 15, test 9 pictures, published are train 3,680, test 3,669: this is not the whole data set",
    )


# -- CoOp's splits -----------------------------------------------------------------------------------------------------


def test_coop_split_is_taken_row_by_row(tmp_path):
    """Pictures, labels and class names of the file; underscores in names become spaces, as in CoOp's prompts."""
    folder = pets(tmp_path / "oxford_pets")
    rows = pets_coop(folder)
    content = pets_of(tmp_path, split="coop")
    for split, expected in rows.items():
        assert [[item.id, item.target] for item in content.splits[split]] == [row[:2] for row in expected]
    assert content.class_names == COOP_NAMES
    digest = hashlib.sha256((folder / "split_zhou_OxfordPets.json").read_bytes()).hexdigest()
    assert content.split_id == f"oxford_pets, CoOp's split (split_zhou_OxfordPets.json, sha256 {digest[:12]})"


def test_split_file_may_lie_elsewhere(tmp_path):
    """``split_file`` names it."""
    folder = pets(tmp_path / "oxford_pets")
    pets_coop(folder)
    moved = (folder / "split_zhou_OxfordPets.json").rename(tmp_path / "mine.json")
    assert pets_of(tmp_path, split="coop", split_file=str(moved)).class_names == COOP_NAMES


def test_coop_needs_no_official_lists(tmp_path):
    """CoOp's flower folder has no ``setid.mat``."""
    folder = flowers(tmp_path / "oxford_flowers")
    (folder / "setid.mat").unlink()
    rows = {"train": [["image_00001.jpg", 0, "pink primrose"]], "test": [["image_00004.jpg", 0, "pink primrose"]]}
    write(folder / "split_zhou_OxfordFlowers.json", json.dumps(rows))
    assert sizes(Flowers102(Flowers102Spec(root=str(tmp_path), split="coop")).load()) == {"train": 1, "test": 1}
    message = refusal(Flowers102(Flowers102Spec(root=str(tmp_path))), tmp_path)
    assert message.startswith(
        "dataset.root: ROOT/oxford_flowers lacks setid.mat, which the official split is read from. "
    )


def test_one_picture_has_one_id_and_one_content_in_both_splits(tmp_path):
    """What was encoded for one split is found for the other."""
    pets_coop(pets(tmp_path / "oxford_pets"))
    coop, official = pets_of(tmp_path, split="coop"), pets_of(tmp_path)
    digest_of = [
        {item.id: item.modalities["image"].digest for items in content.splits.values() for item in items}
        for content in (coop, official)
    ]
    assert digest_of[0] == digest_of[1]
    assert coop.split_id != official.split_id


def test_split_file_is_refused_with_the_official_split():
    """It would be ignored otherwise."""
    with pytest.raises(SpecError, match='`split_file` is read with "split": "coop" alone'):
        spec_from_dict(
            {
                "dataset": {"type": "oxford_pets", "root": "data", "split_file": "x.json"},
                "encoder": {"type": "open_clip"},
                "adapter": {"type": "none"},
            }
        )


def test_pictures_that_a_split_names_and_nobody_has_are_counted_and_named(tmp_path):
    """Ten by name, and how many in all."""
    folder = pets(tmp_path / "oxford_pets")
    pets_coop(folder)
    for number in range(1, 5):
        for breed in BREEDS:
            (folder / "images" / f"{breed}_{number}.jpg").unlink()
    message = refusal(OxfordPets(OxfordPetsSpec(root=str(tmp_path), split="coop")), tmp_path)
    lines = message.split("\n  ")
    assert lines[0] == (
        "ROOT/oxford_pets/split_zhou_OxfordPets.json names 24 pictures, of which 12 are not in "
        "ROOT/oxford_pets/images; extract the archive again, or take the annotation that belongs to it:"
    )
    assert (len(lines), lines[1], lines[-1]) == (12, "Abyssinian_1.jpg", "and 2 more")


def test_missing_pictures_of_the_official_split_are_named_too(tmp_path):
    """An archive that was extracted halfway is found out before anything is encoded."""
    folder = pets(tmp_path / "oxford-iiit-pet")
    (folder / "images" / "Bengal_7.jpg").unlink()
    assert refusal(OxfordPets(OxfordPetsSpec(root=str(tmp_path))), tmp_path).endswith(":\n  Bengal_7.jpg")


GOOD: dict[str, Any] = {
    "train": [["a.jpg", 0, "cat"], ["b.jpg", 1, "dog"]],
    "test": [["c.jpg", 0, "cat"], ["d.jpg", 1, "dog"]],
}
BAD_SPLITS: dict[str, tuple[Any, str]] = {
    "a list": ([1], "SPLIT: expected {"),
    "no test": ({"train": []}, "SPLIT: expected {"),
    "another key": (GOOD | {"meta": 3}, "SPLIT: expected {"),
    "rows that are no list": (GOOD | {"val": {}}, "SPLIT: val: expected a list, found dict"),
    "short row": (GOOD | {"val": [["a.jpg", 0]]}, 'SPLIT: val[0]: expected ["path.jpg", 0, "class name"], found [\'a'),
    "label as text": (GOOD | {"val": [["a.jpg", "0", "cat"]]}, "SPLIT: val[0]: expected"),
    "label as truth": (GOOD | {"val": [["a.jpg", True, "cat"]]}, "SPLIT: val[0]: expected"),
    "two names": (GOOD | {"val": [["e.jpg", 0, "dog"]]}, "SPLIT: val[0]: class 0 is 'cat' before and 'dog' here"),
    "one name twice": (
        GOOD | {"val": [["e.jpg", 2, "cat"]]},
        "SPLIT: 1 names are those of several classes:\n  cat",
    ),
    "gap": (GOOD | {"val": [["e.jpg", 5, "eel"]]}, "SPLIT: labels must be 0, 1, 2 ... without gaps; missing or out of"),
    "negative": (GOOD | {"val": [["e.jpg", -1, "eel"]]}, "SPLIT: labels must be 0, 1, 2 ... without gaps"),
    "picture twice": (
        GOOD | {"val": [["a.jpg", 0, "cat"]]},
        "SPLIT names 1 picture more than once:\n  a.jpg",
    ),
    "outside": (
        GOOD | {"val": [["../e.jpg", 0, "cat"], ["/etc/passwd", 1, "dog"]]},
        "SPLIT names 2 paths outside ROOT:\n  ../e.jpg\n  /etc/passwd",
    ),
}


@pytest.mark.parametrize("other", ["./a.jpg", ".//a.jpg", "link.jpg", "linked/a.jpg", "./linked//link.jpg"])
def test_a_picture_under_another_path_stands_there_twice(tmp_path, other):
    """It would be trained on and tested on; a hard link is a file of its own, whose content is counted elsewhere."""
    root = tmp_path / "pictures"
    for name in "abcd":
        write(root / f"{name}.jpg", jpeg(name))
    (root / "link.jpg").symlink_to(root / "a.jpg")
    (root / "linked").symlink_to(root)
    (root / "hard.jpg").hardlink_to(root / "a.jpg")
    split = write(tmp_path / "split.json", json.dumps(GOOD | {"val": [[other, 0, "cat"], ["hard.jpg", 0, "cat"]]}))
    dataset = ImageFolder(ImageFolderSpec(root=str(root), split_file=str(split)))
    assert refusal(dataset, root) == f"{split} names 1 picture more than once:\n  a.jpg = {other}"


@pytest.mark.parametrize("case", BAD_SPLITS)
def test_bad_split_file_is_refused_with_the_place(tmp_path, case):
    """The file, the split and the row, then what is wrong."""
    value, reason = BAD_SPLITS[case]
    root, split = tmp_path / "pictures", write(tmp_path / "split.json", json.dumps(value))
    for name in "abcde":
        write(root / f"{name}.jpg", jpeg(name))
    dataset = ImageFolder(ImageFolderSpec(root=str(root), split_file=str(split)))
    assert refusal(dataset, root).replace(str(split), "SPLIT").startswith(reason)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000, b""])
def test_split_file_that_is_no_json_is_refused(tmp_path, content):
    """A download that went wrong is named, not a traceback."""
    with pytest.raises(DataError, match=r"split\.json: not JSON: .*; download it again"):
        read_coop_split(write(tmp_path / "split.json", content))


# -- missing or broken files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "fetched"),
    [
        (lambda root: OxfordPets(OxfordPetsSpec(root=root)), "oxford-iiit-pet"),
        (lambda root: Flowers102(Flowers102Spec(root=root)), "flowers-102"),
        (lambda root: Food101(Food101Spec(root=root)), "food-101"),
    ],
)
def test_what_is_not_there_is_answered_with_the_commands_that_fetch_it(tmp_path, dataset, fetched):
    """Where it was looked for, and lines to paste into a shell."""
    message = refusal(dataset(str(tmp_path)), tmp_path)
    assert message.startswith("dataset.root: no ")
    lines = message.split("\n  ")
    assert lines[0].endswith("docs/datasets.md says more):")
    assert lines[1] == f"mkdir -p 'ROOT/{fetched}' && cd 'ROOT/{fetched}'"
    assert all(line.startswith("curl -L") for line in lines[2:])


def test_missing_split_file_is_answered_with_its_address(tmp_path):
    """CoOp's files are on Google Drive, which needs a hand."""
    pets(tmp_path / "oxford_pets")
    assert refusal(OxfordPets(OxfordPetsSpec(root=str(tmp_path), split="coop")), tmp_path) == (
        "dataset.split_file: ROOT/oxford_pets/split_zhou_OxfordPets.json does not exist. CoOp's split of "
        "Oxford-IIIT Pets is split_zhou_OxfordPets.json, at "
        "https://drive.google.com/file/d/1501r8Ber4nNKvmlFVQZ8SeUHTcdTTEqs/view; put it there"
    )


@pytest.mark.parametrize("line", ["Abyssinian_1", "Abyssinian_1 0 1 1", "Abyssinian_1 x 1 1", "nounderscore 1 1 1"])
def test_bad_line_of_the_pets_is_named_with_its_number(tmp_path, line):
    """File, line and what was expected."""
    folder = pets(tmp_path / "oxford_pets")
    write(folder / "annotations" / "trainval.txt", f"# comment\n\n{line}\n")
    assert refusal(OxfordPets(OxfordPetsSpec(root=str(tmp_path))), tmp_path) == (
        "ROOT/oxford_pets/annotations/trainval.txt:3: expected a line like `Abyssinian_100 1 1 1`, found " + repr(line)
    )


def test_pets_class_with_two_breeds_is_refused(tmp_path):
    """A number is one breed."""
    folder = pets(tmp_path / "oxford_pets")
    write(folder / "annotations" / "test.txt", "Bengal_8 1 1 1\n")
    message = refusal(OxfordPets(OxfordPetsSpec(root=str(tmp_path))), tmp_path)
    assert message == "ROOT/oxford_pets/annotations/test.txt:1: class 1 is Abyssinian before and Bengal here"


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0 MAT-file, cut off", b"\0" * 200])
@pytest.mark.parametrize("name", ["imagelabels.mat", "setid.mat"])
def test_broken_matlab_file_is_named(tmp_path, name, content):
    """Empty, cut off or something else."""
    folder = flowers(tmp_path / "flowers-102")
    (folder / name).write_bytes(content)
    message = refusal(Flowers102(Flowers102Spec(root=str(tmp_path))), tmp_path)
    assert message.startswith(f"ROOT/flowers-102/{name}: no readable MATLAB file with `")
    assert message.endswith("; download it again")


@pytest.mark.parametrize("name", ["imagelabels.mat", "setid.mat"])
def test_matlab_file_cut_off_anywhere_is_named(tmp_path, name):
    """A download that broke off never becomes a shorter data set or a traceback."""
    folder = flowers(tmp_path / "flowers-102")
    whole = (folder / name).read_bytes()
    for length in range(0, len(whole), 16):
        (folder / name).write_bytes(whole[:length])
        assert f"{name}: no readable MATLAB file with `" in refusal(
            Flowers102(Flowers102Spec(root=str(tmp_path))), tmp_path
        )


def test_flower_ids_beyond_the_labels_are_refused(tmp_path):
    """``setid.mat`` of another version than ``imagelabels.mat``."""
    from scipy.io import savemat

    folder = flowers(tmp_path / "flowers-102")
    savemat(folder / "setid.mat", {key: [[1, 2, 999]] for key in ("trnid", "valid", "tstid")})
    assert refusal(Flowers102(Flowers102Spec(root=str(tmp_path))), tmp_path) == (
        "ROOT/flowers-102/setid.mat: trnid names pictures [999], and imagelabels.mat has labels for 1..18"
    )


def test_flower_labels_out_of_range_are_refused(tmp_path):
    """Label 0 is no flower: MATLAB counts from 1."""
    from scipy.io import savemat

    folder = flowers(tmp_path / "flowers-102")
    savemat(folder / "imagelabels.mat", {"labels": [[0, *[1, 2, 3] * 6][:18]]})
    message = refusal(Flowers102(Flowers102Spec(root=str(tmp_path))), tmp_path)
    assert message == "ROOT/flowers-102/{imagelabels,setid}.mat has 1 label outside of 0..2:\n  image_00001.jpg: -1"


@pytest.mark.parametrize("content", ["[]", '{"apple_pie": "x"}', '{"apple_pie": [1]}', "{", '{"apple_pie": ["x"]'])
def test_broken_food_list_is_named(tmp_path, content):
    """The file and what it should be."""
    write(food(tmp_path / "food-101") / "meta" / "train.json", content)
    message = refusal(Food101(Food101Spec(root=str(tmp_path))), tmp_path)
    assert message.startswith("ROOT/food-101/meta/train.json: ")


# -- download ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def pets_host(tmp_path, torchvision_datasets, monkeypatch):
    """A server on this machine with the two archives of the miniature, in the place of the university's."""
    source = pets(tmp_path / "source")
    site = tmp_path / "site"
    site.mkdir()
    resources = []
    for name in ("images", "annotations"):
        with tarfile.open(site / f"{name}.tar.gz", "w:gz") as archive:
            archive.add(source / name, name)
        resources.append(hashlib.md5((site / f"{name}.tar.gz").read_bytes()).hexdigest())
    handler = partial(SimpleHTTPRequestHandler, directory=str(site))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *args: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        urls = [f"http://127.0.0.1:{server.server_port}/{name}.tar.gz" for name in ("images", "annotations")]
        monkeypatch.setattr(torchvision_datasets.OxfordIIITPet, "_RESOURCES", tuple(zip(urls, resources, strict=True)))
        yield site
        server.shutdown()


@pytest.mark.usefixtures("pets_host")
def test_download_fetches_verifies_and_extracts(tmp_path):
    """torchvision's own download; what it leaves is what is read."""
    (tmp_path / "data").mkdir()
    assert sizes(pets_of(tmp_path / "data", download=True, val_fraction=0)) == {"train": 15, "test": 9}


@pytest.mark.usefixtures("pets_host")
def test_a_plan_downloads_nothing(tmp_path):
    """It says that a run would."""
    dataset = {"type": "oxford_pets", "root": str(tmp_path / "data"), "download": True}
    with pytest.raises(DataError, match=r'A plan downloads nothing; a run will \("download": true\)'):
        pipeline(dataset=dataset).plan()
    assert not (tmp_path / "data").exists()


def test_archive_with_another_checksum_is_an_error_of_the_environment(tmp_path, pets_host):
    """Not the user's fault: exit code 1, with the commands to fetch it by hand."""
    (pets_host / "images.tar.gz").write_bytes(b"something else")
    with pytest.raises(DownloadError, match="Oxford-IIIT Pets could not be downloaded: ") as error:
        pets_of(tmp_path / "data", download=True)
    assert error.value.exit_code == 1
    assert "curl -LO https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz" in str(error.value)


# -- image_folder in Caltech-101's layout ------------------------------------------------------------------------------


def test_caltech_is_an_image_folder_without_its_clutter(tmp_path):
    """``exclude`` leaves classes out, ``class_names`` says what prompts call the others."""
    root = caltech(tmp_path / "caltech-101") / "101_ObjectCategories"
    spec = ImageFolderSpec(
        root=str(root), exclude=["BACKGROUND_Google"], class_names={"Faces": "face", "airplanes": "airplane"}
    )
    content = ImageFolder(spec).load()
    assert content.class_names == ("face", "airplane", "yin_yang")
    assert sizes(content) == {"val": 6, "test": 9, "train": 15}
    assert all(not item.id.startswith("BACKGROUND") for items in content.splits.values() for item in items)
    assert content.split_id.startswith("image_folder without BACKGROUND_Google, val 20% a class by content hash")


def test_caltech_with_coops_split_file(tmp_path):
    """Pictures, classes and splits are those of the file; the clutter is in none."""
    folder = caltech(tmp_path / "caltech-101")
    pictures = folder / "101_ObjectCategories"
    rows = coop_rows(pictures, {"Faces/": "face", "airplanes/": "airplane", "yin_yang/": "yin_yang"})
    split = write(folder / "split_zhou_Caltech101.json", json.dumps(rows))
    content = ImageFolder(ImageFolderSpec(root=str(pictures), split_file=str(split))).load()
    assert content.class_names == ("face", "airplane", "yin yang")
    assert ids(content, "train")[0] == "Faces/image_0001.jpg"
    assert sizes(content) == {name: len(found) for name, found in rows.items()}
    digest = hashlib.sha256(split.read_bytes()).hexdigest()[:12]
    assert content.split_id == (
        f"image_folder, split file split_zhou_Caltech101.json (sha256 {digest}), val as given, test as given"
    )


@pytest.mark.parametrize("field", ["exclude", "class_names"])
def test_class_that_is_not_there_is_answered_with_the_nearest(tmp_path, field):
    """A misspelt ``exclude`` would otherwise leave the class in."""
    root = caltech(tmp_path) / "101_ObjectCategories"
    given: Any = ["BACKGROUND_google"] if field == "exclude" else {"BACKGROUND_google": "x"}
    message = refusal(ImageFolder(ImageFolderSpec(root=str(root), **{field: given})), root)
    assert message == (
        f"dataset.{field}: no class of ROOT is called `BACKGROUND_google`; did you mean `BACKGROUND_Google`?"
    )


def test_two_classes_of_one_name_are_refused(tmp_path):
    """Their prompts would be the same."""
    root = caltech(tmp_path) / "101_ObjectCategories"
    spec = ImageFolderSpec(root=str(root), class_names={"Faces": "thing", "airplanes": "thing"})
    message = refusal(ImageFolder(spec), root)
    assert message == "dataset.class_names: several classes of ROOT would be called thing"


def test_exclude_is_refused_beside_a_split_file():
    """The file says already which pictures there are."""
    with pytest.raises(ValueError, match="a split file says which pictures there are"):
        ImageFolderSpec(root="data", split_file="x.json", exclude=["cat"])


# -- documents and examples --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", [OxfordPets, Flowers102, Food101])
def test_the_page_on_data_sets_says_what_the_code_does(dataset):
    """Sizes, addresses, names of files and places of split files."""
    page, about = (ROOT / "docs" / "datasets.md").read_text("utf-8"), dataset.about
    official = [f"{about.official[split]:,}" if split in about.official else "–" for split in ("train", "val", "test")]
    coop = [f"{about.coop[split]:,}" for split in ("train", "val", "test")]
    assert f"| {' / '.join(official)} | {' / '.join(coop)} |" in page
    assert about.coop_url.split("/")[-2] in page
    urls = [word for line in about.fetch for word in line.split() if word.startswith("http")]
    assert [url for url in urls if url not in page] == []
    assert all(name in page for name in (about.coop_file, *about.folders, *about.annotations))


@pytest.mark.parametrize("name", ["pets", "flowers", "food"])
def test_the_plan_of_an_example_without_its_data_says_how_to_get_it(tmp_path, monkeypatch, name):
    """Nothing starts, and what to type stands there."""
    monkeypatch.chdir(tmp_path)
    pipeline = Pipeline.from_file(ROOT / "examples" / f"ganet_{name}.json")
    with pytest.raises(DataError, match=r"dataset\.root: no .* here: (.|\n)*\n  curl -L"):
        pipeline.plan()


# -- whole runs --------------------------------------------------------------------------------------------------------


def test_a_run_on_the_pocket_clip_records_split_notes_and_sample(tmp_path):
    """CoOp's split of the miniature pets, from JPEG files to a result that says which items were labelled."""
    pets_coop(pets(tmp_path / "oxford_pets", trainval=8, test=4))
    spec = {
        "dataset": {"type": "oxford_pets", "root": str(tmp_path), "split": "coop", "shots": 2},
        "encoder": {"type": "open_clip", "model": "pocket", "templates": ["a photo of a {}, a type of pet."]},
        "graph": {"type": "similarity", "threshold": 0.8},
        "adapter": {"type": "ga_net", "bottleneck": 8},
        "trainer": {"epochs": 3},
        "evaluation": {"seeds": [0, 1]},
        "reporters": [],
    }
    run = Pipeline.from_dict(spec).run(tmp_path / "run")
    data = run.result["dataset"]
    content = pets_of(tmp_path, split="coop")
    samples = [sample_shots(content.splits["train"], 2, seed) for seed in (0, 1)]
    assert data["sample"] == [sample_fingerprint(item.id for item in sample) for sample in samples]
    assert data["sample"][0] != data["sample"][1]
    assert (data["split_id"], data["notes"]) == (content.split_id, list(content.notes))
    assert data["class_names"] == list(COOP_NAMES)
    lock = json.loads((run.folder / "lock.json").read_text())
    assert lock["sampled_items"] == {str(seed): [one.id for one in sample] for seed, sample in enumerate(samples)}


def test_every_method_sees_the_same_shots(tmp_path):
    """Zero-shot, linear head, bottleneck, GA-Net with and without the unlabelled pool: one sample a seed."""
    methods: list[dict[str, Any]] = [
        {"adapter": {"type": "none"}},
        {"adapter": {"type": "none"}, "task": {"type": "classification", "head": {"type": "linear"}}},
        {"adapter": {"type": "bottleneck", "bottleneck": 4}},
        {"adapter": {"type": "ga_net", "bottleneck": 4}, "graph": {"type": "similarity", "threshold": 0.5}},
        {
            "adapter": {"type": "ga_net", "bottleneck": 4},
            "graph": {"type": "similarity", "threshold": 0.5, "pool": "train"},
        },
    ]
    common = {"dataset__shots": 2, "trainer__epochs": 1, "evaluation__seeds": [0, 7]}
    samples = {
        tuple(pipeline(**common, **method).run(tmp_path / str(number)).result["dataset"]["sample"])
        for number, method in enumerate(methods)
    }
    assert len(samples) == 1
    assert len(set(samples.pop())) == 2


def test_all_labels_need_no_list_of_items(tmp_path):
    """Without ``shots`` the lock says so in a word."""
    run = pipeline().run(tmp_path / "run")
    assert json.loads((run.folder / "lock.json").read_text())["sampled_items"] == "all"


def test_notes_are_told_during_the_run(tmp_path):
    """Who watches the run reads that this is a miniature."""
    pets(tmp_path / "oxford_pets", trainval=8)
    pipeline(dataset={"type": "oxford_pets", "root": str(tmp_path)}, reporters=[{"type": "hearing"}]).run(
        tmp_path / "r"
    )
    notes = [event.message for event in Hearing.heard if isinstance(event, Note)]
    assert any("this is not the whole data set" in note for note in notes)
