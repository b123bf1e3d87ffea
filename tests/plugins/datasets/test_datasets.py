"""The data sets: what they hold, that their splits never move, and what they say of folders that cannot be used."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from graftwork import SpecError
from graftwork.core.data.items import DataError, DatasetContent, Item
from graftwork.core.data.pictures import decode, file_media, open_picture
from graftwork.core.data.shots import sample_shots
from graftwork.core.spec.load_spec import spec_from_dict
from graftwork.plugins.datasets import DigitsSpec, ImageFolderSpec
from graftwork.plugins.datasets.digits import Digits
from graftwork.plugins.datasets.folders.image_folder import ImageFolder
from graftwork.plugins.datasets.stratified import stratified_split


@pytest.fixture(scope="module")
def digits() -> DatasetContent:
    return Digits(DigitsSpec()).load()


def ids(items: tuple[Item, ...]) -> list[str]:
    return [item.id for item in items]


@pytest.mark.parametrize(
    ("split", "size", "sha256"),
    [
        ("train", 898, "2ec1c14a6864379d7d925bbe212e0239602b248d4d35482f34c3a9e65c4213c4"),
        ("val", 359, "c79f21e1f63658f5b66112804955dd1d23b2f428baa15683cacfe4e4fc67bbb2"),
        ("test", 540, "1b3082eeb0a1d222554efeb8137612f1e1dc45eebc949cd646ea0696c6d7ca39"),
    ],
)
def test_digits_split_never_moves(digits, split, size, sha256):
    """Size and members of each split are pinned: results of years apart are comparable."""
    members = ids(digits.splits[split])
    assert (len(members), hashlib.sha256("\n".join(members).encode()).hexdigest()) == (size, sha256)


def test_digits_are_each_in_one_split(digits):
    """No item is in two splits, and none is lost."""
    assert sorted(id_ for split in digits.splits.values() for id_ in ids(split)) == [
        f"digits/{index:04d}" for index in range(1797)
    ]


def test_digits_splits_are_stratified(digits):
    """Each class has its half, fifth and rest, to within a picture."""
    for target in range(10):
        counts = {name: sum(item.target == target for item in split) for name, split in digits.splits.items()}
        total = sum(counts.values())
        assert abs(counts["train"] - total / 2) <= 0.5
        assert abs(counts["val"] - total / 5) <= 0.5


def test_digits_keep_their_labels_and_pixels(digits):
    """An item decodes to scikit-learn's 8x8 picture, stretched to 0..255, with scikit-learn's target."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    for item in (item for split in digits.splits.values() for item in split):
        index = int(item.id.removeprefix("digits/"))
        picture = item.modalities["image"].read()
        assert (picture.mode, picture.size, item.target) == ("L", (8, 8), bunch.target[index])
        np.testing.assert_array_equal(np.asarray(picture), (bunch.images[index] * 255 / 16).round())


def test_digits_are_the_same_where_their_file_lies_elsewhere(digits, monkeypatch):
    """Then scikit-learn is asked."""
    monkeypatch.setattr("graftwork.plugins.datasets.digits.find_spec", lambda name: None)
    assert Digits(DigitsSpec()).load().fingerprint() == digits.fingerprint()


def test_digits_take_other_class_names_and_nothing_else_changes(digits):
    """Names are for prompts: items and splits stay, the fingerprint says that it is another data set."""
    words = Digits(DigitsSpec(class_names=["zero", *"123456789"])).load()
    assert (words.class_names[0], ids(words.splits["test"])) == ("zero", ids(digits.splits["test"]))
    assert words.fingerprint() != digits.fingerprint()


def test_fingerprint_is_stable_and_sees_every_change(digits):
    """Equal content has equal fingerprints; a moved item, another target or another picture has another."""
    assert Digits(DigitsSpec()).load().fingerprint() == digits.fingerprint()
    train, val = digits.splits["train"], digits.splits["val"]
    first = train[0]
    others = [
        {"train": train[1:], "val": (*val, first)},
        {"train": (Item(first.id, first.modalities, 9 - first.target), *train[1:]), "val": val},
        {"train": (Item(first.id, train[1].modalities, first.target), *train[1:]), "val": val},
        {"train": (Item("other", first.modalities, first.target), *train[1:]), "val": val},
    ]
    prints = {
        DatasetContent(digits.splits | other, digits.class_names, digits.split_id).fingerprint() for other in others
    }
    assert len(prints | {digits.fingerprint()}) == 5


