"""Labels are matched by name, never by position: each split in its own order, and numbers that are names."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import pytest

from graftwork.core.data.items import DataError, DatasetContent
from graftwork.plugins.datasets import HuggingFaceSpec, WebDatasetSpec
from graftwork.plugins.datasets.records import webdataset
from graftwork.plugins.datasets.records.brace_patterns import most_expansions
from graftwork.plugins.datasets.records.huggingface import HuggingFace
from graftwork.plugins.datasets.records.webdataset import WebDataset

from ...support.miniature_sets import jpeg

RED_BLUE, BLUE_RED = ("red", "blue"), ("blue", "red")


@pytest.fixture(autouse=True)
def library_cache(tmp_path_factory, monkeypatch):
    """The library's own cache is the test's; its bars stay away."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("hf")))
    datasets.disable_progress_bars()


def rows(split: str, labels: list[Any], kind: Any, texts: list[Any] | None = None, text: Any = None) -> Any:
    """A picture for each label."""
    columns: dict[str, list[Any]] = {
        "image": [{"bytes": jpeg(f"{split}{row}"), "path": None} for row in range(len(labels))],
        "label": labels,
    }
    features = {"image": datasets.Image(), "label": kind}
    if texts is not None:
        columns["caption"], features["caption"] = texts, text
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def named(split: str, names: tuple[str, ...], classes: str = "red blue red blue red blue") -> datasets.Dataset:
    """Rows of these classes, numbered in the order of ``names``."""
    return rows(split, [names.index(name) for name in classes.split()], datasets.ClassLabel(names=list(names)))


def hf(path: Path, splits: Mapping[str, datasets.Dataset], **fields: Any) -> DatasetContent:
    datasets.DatasetDict(dict(splits)).save_to_disk(path / "hf")
    return HuggingFace(HuggingFaceSpec(path=str(path / "hf"), **fields)).load()


def called(content: DatasetContent, split: str) -> list[str]:
    return [content.class_names[item.target] for item in content.splits[split]]  # type: ignore[index]


def refusal(path: Path, splits: Mapping[str, datasets.Dataset], **fields: Any) -> str:
    with pytest.raises(DataError) as error:
        hf(path, splits, **fields)
    return str(error.value).replace(str(path), "PATH")


ALTERNATING = ["red", "blue"] * 3


@pytest.mark.parametrize("split", ["test", "validation"])
def test_a_split_that_numbers_the_names_otherwise_is_read_by_its_names(tmp_path, split):
    """Of the ClassLabel of each split; the classes stay those of train."""
    splits = {name: named(name, BLUE_RED if name == split else RED_BLUE) for name in ("train", "validation", "test")}
    content = hf(tmp_path, splits)
    assert content.class_names == RED_BLUE
    assert [called(content, name) for name in content.splits] == [ALTERNATING] * 3


@pytest.mark.parametrize("fewer", ["train", "test"])
def test_a_split_may_name_a_class_more_as_long_as_no_item_has_it(tmp_path, fewer):
    """Numbers of two lists of another length are other numbers; an item of an unknown class is named."""
    more = ("aqua", "blue", "red")
    splits = {name: named(name, RED_BLUE if name == fewer else more) for name in ("train", "test")}
    if fewer == "test":
        splits["train"] = named("train", more, "red blue aqua red blue aqua red blue aqua")
        assert "class `aqua` is in" in refusal(tmp_path, splits)
    else:
        assert called(hf(tmp_path, splits), "test") == ALTERNATING
        splits["test"] = named("test", more, "red blue aqua")
        assert "test/0000002: 'aqua'" in refusal(tmp_path / "two", splits)


@pytest.mark.parametrize(
    ("given", "classes", "test"),
    [(BLUE_RED, BLUE_RED, ALTERNATING), (("rot", "blau"), ("rot", "blau"), ["rot", "blau"] * 3)],
    ids=["own names in another order", "other names in the order of train"],
)
def test_names_of_the_spec_are_matched_by_name_where_they_can_be(tmp_path, given, classes, test):
    """The data's own names in any order; others stand for those of train, one by one."""
    content = hf(tmp_path, {"train": named("train", RED_BLUE), "test": named("test", BLUE_RED)}, class_names=given)
    assert (content.class_names, called(content, "test")) == (classes, test)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (("blue", "rot"), "class red of PATH/hf would be called blue, as another of its classes is"),
        (("rot", "blau", "gelb"), "has 2 classes (red, blue), and 3 other names are given"),
    ],
)
def test_names_of_the_spec_that_exchange_classes_are_refused(tmp_path, given, reason):
    assert reason in refusal(tmp_path, {"train": named("train", RED_BLUE)}, class_names=given)


