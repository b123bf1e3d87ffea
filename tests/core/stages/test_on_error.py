"""Pictures that cannot be decoded: refused, left out, or left out and recorded, in every stage alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from graftwork.core.data.items import DataError, DatasetContent, Item, Items, Media
from graftwork.core.events import Event, Note
from graftwork.core.stages.unreadable import Unreadable, leave_out
from graftwork.core.storage.run_folder import read_json_file

from ...support.small_pipeline import Brightness, FewDigitsSpec, Hearing, Pixels, pipeline


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Counters of the test components, as they were."""
    before = list(Pixels.encoded), list(Brightness.seen)
    Pixels.encoded.clear()
    Brightness.seen.clear()
    yield
    Pixels.encoded[:], Brightness.seen[:] = before


#: Splits to the pictures of one class; those of BROKEN are cut short.
SIZES = {"train": 6, "val": 3, "test": 4}
BROKEN = {"train/cat/1.png", "train/dog/0.png", "test/dog/3.png"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes in three splits, three pictures unreadable."""
    rng = np.random.default_rng(0)
    for split, size in SIZES.items():
        for label in ("cat", "dog"):
            folder = tmp_path / "data" / split / label
            folder.mkdir(parents=True)
            for number in range(size):
                path = folder / f"{number}.png"
                Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(path)
                if f"{split}/{label}/{number}.png" in BROKEN:
                    path.write_bytes(path.read_bytes()[:60])
    return tmp_path / "data"


def spec(root: Path, on_error: str, **more: Any) -> dict[str, Any]:
    dataset = {"type": "image_folder", "root": str(root), "on_error": on_error}
    if "max_errors" in more:
        dataset["max_errors"] = more.pop("max_errors")
    return {"dataset": dataset, "graph__threshold": 0.1, "reporters": [{"type": "hearing"}], **more}


CAPTIONED = {"captioner": {"type": "brightness"}, "graph__nodes": "fused"}


@pytest.mark.parametrize("more", [{}, CAPTIONED], ids=["encode", "describe"])
def test_fail_is_the_default_and_names_all_of_every_split(tmp_path: Path, root: Path, more: dict[str, Any]) -> None:
    """Everything readable is stored by then: with the broken ones gone, nothing is encoded or described again."""
    fields = spec(root, "fail", **more)
    del fields["dataset"]["on_error"]
    with pytest.raises(Unreadable, match="3 of 26 cannot be read") as error:
        pipeline(**fields).run(tmp_path / "a", tmp_path / "store")
    assert all(str(root / name) in str(error.value) for name in BROKEN)
    for name in BROKEN:
        (root / name).unlink()
    done = list(Pixels.encoded), len(Brightness.seen)
    pipeline(**fields).run(tmp_path / "b", tmp_path / "store")
    assert done[1] == len(Brightness.seen)
    if not more:
        assert len(Pixels.encoded) == len(done[0])


@pytest.mark.parametrize("more", [{}, CAPTIONED], ids=["encode", "describe"])
@pytest.mark.parametrize("on_error", ["skip", "record"])
def test_skip_and_record_go_on_without_them(tmp_path: Path, root: Path, on_error: str, more: dict[str, Any]) -> None:
    """One note names them, the result counts them by split, and `record` lists them in a file."""
    run = pipeline(**spec(root, on_error, **more)).run(tmp_path / "run", tmp_path / "store")
    dataset = read_json_file(run.folder / "result.json")["dataset"]
    assert dataset["left_out"] == {"train": 2, "val": 0, "test": 1}
    assert dataset["sizes"] == {"train": 10, "val": 6, "test": 7}
    notes = [event.message for event in Hearing.heard if isinstance(event, Note) and "left out" in event.message]
    assert len(notes) == 1
    assert all(str(root / name) in notes[0] for name in BROKEN)
    record = run.folder / "unreadable.jsonl"
    assert record.exists() == (on_error == "record")
    if on_error == "record":
        rows = [json.loads(line) for line in record.read_text().splitlines()]
        assert {f"{row['split']}/{row['id'].removeprefix(row['split'] + '/')}" for row in rows} == BROKEN
        assert all(row["source"] in row["reason"] for row in rows)


def test_a_few_shot_sample_never_draws_what_is_left_out(tmp_path: Path, root: Path) -> None:
    """Four shots of each class are four readable pictures."""
    fields = spec(root, "skip")
    fields["dataset"]["shots"] = 5
    run = pipeline(**fields).run(tmp_path / "run", tmp_path / "store")
    assert read_json_file(run.folder / "result.json")["dataset"]["labelled"] == [10]


def test_more_than_the_cap_fails_naming_them(tmp_path: Path, root: Path) -> None:
    """The cap counts over all splits, and everything readable is stored all the same."""
    with pytest.raises(DataError, match=r"3 items cannot be read, and dataset\.max_errors allows 2") as error:
        pipeline(**spec(root, "skip", max_errors=2)).run(tmp_path / "a", tmp_path / "store")
    assert all(str(root / name) in str(error.value) for name in BROKEN)
    encoded = len(Pixels.encoded)
    pipeline(**spec(root, "skip", max_errors=3)).run(tmp_path / "b", tmp_path / "store")
    assert len(Pixels.encoded) == encoded


def test_a_split_that_loses_everything_is_an_error(tmp_path: Path, root: Path) -> None:
    """There is nothing to go on with."""
    for path in (root / "val").rglob("*.png"):
        path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match="no item of split `val` can be read"):
        pipeline(**spec(root, "skip")).run(tmp_path / "run", tmp_path / "store")


def test_a_clean_data_set_has_nothing_to_record(tmp_path: Path, root: Path) -> None:
    """The file is there and empty: a reader need not guess."""
    for name in BROKEN:
        (root / name).unlink()
    run = pipeline(**spec(root, "record")).run(tmp_path / "run", tmp_path / "store")
    assert (run.folder / "unreadable.jsonl").read_text() == ""
    assert read_json_file(run.folder / "result.json")["dataset"]["left_out"] == {"train": 0, "val": 0, "test": 0}


def test_contents_of_two_kinds_are_left_out_and_told_at_once() -> None:
    """Every kind was tried: one note, the items in the order of their splits, and the rest goes on."""

    def item(name: str) -> Item:
        return Item(name, {kind: Media(f"{kind} {name}", f"{name}.{kind}", str) for kind in ("image", "audio")}, 0)

    splits = {"train": (item("a"), item("b"), item("c")), "test": (item("d"), item("e"))}
    unused = {"val": (item("a"),)}
    items = Items(DatasetContent(splits | unused, ("x",), "two kinds"), splits, ())
    reasons = {"audio a": "a.audio: empty", "image d": "d.image: cut short"}
    told: list[Event] = []
    skipping = FewDigitsSpec(on_error="skip", max_errors=2)
    kept = leave_out(items, reasons, ("image", "audio"), skipping, told.append)
    assert [one.id for one in kept.of_all_splits()] == ["b", "c", "e"]
    assert {name: len(split) for name, split in kept.content.splits.items()} == {"train": 2, "test": 1, "val": 1}
    assert [(one.split, one.id, one.source) for one in kept.left_out] == [
        ("train", "a", "a.audio"),
        ("test", "d", "d.image"),
    ]
    assert told == [Note("2 items that cannot be read are left out:\n  a.audio: empty\n  d.image: cut short")]
    with pytest.raises(Unreadable, match=r"^2 of 10 cannot be read"):
        leave_out(items, reasons, ("image", "audio"), FewDigitsSpec(), told.append)
    with pytest.raises(DataError, match=r"3 items cannot be read, and dataset\.max_errors allows 2"):
        leave_out(kept, {"image e": "e.image: gone"}, ("image",), skipping, print)
