"""Nothing leaks: copies stay together where we cut, and are counted where splits are given."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from graftwork.core.data.duplicates import NAMES, with_duplicates_told
from graftwork.core.data.items import DataError, DatasetContent, Item, Media, Target
from graftwork.core.roles import DatasetSpec
from graftwork.core.stages.context import RunContext
from graftwork.core.stages.list_items import listed
from graftwork.plugins.datasets import ImageFolderSpec, JsonLinesSpec, PocketWorldSpec
from graftwork.plugins.datasets.folders.image_folder import ImageFolder
from graftwork.plugins.datasets.missing_splits import require_classes_everywhere, with_missing_splits
from graftwork.plugins.datasets.stratified import stratified_split
from graftwork.registry.discovery import default_catalogue


def item(id_: str, content: str, target: Target | None = 0, kind: str = "image", **more: str) -> Item:
    media = {name: Media(value, name, lambda: None) for name, value in {kind: content, **more}.items()}
    return Item(id_, media, target)


def content(**splits: list[Item]) -> DatasetContent:
    return DatasetContent({name: tuple(items) for name, items in splits.items()}, ("a", "b"), "id")


def notes(**splits: list[Item]) -> tuple[str, ...]:
    return with_duplicates_told(content(**splits), "note").notes


FRACTIONS = {"val": 0.2, "test": 0.3}


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 12), st.sampled_from([0, 1, 2, None])), min_size=1, max_size=60))
def test_equal_contents_never_straddle_our_own_cut(rows):
    """Whatever their classes, and beside unlabelled ones; none is lost."""
    items = [item(str(number), f"{one:x}" * 8, target) for number, (one, target) in enumerate(rows)]
    try:
        splits = with_missing_splits({"train": items}, FRACTIONS, "here")
    except DataError:  # a class of one item
        assert 1 in Counter(target for _, target in rows if target is not None).values()
        return
    where = defaultdict(set)
    for name, some in splits.items():
        for one in some:
            where[one.modalities["image"].digest].add(name)
    assert all(len(names) == 1 for names in where.values())
    assert sorted(one.id for some in splits.values() for one in some) == sorted(one.id for one in items)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 3), max_size=60))
def test_without_copies_the_cut_is_as_it_was(targets):
    """Old split ids and results stay: each class is cut where it was."""
    items = [item(str(n), hashlib.sha256(str(n).encode()).hexdigest(), target) for n, target in enumerate(targets)]
    order = {one.id: one.modalities["image"].digest + one.id for one in items}
    digests = {one.id: one.modalities["image"].digest for one in items}
    shares = {**FRACTIONS, "train": 1.0}
    assert stratified_split(items, order, shares, digests) == stratified_split(items, order, shares)


def test_a_cut_of_pictures_is_pinned(tmp_path):
    """Members of each split of a folder without copies, as they were before copies were looked for."""
    for name, red in (("a", 0), ("b", 100)):
        for number in range(10):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.new("RGB", (2, 2), (red + number, 0, 0)).save(tmp_path / name / f"{number}.bmp")
    splits = ImageFolder(ImageFolderSpec(root=str(tmp_path))).load().splits
    members = {name: " ".join(one.id[:3] for one in some) for name, some in splits.items()}
    assert members == PINNED


PINNED = {
    "val": "a/4 a/8 b/0 b/2",
    "test": "a/0 a/5 a/9 b/1 b/5 b/8",
    "train": "a/1 a/2 a/3 a/6 a/7 b/3 b/4 b/6 b/7 b/9",
}


def test_class_that_copies_leave_out_of_a_split_says_why():
    """Four copies of one picture cannot fill three splits."""
    rows = [item(f"a{n}", "same") for n in range(4)] + [item(f"b{n}", f"{n}", 1) for n in range(10)]
    splits = with_missing_splits({"train": rows}, FRACTIONS, "here")
    with pytest.raises(DataError, match=r"class `a` is in train but .*\(3 of its 4 are copies of others, and copies"):
        require_classes_everywhere(splits, ("a", "b"), "here")


def test_copies_in_given_splits_are_counted_for_each_pair():
    """Contents, and how many items of the later split they are."""
    train = [item("t1", "x"), item("t2", "y"), item("t3", "z", 1)]
    said = notes(train=train, val=[item("v", "z", 1)], test=[item("e1", "x"), item("e2", "x"), item("e3", "q")])
    assert said == (
        "1 content is in train and in val alike (1 of 1 item of val, byte for byte)" + NAMES,
        "1 content is in train and in test alike (2 of 3 items of test, byte for byte)" + NAMES,
    )


def test_one_picture_in_two_classes_is_said():
    """Within a split and between two; an unlabelled copy has no class."""
    train = [item("t1", "x"), item("t2", "x", 1), item("t3", "y"), item("t4", "y", None)]
    assert notes(train=train) == ("1 content stands in more than one class, byte for byte" + NAMES,)


@pytest.mark.parametrize(
    "splits",
    [
        {"train": [item("1", "x", text="what?")], "test": [item("2", "y", text="what?")]},
        {"train": [item("1", "x", 0, text="is it?"), item("2", "x", 1, text="is it not?")]},
        {"train": [item("1", "x", 0, audio="s")], "test": [item("2", "y", 0, audio="s")]},
        {"train": [item("1", "x", {0: 1.0}), item("2", "x", {1: 1.0})]},
        {"train": [item("1", "x"), item("2", "x")]},
    ],
    ids=["one question, two pictures", "two statements", "one silence", "soft answers", "one split"],
)
def test_what_only_looks_alike_is_no_copy(splits):
    """Equal words or sounds beside other pictures are other items; so is the same picture with another statement."""
    assert notes(**splits) == ()


@pytest.mark.parametrize("kind", ["image", "audio", "text"])
def test_copies_of_any_modality_are_counted(kind):
    """Of sounds, and of texts that stand alone, as of pictures."""
    assert len(notes(train=[item("1", "x", kind=kind)], test=[item("2", "x", kind=kind)])) == 1


def test_copies_of_all_passes_are_counted():
    """A clip that is another one's copy segment by segment."""
    passes = tuple({"image": Media(one, "", lambda: None)} for one in "pq")
    one, two = (Item(id_, {}, (0, 1), passes) for id_ in "ab")
    assert len(notes(train=[one], test=[two])) == 1
    assert notes(train=[one], test=[Item("c", {}, (0, 1), passes[:1])]) == ()