@given(st.integers(1, 20), st.integers(0, 20), st.integers(0, 2**31 - 1))
def test_fewer_shots_are_a_subset_of_more(fewer, more, seed):
    """A curve over the number of shots adds pictures and never swaps them."""
    train = tuple(Item(f"digits/{number:04d}", {}, number % 10) for number in range(300))
    small, large = (set(ids(sample_shots(train, count, seed))) for count in (fewer, fewer + more))
    assert small <= large


def test_shots_are_so_many_a_class_in_the_order_of_the_split(digits):
    """Sixteen shots are sixteen pictures of each of the ten classes."""
    train = digits.splits["train"]
    chosen = sample_shots(train, 16, seed=0)
    assert set(Counter(item.target for item in chosen).values()) == {16}
    assert ids(chosen) == [id_ for id_ in ids(train) if id_ in set(ids(chosen))]


def test_shots_are_the_same_on_every_machine(digits):
    """The sample of a seed is pinned, by id alone; another seed draws another one."""
    train = digits.splits["train"]
    chosen = ids(sample_shots(train, 1, seed=0))
    pinned = "0013 0320 0677 0713 0730 0862 0935 1144 1154 1626"
    assert chosen == [f"digits/{number}" for number in pinned.split()]
    assert set(ids(sample_shots(tuple(reversed(train)), 1, seed=0))) == set(chosen)
    assert set(ids(sample_shots(train, 1, seed=1))) != set(chosen)


def test_class_with_too_few_pictures_gives_all_it_has():
    """More shots than pictures is no error; ``None`` takes everything labelled."""
    items = tuple(Item(str(number), {}, None if number == 4 else number % 2) for number in range(5))
    assert ids(sample_shots(items, 9, 0)) == ids(sample_shots(items, None, 0)) == ["0", "1", "2", "3"]


@given(
    st.lists(st.integers(0, 4), max_size=60),
    st.tuples(st.floats(0, 1), st.floats(0, 1)).filter(lambda shares: sum(shares) <= 1),
)
def test_stratified_split_is_a_partition_with_the_asked_shares(targets, shares):
    """Each item goes to one split; each class gives each split its rounded share; the order of items is kept."""
    items = [Item(str(number), {}, target) for number, target in enumerate(targets)]
    order = {item.id: hashlib.sha256(item.id.encode()).hexdigest() for item in items}
    splits = stratified_split(items, order, {"val": shares[0], "test": shares[1], "train": 1.0})
    assert sorted(ids([one for split in splits.values() for one in split]), key=int) == ids(items)
    for name, share in zip(("val", "test"), shares, strict=True):
        assert [int(id_) for id_ in ids(splits[name])] == sorted(int(id_) for id_ in ids(splits[name]))
        for target in set(targets):
            wanted = share * targets.count(target)
            assert abs(sum(item.target == target for item in splits[name]) - wanted) <= 1


# -- image_folder ------------------------------------------------------------------------------------------------------