def test_numbers_without_names_beside_names_are_refused(tmp_path):
    """Their order is not known, unless the spec says that it is that of its names."""
    splits = {"train": named("train", RED_BLUE), "test": rows("test", [0, 1] * 3, datasets.Value("int64"))}
    assert "the labels of test are numbers without names" in refusal(tmp_path, splits)
    assert called(hf(tmp_path / "b", splits, class_names=RED_BLUE), "test") == ALTERNATING
    other = {"train": splits["test"], "test": named("test", BLUE_RED)}
    assert called(hf(tmp_path / "c", other, class_names=RED_BLUE), "test") == ALTERNATING
    assert "which is which cannot be told" in refusal(tmp_path / "d", other, class_names=["rot", "blau"])


def test_words_in_one_split_and_numbers_with_names_in_another_agree(tmp_path):
    words = rows("train", ALTERNATING, datasets.Value("string"))
    assert called(hf(tmp_path, {"train": words, "test": named("test", RED_BLUE)}), "test") == ALTERNATING


INT, STRING = datasets.Value("int64"), datasets.Value("string")
COLUMNS = {
    "a list as label": ([[0], [1]], [INT], "ab", STRING, "column `label`: found a list: [0]"),
    "a number with a point": ([0.0, 1.0], datasets.Value("float64"), "ab", STRING, "found a number with a point: 0.0"),
    "an object as label": ([{"n": 0}, {"n": 1}], {"n": INT}, "ab", STRING, "column `label`: found an object: {'n': 0}"),
    "a list as text": ([0, 1], INT, [["a"], ["b"]], [STRING], "column `caption`: found a list: ['a']"),
    "a number as text": ([0, 1], INT, [5, 6], INT, "column `caption`: found a number: 5"),
    "a truth value as text": ([0, 1], INT, [True, False], datasets.Value("bool"), "found a truth value: True"),
}


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("case", COLUMNS)
def test_lists_numbers_and_objects_are_named_with_column_and_row(tmp_path, case, streaming):
    """One line: which column, which row, what was found."""
    labels, kind, texts, text, reason = COLUMNS[case]
    splits = {"train": rows("train", labels, kind, list(texts), text)}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "hf")
    data = HuggingFace(HuggingFaceSpec(path=str(tmp_path / "hf"), class_names=RED_BLUE, text="caption"))
    if streaming:
        splits["train"].to_parquet(tmp_path / "hf.parquet")
        fields = {"path": str(tmp_path / "hf.parquet"), "class_names": RED_BLUE, "text": "caption", "streaming": True}
        data = HuggingFace(HuggingFaceSpec(**fields))
        from graftwork.core.data.file_memo import FileMemo

        data.files = FileMemo(tmp_path / "store")
    with pytest.raises(DataError) as error:
        data.load()
    assert reason in str(error.value)
    assert ("row 0 of train" in str(error.value), "\n" in str(error.value)) == (True, False)


@pytest.mark.parametrize(("train", "test"), [("training", "testing"), ("Train", "TEST"), ("train", "test_set")])
def test_splits_of_the_library_by_the_same_names_as_folders(tmp_path, train, test):
    """What is called so is that split; others are said to be unused."""
    content = hf(tmp_path, {train: named("a", RED_BLUE), test: named("b", RED_BLUE), "extra": named("c", RED_BLUE)})
    assert len(content.splits["test"]) == 6
    assert "its splits extra are not used" in content.notes[0]


def test_two_splits_that_mean_one_are_refused(tmp_path):
    splits = {name: named(name, RED_BLUE) for name in ("train", "Testing", "test_set")}
    assert "Testing and test_set both mean test" in refusal(tmp_path, splits)


# -- webdataset, and numbers -------------------------------------------------------------------------------------------