def test_fail_names_them():
    """``"duplicates": "fail"``: up to ten pairs, and what to do."""
    with pytest.raises(DataError) as error:
        with_duplicates_told(content(train=[item("red/1.png", "x")], test=[item("blue/2.png", "x", 1)]), "fail")
    assert str(error.value).splitlines() == [
        "1 content is in train and in test alike (1 of 1 item of test, byte for byte):",
        "  red/1.png = blue/2.png",
        "1 content stands in more than one class, byte for byte:",
        "  red/1.png (a) = blue/2.png (b)",
        'remove the copies, or set "duplicates": "note" in `dataset`',
    ]


def listing(dataset: DatasetSpec, folder: Path) -> DatasetContent:
    """As plan and run list a data set."""
    return listed(dataset, RunContext(default_catalogue(), folder / "store"))


def test_every_data_set_is_looked_at_where_it_is_listed(tmp_path):
    """json_lines of the same pictures in all splits: plan and run list items by one function."""
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    Image.new("RGB", (2, 2), "red").save(tmp_path / "b.png")
    for split in ("train", "test"):
        lines = [{"id": name, "image": f"{name}.png", "label": name} for name in "ab"]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    spec = JsonLinesSpec(root=str(tmp_path))
    (note,) = listing(spec, tmp_path).notes
    assert note == "2 contents are in train and in test alike (2 of 2 items of test, byte for byte)" + NAMES
    with pytest.raises(DataError, match="remove the copies"):
        listing(spec.model_copy(update={"duplicates": "fail"}), tmp_path)


@pytest.mark.parametrize("task", ["events", "vqa", "nlvr2", "retrieval"])
def test_the_pocket_world_has_no_copies(task, tmp_path: Path):
    """What is drawn anew for every split is no copy, though words and silences repeat."""
    spec = PocketWorldSpec(task=task, train=60, val=20, test=40)
    said = listing(spec, tmp_path).notes
    assert not any("byte for byte" in note for note in said)