def picture(path: Path, seed: int) -> Path:
    """A small real picture whose pixels follow ``seed``; the suffix says the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 5, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def class_folders(root: Path, names: tuple[str, ...] = ("cat", "dog"), count: int = 10, start: int = 0) -> Path:
    """``root/CLASS/N.png`` (every third a JPEG)."""
    for name in names:
        for number in range(count):
            suffix = "jpg" if number % 3 == 2 else "png"
            picture(root / name / f"{number}.{suffix}", seed=start + hash_of(name) + number)
    return root


def hash_of(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:3], "big")


def metadata(root: Path, rows: list[dict[str, object]]) -> Path:
    """``metadata.jsonl`` with these rows, and the pictures it names."""
    root.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(rows):
        picture(root / str(row["file_name"]), seed=number)
    (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def loaded(root: Path, **fields: object) -> DatasetContent:
    return ImageFolder(ImageFolderSpec(root=str(root), **fields)).load()


def refusal(root: Path, **fields: object) -> str:
    """Why a folder cannot be used."""
    with pytest.raises(DataError) as error:
        loaded(root, **fields)
    assert error.value.exit_code == 2
    return str(error.value).replace(str(root), "ROOT")


def sizes(content: DatasetContent) -> dict[str, int]:
    return {name: len(split) for name, split in content.splits.items()}


def test_class_folders_are_divided_by_content(tmp_path):
    """Without split folders a fifth becomes val and three tenths test, class by class."""
    content = loaded(class_folders(tmp_path))
    assert (sizes(content), content.class_names) == ({"val": 4, "test": 6, "train": 10}, ("cat", "dog"))
    assert {Counter(item.target for item in split)[0] * 2 / len(split) for split in content.splits.values()} == {1}
    assert content.split_id == "image_folder, val 20% a class by content hash, test 30% a class by content hash"


def test_division_does_not_depend_on_other_classes(tmp_path):
    """A new class folder moves no picture of the old ones to another split."""
    before = loaded(class_folders(tmp_path))
    after = loaded(class_folders(tmp_path, ("bird",)))
    for name, split in before.splits.items():
        assert set(ids(split)) <= set(ids(after.splits[name]))


def test_ids_are_paths_below_the_root(tmp_path):
    """An id is the same wherever the folder stands."""
    one, two = loaded(class_folders(tmp_path / "one")), loaded(class_folders(tmp_path / "two"))
    assert ids(one.splits["train"]) == ids(two.splits["train"])
    assert one.splits["train"][0].id.startswith("cat/")
    assert one.fingerprint() == two.fingerprint()


def test_pictures_in_subfolders_of_a_class_belong_to_it(tmp_path):
    """Only the first level names classes; other files are passed over."""
    class_folders(tmp_path)
    picture(tmp_path / "cat" / "2024" / "deep.PNG", seed=99)
    (tmp_path / "cat" / "notes.txt").write_text("not a picture")
    (tmp_path / ".thumbnails").mkdir()
    content = loaded(tmp_path)
    deep = next(item for split in content.splits.values() for item in split if item.id == "cat/2024/deep.PNG")
    assert (content.class_names[deep.target], sum(sizes(content).values())) == ("cat", 21)


@pytest.mark.parametrize("val", ["val", "valid", "validation"])
def test_split_folders_are_taken_as_given(tmp_path, val):
    """train, val (by its usual names) and test stay what they are."""
    for number, (folder, count) in enumerate([("train", 3), (val, 2), ("test", 1)]):
        class_folders(tmp_path / folder, count=count, start=number * 100)
    content = loaded(tmp_path)
    assert sizes(content) == {"train": 6, "val": 4, "test": 2}
    assert all(item.id.startswith("test/") for item in content.splits["test"])
    assert content.split_id == "image_folder, val as given, test as given"


def test_missing_split_is_cut_off_train_and_the_given_one_stays(tmp_path):
    """With train and test folders only val is made, and only of train."""
    class_folders(tmp_path / "train")
    class_folders(tmp_path / "test", count=4, start=500)
    content = loaded(tmp_path)
    assert sizes(content) == {"train": 16, "val": 4, "test": 8}
    assert all(item.id.startswith("train/") for item in content.splits["val"])


def test_fraction_of_zero_makes_no_such_split(tmp_path):
    """Who wants no validation split gets none."""
    assert sizes(loaded(class_folders(tmp_path), val_fraction=0)) == {"test": 6, "train": 14}


def test_metadata_at_the_root_gives_label_split_and_text(tmp_path):
    """One line a picture: class, split and words come from it."""
    rows = [
        {"file_name": f"{split}-{label}-{n}.png", "label": label, "split": split, "text": f"a {label} no. {n}"}
        for split in ("train", "validation", "test")
        for label in ("cat", "dog")
        for n in range(2)
    ]
    content = loaded(metadata(tmp_path, rows))
    assert sizes(content) == {"train": 4, "val": 4, "test": 4}
    item = content.splits["val"][0]
    assert (item.id, item.modalities["text"].read()) == ("validation-cat-0.png", "a cat no. 0")


def test_metadata_without_splits_is_divided(tmp_path):
    """`split` and `text` may be left out."""
    rows = [{"file_name": f"{label}{n}.png", "label": label} for label in ("cat", "dog") for n in range(10)]
    content = loaded(metadata(tmp_path, rows))
    assert sizes(content) == {"val": 4, "test": 6, "train": 10}
    assert set(content.splits["val"][0].modalities) == {"image"}


def test_metadata_in_each_split_folder_belongs_to_that_split(tmp_path):
    """Hugging Face's layout: a metadata.jsonl beside the pictures of each split."""
    for split in ("train", "valid", "test"):
        metadata(tmp_path / split, [{"file_name": f"{label}.png", "label": label} for label in ("cat", "dog")])
    content = loaded(tmp_path)
    assert sizes(content) == {"train": 2, "val": 2, "test": 2}
    assert ids(content.splits["val"]) == ["valid/cat.png", "valid/dog.png"]