def shard(path: Path, labels: list[Any], suffix: str = "json", name: str = "s") -> Path:
    """A sample a label: as ``KEY.cls``, or under ``label`` in ``KEY.json``."""
    with tarfile.open(path, "w") as archive:
        for number, label in enumerate(labels):
            said = json.dumps({"label": label, "text": label}).encode() if suffix == "json" else str(label).encode()
            for kind, content in (("jpg", jpeg(f"{path}{number}")), (suffix, said)):
                member = tarfile.TarInfo(f"{name}{number}.{kind}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def web(path: Path, labels: list[Any], suffix: str = "json", **fields: Any) -> DatasetContent:
    shard(path / "a.tar", labels, suffix)
    label = "json.label" if suffix == "json" else "cls"
    fields = {"val_fraction": 0, "test_fraction": 0, "label": label} | fields
    return WebDataset(WebDatasetSpec(shards={"train": str(path / "a.tar")}, **fields)).load()


@pytest.mark.parametrize(
    ("names", "labels", "suffix", "read"),
    [
        (["1", "0"], ["1", "0"], "json", ["1", "0"]),
        (["10", "7"], ["7", "10"], "json", ["7", "10"]),
        (["10", "7"], [7, 10], "json", ["7", "10"]),
        (["10", "7"], [7, 10], "cls", ["7", "10"]),
        (["0", "1"], [1, 0], "json", ["1", "0"]),
        (["0", "1"], [1, 0], "cls", ["1", "0"]),
        (["cat", "dog"], ["1", "0"], "json", ["dog", "cat"]),
        (["cat", "dog"], [1, 0], "cls", ["dog", "cat"]),
        (["cat", "dog"], ["dog", "cat"], "cls", ["dog", "cat"]),
    ],
)
def test_a_string_that_is_a_class_name_is_that_class(tmp_path, names, labels, suffix, read):
    """And a number is an index, or a name where it can be no index."""
    assert called(web(tmp_path, labels, suffix, class_names=names), "train") == read


@pytest.mark.parametrize(("suffix", "labels"), [("json", [1, 0]), ("cls", ["1", "0"]), ("json", [1, 1, 0])])
def test_a_number_that_may_be_both_is_refused(tmp_path, suffix, labels):
    """Its index is another class than its name."""
    with pytest.raises(DataError, match=r"label 0 may be the class called 0 \(class 1\) or class 0 \(called 1\)"):
        web(tmp_path, labels, suffix, class_names=["1", "0"])


def test_a_number_of_the_library_that_may_be_both_is_refused(tmp_path):
    """The same rule for columns of numbers; a column of strings holds names."""
    numbers = rows("train", [1, 0] * 3, datasets.Value("int64"))
    assert "label 0 may be the class called 0" in refusal(tmp_path, {"train": numbers}, class_names=["1", "0"])
    words = {name: rows(name, ["1", "0"] * 3, STRING) for name in ("train", "test")}
    assert called(hf(tmp_path / "b", words, class_names=["1", "0"]), "test") == ["1", "0"] * 3


@pytest.mark.parametrize("label", [["blue"], {"name": "blue"}, 1.0, []])
def test_lists_and_objects_in_shards_are_refused(tmp_path, label):
    """As label and as text, with names given or not."""
    with pytest.raises(DataError, match=r"s1, `json\.label`: found "):
        web(tmp_path, ["red", label])
    with pytest.raises(DataError, match=r"s1, `json\.label`: found "):
        web(tmp_path, ["red", label], class_names=["red", "blue"])
    shard(tmp_path / "b.tar", ["red", label])
    spec = WebDatasetSpec(shards={"train": str(tmp_path / "b.tar")}, label="cls", text="json.text", class_names=["red"])
    with pytest.raises(DataError, match=r"s1, `json\.text`: found "):
        WebDataset(spec).load()


def test_a_name_in_a_shard_that_is_no_utf8_is_named(tmp_path):
    """It could stand in no result."""
    shard(tmp_path / "b.tar", ["a"], name="caf\udce9")
    with pytest.raises(DataError, match=r"caf\\xe90\.jpg: a name in it is no UTF-8"):
        WebDataset(WebDatasetSpec(shards={"train": str(tmp_path / "b.tar")}, label="json.label")).load()


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("a.tar", 1),
        ("{0..9}.tar", 10),
        ("{000000..000009}-{a,b}.tar", 20),
        ("{0..99999999}", 100_000_000),
        ("{9..0..3}", 4),
        ("{a..z}{a..z}", 676),
        ("{a,b{0..9},c}", 30),
        ("{0..9" + "9" * 5000 + "}", 10**18),
        ("{0..99}" * 40, 10**18),
    ],
)
def test_expansions_are_counted_before_they_are_made(pattern, count):
    """Never too few."""
    assert most_expansions(pattern) == count


@pytest.mark.parametrize("pattern", ["{0..99999999}.tar", "{0..9999}{0..9999}.tar", "{a,b}" * 30, "{0..99999999..3}"])
def test_a_pattern_without_end_is_refused_in_words(tmp_path, pattern, monkeypatch):
    """Before anything is expanded."""
    monkeypatch.setattr(webdataset, "braceexpand", lambda *_, **__: pytest.fail("expanded"))
    with pytest.raises(DataError, match=r"names up to [\d,]+ shards, and 100,000 are the most"):
        WebDataset(WebDatasetSpec(shards={"train": str(tmp_path / pattern)})).load()