def test_same_bytes_under_two_names_are_one_content(tmp_path):
    """The digest is of the file's bytes: such pictures are encoded once."""
    first = picture(tmp_path / "a.png", 1)
    second = tmp_path / "b.png"
    second.write_bytes(first.read_bytes())
    assert file_media(first).digest == file_media(second).digest == hashlib.sha256(first.read_bytes()).hexdigest()


def test_null_split_in_metadata_leaves_the_folder_to_say_it(tmp_path):
    """`"split": null` is as if it were not there."""
    for split in ("train", "val", "test"):
        rows = [{"file_name": f"{label}.png", "label": label, "split": None, "text": None} for label in ("cat", "dog")]
        metadata(tmp_path / split, rows)
    assert sizes(loaded(tmp_path)) == {"train": 2, "val": 2, "test": 2}


def test_metadata_lines_end_at_line_feeds_alone(tmp_path):
    """JSON may hold U+2028 and other separators inside a string; a byte order mark is no mistake."""
    rows = [{"file_name": f"{label}{n}.png", "label": label} for label in ("cat", "dog") for n in range(10)]
    metadata(tmp_path, rows)
    rows = [row | {"text": "one\u2028two\x85three"} for row in rows]
    lines = "\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (tmp_path / "metadata.jsonl").write_bytes(b"\xef\xbb\xbf" + lines.encode())
    assert loaded(tmp_path).splits["val"][0].modalities["text"].read() == "one\u2028two\x85three"


def test_split_folders_beside_class_folders_are_refused(tmp_path):
    """`train` and `test` are not taken for classes because another folder stands there too."""
    for name in ("train", "test"):
        class_folders(tmp_path / name)
    class_folders(tmp_path, ("raw",))
    assert refusal(tmp_path) == (
        "dataset.root: ROOT has split folders beside raw; either all its folders are splits "
        "(train, val, valid, validation, test, dev, eval, holdout; in any case, also as training_set) or all are "
        'classes; leave out what is neither: "exclude": ["raw"]'
    )


def test_missing_folder_is_named(tmp_path):
    """A wrong root is an error of the data."""
    assert refusal(tmp_path / "nothing") == "dataset.root: ROOT is no folder"


def test_folder_without_pictures_says_what_it_looked_for(tmp_path):
    """An empty root names the formats and the metadata file."""
    message = refusal(tmp_path)
    assert message.startswith("dataset.root: ROOT holds no pictures (.apng, .avif, .bmp, .gif, .jfif, ")
    assert message.endswith("in class folders, and no metadata.jsonl")


def test_root_itself_is_required():
    """Without `root` the spec is wrong, before any file is looked at."""
    with pytest.raises(SpecError, match="`root` is missing"):
        spec_from_dict(
            {"dataset": {"type": "image_folder"}, "encoder": {"type": "open_clip"}, "adapter": {"type": "none"}}
        )


def test_empty_class_folder_is_named(tmp_path):
    """A class without pictures is a mistake, not a class."""
    (class_folders(tmp_path) / "eel").mkdir()
    assert refusal(tmp_path) == "class folder ROOT/eel holds no pictures; fill it or remove it"


def test_only_picture_of_a_class_is_named(tmp_path):
    """One picture cannot be in two splits."""
    class_folders(tmp_path)
    picture(tmp_path / "eel" / "only.png", 7)
    assert refusal(tmp_path) == (
        "ROOT/eel/only.png is the only picture of its class, so the class cannot be divided into splits; "
        "add pictures, or give train, val and test folders"
    )


def test_class_too_small_for_every_split_is_named(tmp_path):
    """Two pictures cannot fill three splits; the class and the split that lacks it are named."""
    class_folders(tmp_path)
    class_folders(tmp_path, ("eel",), count=2)
    assert refusal(tmp_path) == (
        "class `eel` is in train and test but not in val of ROOT; every class needs pictures in every split; "
        "add some, or take the class out by --set 'dataset.exclude=[\"eel\"]'"
    )


def test_class_in_only_one_split_is_named(tmp_path):
    """A class that is trained and never tested, or tested and never trained, is a mistake in the data."""
    for number, split in enumerate(("train", "val", "test")):
        class_folders(tmp_path / split, count=2, start=number * 50)
    class_folders(tmp_path / "train", ("eel",), count=2)
    assert refusal(tmp_path) == (
        "class `eel` is in train but not in val and test of ROOT; every class needs pictures in every split; "
        "add some, or take the class out by --set 'dataset.exclude=[\"eel\"]'"
    )


GOOD = {"file_name": "a.png", "label": "cat"}
BAD_LINES = {
    "not JSON": ('{"file_name": "a.png", ', "ROOT/metadata.jsonl:3: not JSON: "),
    "a list": ("[1]", 'ROOT/metadata.jsonl:3: needs strings "file_name" and "label", for example '),
    "no label": ('{"file_name": "a.png"}', 'ROOT/metadata.jsonl:3: needs strings "file_name" and "label"'),
    "number as label": (
        '{"file_name": "a.png", "label": 3}',
        'ROOT/metadata.jsonl:3: needs strings "file_name" and "label"',
    ),
    "missing file": (
        '{"file_name": "gone.png", "label": "cat"}',
        "ROOT/metadata.jsonl:3: ROOT/gone.png does not exist",
    ),
    "path out of the root": (
        '{"file_name": "../outside.png", "label": "cat"}',
        "ROOT/metadata.jsonl:3: ../outside.png lies outside ROOT",
    ),
    "absolute path": (
        '{"file_name": "/etc/passwd", "label": "cat"}',
        "ROOT/metadata.jsonl:3: /etc/passwd lies outside ROOT",
    ),
    "bad split": (
        '{"file_name": "a.png", "label": "cat", "split": "later"}',
        "ROOT/metadata.jsonl:3: split 'later' is none of train, val, valid, validation, test",
    ),
    "split that is no string": (
        '{"file_name": "a.png", "label": "cat", "split": ["val"]}',
        "ROOT/metadata.jsonl:3: split ['val'] is none of train, val, valid, validation, test",
    ),
    "text that is no string": (
        '{"file_name": "a.png", "label": "cat", "text": 3}',
        'ROOT/metadata.jsonl:3: "text" must be a string, not 3',
    ),
    "file named twice": (
        '{"file_name": "./a.png", "label": "dog"}',
        "ROOT/metadata.jsonl:3: ROOT/a.png stands in line 1 already",
    ),
    "deep nesting": ("[" * 100_000, "ROOT/metadata.jsonl:3: not JSON: "),
    "half a surrogate pair": (
        '{"file_name": "\\ud800.png", "label": "cat"}',
        "ROOT/metadata.jsonl:3: not JSON: a string with half a surrogate pair",
    ),
    "null byte": (
        '{"file_name": "a\\u0000.png", "label": "cat"}',
        "ROOT/metadata.jsonl:3: ROOT/a\N{REPLACEMENT CHARACTER}.png does not exist",
    ),
    "key twice": (
        '{"file_name": "a.png", "label": "cat", "label": "dog"}',
        "ROOT/metadata.jsonl:3: not JSON: key `label` stands here twice",
    ),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_bad_metadata_line_is_named_with_its_number(tmp_path, case):
    """File and line, then what is wrong; empty lines are passed over and counted."""
    line, reason = BAD_LINES[case]
    root = metadata(tmp_path / "root", [GOOD])
    picture(tmp_path / "outside.png", 3)
    (root / "metadata.jsonl").write_text(json.dumps(GOOD) + "\n\n" + line + "\n")
    assert refusal(root).startswith(reason)


def test_metadata_that_is_not_utf8_is_named(tmp_path):
    """A file in another encoding is refused, not misread."""
    metadata(tmp_path, [GOOD])
    (tmp_path / "metadata.jsonl").write_bytes(b'{"file_name": "a.png", "label": "caf\xe9"}\n')
    assert refusal(tmp_path).startswith("ROOT/metadata.jsonl: not UTF-8: byte ")


def test_link_out_of_the_root_is_refused(tmp_path):
    """A link cannot smuggle in what lies elsewhere."""
    root = metadata(tmp_path / "root", [GOOD])
    (root / "a.png").unlink()
    (root / "a.png").symlink_to(picture(tmp_path / "outside.png", 3))
    assert refusal(root) == "ROOT/metadata.jsonl:1: a.png lies outside ROOT"


# -- pictures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "tif", "ppm"])
def test_picture_of_each_format_is_decoded(tmp_path, suffix):
    """Every suffix that the folder takes is a format that is read."""
    assert open_picture(picture(tmp_path / f"a.{suffix}", 1)).size == (5, 6)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow also warns of some of what it then refuses
@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif", "gif", "webp"])
def test_truncated_picture_is_refused_at_every_length(tmp_path, suffix):
    """Half a picture is never taken for a whole one, wherever the file was cut."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path)
    content = path.read_bytes()
    for length in range(0, len(content) - 40, max(1, len(content) // 40)):
        with pytest.raises(DataError, match=r"a\.x: not a readable image: \S"):
            decode(content[:length], "a.x")


def test_garbage_is_no_picture():
    """What no format claims says so."""
    with pytest.raises(DataError, match=r"^notes: not a readable image: no image format is recognised$"):
        decode(b"these are notes", "notes")


def test_missing_picture_is_named(tmp_path):
    """A path that is not there gives the system's reason."""
    with pytest.raises(DataError, match=r"gone\.png: cannot be read: No such file"):
        open_picture(tmp_path / "gone.png")


def test_unreadable_picture_is_refused_when_it_is_read_and_not_when_it_is_listed(tmp_path):
    """Listing hashes and decodes nothing; the broken file is named when it is needed."""
    class_folders(tmp_path)
    (tmp_path / "cat" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    items = {item.id: item for split in loaded(tmp_path).splits.values() for item in split}
    with pytest.raises(DataError, match=r"cat/0\.png: not a readable image"):
        items["cat/0.png"].modalities["image"].read()


def test_huge_picture_is_refused(monkeypatch):
    """A decompression bomb is an unreadable picture, not a crash."""
    from io import BytesIO

    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    buffer = BytesIO()
    Image.new("L", (20, 20)).save(buffer, "png")
    with pytest.raises(DataError, match=r"bomb\.png: not a readable image"):
        decode(buffer.getvalue(), "bomb.png")


@pytest.mark.parametrize("given", [np.zeros((4, 4)), np.zeros((4, 4, 7), np.uint8), np.zeros(4, np.uint8), 3, None])
def test_what_is_no_picture_is_refused(given):
    """Only paths, PIL images and uint8 arrays of one or three channels are pictures."""
    with pytest.raises(DataError, match="a picture is a path, a PIL image or a uint8 array"):
        open_picture(given)


def test_array_and_image_are_taken_as_they_are():
    """In memory nothing is decoded."""
    image = Image.new("RGB", (3, 2))
    assert open_picture(image) is image
    assert open_picture(np.zeros((2, 3), np.uint8)).size == (3, 2)
