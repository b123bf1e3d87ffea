"""Data sets of records: the ``datasets`` library on disk and streamed, and WebDataset shards, real files throughout."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftwork import SpecError
from graftwork.core.data import file_memo
from graftwork.core.data.file_memo import FileMemo
from graftwork.core.data.items import DataError, DatasetContent
from graftwork.core.events import Event, StageAdvanced, StageStarted
from graftwork.core.spec.load_spec import spec_from_dict
from graftwork.plugins.datasets import HuggingFaceSpec, WebDatasetSpec
from graftwork.plugins.datasets.records.huggingface import HuggingFace
from graftwork.plugins.datasets.records.tar_index import members, tar_index
from graftwork.plugins.datasets.records.webdataset import WebDataset

from ...support.miniature_sets import jpeg, write
from ...support.small_pipeline import pipeline

SIZES = {"train": 12, "validation": 4, "test": 6}


@pytest.fixture(autouse=True)
def library_cache(tmp_path_factory, monkeypatch):
    """The library's own cache is the test's; its bars stay away."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("hf")))
    datasets.disable_progress_bars()


def table(
    split: str, size: int, names: tuple[str, ...] | None = ("cat", "dog"), labels: list[Any] | None = None
) -> datasets.Dataset:
    """Rows of real JPEG bytes, a class and a caption."""
    found = labels if labels is not None else [row % 2 for row in range(size)]
    kind = "string" if isinstance(found[0], str) else "int64"
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=list(names)) if names else datasets.Value(kind),
            "caption": datasets.Value("string"),
        }
    )
    rows = {
        "image": [{"bytes": jpeg(f"{split}{row}", row % 2), "path": None} for row in range(size)],
        "label": found,
        "caption": [f"{split} no. {row}" for row in range(size)],
    }
    return datasets.Dataset.from_dict(rows, features=features)


@pytest.fixture(scope="module")
def parquet(tmp_path_factory) -> Path:
    """A folder as the Hub serves it: ``data/train-00000-of-00001.parquet`` ..."""
    folder = tmp_path_factory.mktemp("parquet") / "cats"
    (folder / "data").mkdir(parents=True)
    for split, size in SIZES.items():
        table(split, size).to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


def loaded(
    path: Path | str, store: Path | None = None, tell: Any = lambda event: None, **fields: Any
) -> DatasetContent:
    dataset = HuggingFace(HuggingFaceSpec(path=str(path), **fields))
    dataset.files = FileMemo(store, tell)
    return dataset.load()


def sizes(content: DatasetContent) -> dict[str, int]:
    return {name: len(items) for name, items in content.splits.items()}


def refusal(path: Path | str, **fields: Any) -> str:
    with pytest.raises(DataError) as error:
        loaded(path, **fields)
    return str(error.value).replace(str(path), "PATH")


# -- huggingface -------------------------------------------------------------------------------------------------------


def test_parquet_folder_is_read_with_its_splits_classes_and_captions(parquet):
    """Class names of the ClassLabel, ids by row, digests of the encoded bytes, pictures decoded when asked."""
    content = loaded(parquet, text="caption")
    assert sizes(content) == {"train": 12, "val": 4, "test": 6}
    assert content.class_names == ("cat", "dog")
    item = content.splits["val"][1]
    assert (item.id, item.target, item.modalities["text"].read()) == ("val/0000001", 1, "validation no. 1")
    assert item.modalities["image"].digest == hashlib.sha256(jpeg("validation1", 1)).hexdigest()
    assert item.modalities["image"].read().size == (24, 24)
    assert content.split_id == "huggingface cats, val as given, test as given"


def test_a_saved_data_set_is_read_as_it_was_saved(tmp_path, parquet):
    """``save_to_disk``: the same items as from parquet."""
    saved = datasets.DatasetDict({split: table(split, size) for split, size in SIZES.items()})
    saved.save_to_disk(tmp_path / "cats")
    assert loaded(tmp_path / "cats").fingerprint() == loaded(parquet).fingerprint()


def test_one_parquet_file_is_train_and_the_rest_is_cut_off_it(parquet):
    """Class by class, by content."""
    content = loaded(parquet / "data" / "train-00000-of-00001.parquet")
    assert sizes(content) == {"val": 2, "test": 4, "train": 6}
    assert content.split_id.endswith(
        "train-00000-of-00001.parquet, val 20% a class by content hash, test 30% a class by content hash"
    )


def test_image_folders_of_the_library_are_read_from_their_files(tmp_path):
    """Rows that hold a path and no bytes: the file is the picture."""
    for split in ("train", "test"):
        for label in ("cat", "dog"):
            for number in range(5):
                write(tmp_path / "pets" / split / label / f"{number}.jpg", jpeg(f"{split}{label}{number}"))
    content = loaded(tmp_path / "pets")
    assert sizes(content) == {"train": 8, "val": 2, "test": 10}
    picture = content.splits["test"][0].modalities["image"]
    assert picture.source.endswith("pets/test/cat/0.jpg")
    assert picture.read().size == (24, 24)


def test_streaming_gives_the_same_pictures_and_keeps_each_once(tmp_path, parquet):
    """What passed by is in the store under its content; a second pass writes nothing."""
    streamed, mapped = loaded(parquet, tmp_path, streaming=True), loaded(parquet)
    for split, items in mapped.splits.items():
        theirs = [(one.id, one.target, one.modalities["image"].digest) for one in streamed.splits[split]]
        assert theirs == [(one.id, one.target, one.modalities["image"].digest) for one in items]
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "pictures").rglob("*") if path.is_file()}
    assert len(kept) == 22
    assert streamed.splits["test"][5].modalities["image"].read().size == (24, 24)
    loaded(parquet, tmp_path, streaming=True)
    assert kept == {path: path.stat().st_mtime_ns for path in (tmp_path / "pictures").rglob("*") if path.is_file()}


def test_a_damaged_kept_picture_is_found_out_removed_and_streamed_anew(tmp_path, parquet):
    """A wrong picture is worse than a missing one."""
    picture = loaded(parquet, tmp_path, streaming=True).splits["train"][0].modalities["image"]
    path = tmp_path / "pictures" / picture.digest[:2] / picture.digest
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(DataError, match=r"row 0: kept as .*, which was damaged and is now removed; run again"):
        picture.read()
    assert loaded(parquet, tmp_path, streaming=True).splits["train"][0].modalities["image"].read().size == (24, 24)


@pytest.mark.parametrize("streaming", [False, True])
def test_max_items_takes_the_first_rows_and_says_so(tmp_path, parquet, streaming):
    """In the split id and in the notes: such a result is not one on the whole set."""
    content = loaded(parquet, tmp_path, streaming=streaming, max_items=4)
    assert sizes(content) == {"train": 4, "val": 4, "test": 4}
    assert "first 4 rows of each split" in content.split_id
    assert content.notes == (f"{parquet}: no more than 4 rows of train, val, test are used",)


def test_streaming_has_a_cap_without_being_told(tmp_path, parquet):
    """Ten thousand rows a split, named in the split id."""
    assert "first 10,000 rows of each split" in loaded(parquet, tmp_path, streaming=True).split_id


def test_progress_of_a_stream_is_told(tmp_path, parquet):
    """A picture at a time."""
    heard: list[Event] = []
    loaded(parquet, tmp_path, heard.append, streaming=True, max_items=4)
    assert heard[0] == StageStarted("stream train", 4)
    assert heard[4] == StageAdvanced("stream train", 4)


def test_a_second_run_hashes_no_table_again(tmp_path, parquet, monkeypatch):
    """What the Arrow files of the library's cache hold is remembered as long as they stay as they are."""
    monkeypatch.setattr(file_memo, "STABLE_NS", 0)
    first, heard = loaded(parquet, tmp_path / "store"), []
    again = loaded(parquet, tmp_path / "store", heard.append)
    assert (again.fingerprint(), heard) == (first.fingerprint(), [])


def test_its_own_split_names_may_be_given(parquet):
    """``ethz/food101`` calls its test split ``validation``."""
    content = loaded(parquet, splits={"train": "train", "test": "validation"})
    assert sizes(content) == {"train": 10, "test": 4, "val": 2}


def test_label_names_are_sorted_into_classes(tmp_path):
    """A column of strings names the classes itself."""
    labels = ["dog", "cat", "eel"] * 5
    table("x", 15, None, labels).to_parquet(tmp_path / "x.parquet")
    content = loaded(tmp_path / "x.parquet")
    assert content.class_names == ("cat", "dog", "eel")
    assert {item.target for item in content.splits["train"]} == {0, 1, 2}


@pytest.mark.parametrize("as_file", [False, True])
def test_numbers_without_names_take_names_from_the_spec(tmp_path, as_file):
    """From a list, or from a file with a name a line."""
    table("x", 10, None, [0, 1] * 5).to_parquet(tmp_path / "x.parquet")
    path = tmp_path / "x.parquet"
    assert refusal(path).startswith(
        "x.parquet: its labels are numbers (0..1): name the classes with dataset.class_names"
    )
    names = write(tmp_path / "names.txt", "a cat\na dog\n")
    given = {"class_names_file": str(names)} if as_file else {"class_names": ["a cat", "a dog"]}
    assert loaded(path, **given).class_names == ("a cat", "a dog")


def test_unlabelled_rows_may_be_in_train_alone(tmp_path):
    """-1 and null are the library's words for no label."""
    for split, labels in (("train", [0, 1, -1, None, 0, 1]), ("test", [0, 1, 0, -1, 1, 0])):
        table(split, 6, ("cat", "dog"), labels).to_parquet(tmp_path / f"{split}.parquet")
    assert refusal(tmp_path).split("\n") == [
        f"{tmp_path.name}: 1 record has no label of the 2 classes (0..1, or a name; none only in train):",
        "  test/0000003: -1",
    ]
    table("test", 6).to_parquet(tmp_path / "test.parquet")
    content = loaded(tmp_path, val_fraction=0.5)
    assert [item.target for item in content.splits["train"] if item.target is None] == [None, None]


def test_labels_out_of_range_are_counted_and_named(tmp_path):
    """Ten by name."""
    table("x", 14, None, [0, 1, *[7] * 12]).to_parquet(tmp_path / "x.parquet")
    lines = refusal(tmp_path / "x.parquet", class_names=["cat", "dog"]).split("\n  ")
    assert lines[0].startswith("x.parquet: 12 records have no label of the 2 classes (0..1, ")
    assert (lines[1], lines[-1], len(lines)) == ("train/0000002: 7", "and 2 more", 12)


BAD_HF: dict[str, tuple[dict[str, Any], str]] = {
    "image column": ({"image": "images"}, "dataset.image: PATH has no column `images`; did you mean `image`?"),
    "label column": ({"label": "breed"}, "dataset.label: PATH has no column `breed`; it has image, label, caption"),
    "text column": ({"text": "captions"}, "dataset.text: PATH has no column `captions`; did you mean `caption`?"),
    "no pictures": ({"image": "caption"}, "dataset.image: column `caption` holds string, not encoded pictures"),
    "split": (
        {"splits": {"train": "train", "test": "tests"}},
        "dataset.splits.test: PATH has no split `tests`; did you mean `test`?",
    ),
    "no train": ({"splits": {"test": "test"}}, "dataset.splits: `train` is missing; the others may be cut off it"),
    "config": ({"config": "large"}, "dataset.path: PATH cannot be read: "),
}


@pytest.mark.parametrize("case", BAD_HF)
def test_what_the_data_does_not_have_is_answered_with_what_it_has(parquet, case):
    """Columns, splits and configurations, with the nearest name."""
    fields, reason = BAD_HF[case]
    assert reason in refusal(parquet, **fields)


@pytest.mark.parametrize("streaming", [False, True])
def test_corrupted_parquet_is_named(tmp_path, parquet, streaming):
    """The library's reason, in one line, with what to do."""
    content = (parquet / "data" / "train-00000-of-00001.parquet").read_bytes()
    write(tmp_path / "x.parquet", content[: len(content) // 2])
    message = refusal(tmp_path / "x.parquet", streaming=streaming)
    assert message.startswith("dataset.path: PATH cannot be read: Parquet magic bytes not found in footer.")
    assert message.endswith("; fetch or write it again")


def test_corrupted_arrow_file_is_named(tmp_path):
    """What ``save_to_disk`` wrote, cut off."""
    table("x", 6).save_to_disk(tmp_path / "cats")
    (path,) = (tmp_path / "cats").glob("*.arrow")
    path.write_bytes(path.read_bytes()[:-2000])
    message = refusal(tmp_path / "cats")
    assert message.startswith(("dataset.path: PATH cannot be read: ", "1 of 1 files cannot be used:\n  PATH/"))


def test_a_stream_without_a_schema_is_checked_by_its_first_row(tmp_path):
    """JSON lines say only row by row which columns there are."""
    write(tmp_path / "cats" / "x.jsonl", '{"picture": "a.jpg", "label": "cat"}\n')
    assert refusal(tmp_path / "cats", streaming=True) == (
        "dataset.image: PATH has no column `image`; it has picture, label"
    )


def test_a_picture_that_is_not_there_is_named_by_its_row(tmp_path):
    """A null in the column."""
    one = table("x", 4)
    rows = {column: list(one[column]) for column in ("label", "caption")}
    raw = [{"bytes": jpeg("a"), "path": None}, None, {"bytes": jpeg("b"), "path": None}, None]
    datasets.Dataset.from_dict(rows | {"image": raw}, features=one.features).to_parquet(tmp_path / "x.parquet")
    assert refusal(tmp_path / "x.parquet") == "PATH: 2 rows of `train` have no picture:\n  row 1\n  row 3"


def test_path_that_is_not_there(tmp_path):
    """Absolute and dotted paths are never looked for on the Hub."""
    assert refusal(tmp_path / "gone") == "dataset.path: PATH does not exist"
    assert refusal("./gone") == "dataset.path: gone does not exist"


def test_a_plan_never_asks_the_hub(monkeypatch):
    """What is not in the library's cache is refused at once, with how to bring it."""
    pytest.importorskip("huggingface_hub")
    spec = {"type": "huggingface", "path": "ethz/food101"}
    with pytest.raises(
        DataError, match=r"dataset\.path: ethz/food101 cannot be read: .*hf download --repo-type dataset"
    ):
        pipeline(dataset=spec).plan()
    assert datasets.config.HF_HUB_OFFLINE is False


def test_a_data_set_cannot_ask_for_code_to_be_run(tmp_path):
    """A folder with a loading script is no data set, and a spec has no switch for it."""
    write(tmp_path / "cats" / "cats.py", "raise SystemExit('this must not run')")
    assert "PATH cannot be read: " in refusal(tmp_path / "cats")
    with pytest.raises(SpecError, match="unknown key `trust_remote_code`"):
        spec_from_dict(
            {
                "dataset": {"type": "huggingface", "path": "x/y", "trust_remote_code": True},
                "encoder": {"type": "open_clip"},
                "adapter": {"type": "none"},
            }
        )


def test_listing_parquet_imports_no_torch(parquet, tmp_path):
    """A plan stays light."""
    code = (
        "import sys\n"
        "from graftwork.plugins.datasets import HuggingFaceSpec\n"
        "from graftwork.plugins.datasets.records.huggingface import HuggingFace\n"
        f"HuggingFace(HuggingFaceSpec(path={str(parquet)!r})).load()\n"
        "assert 'torch' not in sys.modules\n"
    )
    import os

    environment = {**os.environ, "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


# -- webdataset --------------------------------------------------------------------------------------------------------


def shard(path: Path, samples: list[dict[str, Any]]) -> Path:
    """A shard as the webdataset library writes it."""
    webdataset = pytest.importorskip("webdataset")
    path.parent.mkdir(parents=True, exist_ok=True)
    with webdataset.TarWriter(str(path), encoder=False) as writer:
        for sample in samples:
            writer.write(
                {key: one.encode() if isinstance(one, str) and key != "__key__" else one for key, one in sample.items()}
            )
    return path


def sample(number: int, label: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "__key__": f"{number:06d}",
        "jpg": jpeg(f"wds{number}", number % 2),
        "cls": str(number % 2) if label is None else label,
        **more,
    }


@pytest.fixture
def shards(tmp_path) -> Path:
    """Two training shards of ten, one of four to test."""
    for number in range(2):
        shard(tmp_path / f"train-{number:06d}.tar", [sample(10 * number + row) for row in range(10)])
    shard(tmp_path / "test-000000.tar", [sample(100 + row) for row in range(4)])
    return tmp_path


def wds(folder: Path, store: Path | None = None, tell: Any = lambda event: None, **fields: Any) -> DatasetContent:
    fields = {"class_names": ["cat", "dog"], "shards": {"train": str(folder / "*.tar")}} | fields
    dataset = WebDataset(WebDatasetSpec(**fields))
    dataset.files = FileMemo(store, tell)
    return dataset.load()


def of(folder: Path, **patterns: str) -> dict[str, str]:
    return {split: str(folder / pattern) for split, pattern in patterns.items()}


def wds_refusal(folder: Path, **fields: Any) -> str:
    with pytest.raises(DataError) as error:
        wds(folder, **fields)
    return str(error.value).replace(str(folder), "ROOT")


BOTH = "train-{000000..000001}.tar"


@pytest.mark.parametrize("kind", ["nothing", "folder", "names without a dot", "hidden"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_shards_without_a_sample_are_named(shards, kind, split):
    """Whatever lies in them; an empty one beside others is none of the user's concern."""
    names = {"nothing": [], "folder": ["a.d/"], "names without a dot": ["README"], "hidden": [".a.png"]}[kind]
    with tarfile.open(shards / "odd.tar", "w") as odd:
        for name in names:
            info = tarfile.TarInfo(name.rstrip("/"))
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            odd.addfile(info)
    given = of(shards, train=BOTH, test="test-000000.tar") | of(shards, **{split: "odd.tar"})
    said = wds_refusal(shards, shards=given)
    assert said.startswith(f"dataset.shards.{split}: no sample in 1 shard (ROOT/odd.tar): nothing is there, or")
    assert sizes(wds(shards, shards=of(shards, train="{train-000000,odd}.tar", test="test-000000.tar")))["train"] == 8


def test_shards_are_listed_by_key(shards):
    """Braces count through the shards; what is not given is cut off train."""
    content = wds(shards, shards=of(shards, train=BOTH, test="test-000000.tar"))
    assert sizes(content) == {"train": 16, "val": 4, "test": 4}
    item = content.splits["test"][1]
    assert (item.id, item.target, set(item.modalities)) == ("test/000101", 1, {"image"})
    assert content.split_id == (
        "webdataset shards (train train-{000000..000001}.tar, test test-000000.tar), "
        "val 20% a class by content hash, test as given"
    )


def test_a_picture_is_read_from_its_place_in_the_shard(shards):
    """Bit for bit what was written, in any order, and never before it is asked for."""
    content = wds(shards, shards=of(shards, train=BOTH))
    for item in sorted(content.splits["train"], key=lambda item: item.id, reverse=True):
        number = int(item.id.split("/")[1])
        (member,) = [
            one
            for path in sorted(shards.glob("train-*.tar"))
            for one in members(path, tar_index(path))
            if one.name == f"{number:06d}.jpg"
        ]
        assert member.read() == jpeg(f"wds{number}", number % 2)
        assert item.modalities["image"].digest == member.digest
        assert item.modalities["image"].read().size == (24, 24)


def test_listed_items_hold_no_pixels(tmp_path):
    """Four megabytes of pictures are listed without being kept."""
    import tracemalloc

    noise = [jpeg(f"n{row}") + bytes(200_000) for row in range(20)]
    path = shard(
        tmp_path / "big.tar", [{"__key__": str(row), "jpg": noise[row], "cls": str(row % 2)} for row in range(20)]
    )
    del noise
    tracemalloc.start()
    content = wds(tmp_path, shards={"train": str(path)})
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(sizes(content).values()) == 20
    assert held < 500_000
    assert peak < 2_000_000


def test_labels_and_captions_may_stand_in_json(tmp_path):
    """``json.field`` names the field; a label may be a name."""
    rows = [
        {
            "__key__": f"a/{n}",
            "png": jpeg(str(n)),
            "json": json.dumps({"breed": "dog" if n % 2 else "cat", "words": f"no. {n}"}),
        }
        for n in range(10)
    ]
    path = shard(tmp_path / "x.tar", rows)
    content = wds(tmp_path, shards={"train": str(path)}, label="json.breed", text="json.words", class_names=None)
    assert content.class_names == ("cat", "dog")
    texts = {item.id: item.modalities["text"].read() for items in content.splits.values() for item in items}
    assert texts["train/a/3"] == "no. 3"


def test_class_names_may_come_from_a_file(shards):
    """A name a line, as the sets on the Hub have it."""
    names = write(shards / "classnames.txt", "tabby cat\npoodle\n")
    content = wds(shards, shards=of(shards, train=BOTH), class_names=None, class_names_file=str(names))
    assert content.class_names == ("tabby cat", "poodle")


@pytest.mark.parametrize(("text", "shown"), [("cat\ncat\n", "cat"), ("cat\n\ndog\n", r"\(an empty line\)")])
def test_bad_file_of_class_names_is_refused(shards, text, shown):
    """Doubled names and empty lines would move every class after them."""
    names = write(shards / "names.txt", text)
    with pytest.raises(DataError, match=rf"names\.txt: every line is one class; more than once:\s+{shown}"):
        wds(shards, shards=of(shards, train=BOTH), class_names=None, class_names_file=str(names))


def test_file_without_a_class_name_is_refused(shards):
    """Empty is no list of classes."""
    names = write(shards / "names.txt", "")
    with pytest.raises(DataError, match=r"names\.txt names no class"):
        wds(shards, shards=of(shards, train=BOTH), class_names=None, class_names_file=str(names))


def test_names_cannot_come_from_two_places():
    """One of them would be ignored."""
    with pytest.raises(ValueError, match="give `class_names` or `class_names_file`, not both"):
        WebDatasetSpec(shards={"train": "x.tar"}, class_names=["a"], class_names_file="y")


def test_a_second_run_reads_no_shard_again(shards, tmp_path, monkeypatch):
    """The index of a shard, with its labels, is remembered as long as the shard stays as it is."""
    monkeypatch.setattr(file_memo, "STABLE_NS", 0)
    first, heard = wds(shards, tmp_path / "store", shards=of(shards, train=BOTH)), []
    monkeypatch.setattr(tarfile, "open", None)
    again = wds(shards, tmp_path / "store", heard.append, shards=of(shards, train=BOTH))
    assert (again.fingerprint(), heard) == (first.fingerprint(), [])


def test_missing_shards_are_counted_and_named(shards):
    """Ten by name."""
    message = wds_refusal(shards, shards=of(shards, train="train-{000000..000013}.tar"))
    lines = message.split("\n  ")
    assert lines[0] == "dataset.shards.train: 12 of 14 shards do not exist:"
    assert (lines[1], lines[-1]) == ("ROOT/train-000002.tar", "and 2 more")


def test_braces_that_do_not_close_are_refused(shards):
    """With an example of ones that do."""
    assert "write train-{000000..000009}.tar" in wds_refusal(shards, shards=of(shards, train="train-{000.tar"))


def test_keys_that_stand_in_two_shards_are_named(shards):
    """Two pictures under one id would be one item."""
    shard(shards / "train-000001.tar", [sample(row) for row in range(8, 12)])
    assert wds_refusal(shards, shards=of(shards, train=BOTH)).split("\n  ") == [
        f"ROOT/{BOTH}: 4 keys stand there more than once:",
        "000008 (000008.cls of train-000001.tar)",
        "000008 (000008.jpg of train-000001.tar)",
        "000009 (000009.cls of train-000001.tar)",
        "000009 (000009.jpg of train-000001.tar)",
    ]


def test_a_key_twice_in_one_shard_is_named(tmp_path):
    """Also within a shard."""
    path = shard(tmp_path / "x.tar", [sample(1), sample(2), sample(1)])
    assert "000001 (000001.jpg of x.tar)" in wds_refusal(tmp_path, shards={"train": str(path)})


def test_samples_without_a_picture_are_named(tmp_path):
    """The key, and which suffixes were looked for."""
    rows = [sample(row) for row in range(6)] + [{"__key__": "odd", "cls": "0"}]
    message = wds_refusal(tmp_path, shards={"train": str(shard(tmp_path / "x.tar", rows))})
    assert message == "ROOT/x.tar: 1 of 7 samples have no picture (jpg, jpeg, png, webp):\n  odd"


@pytest.mark.parametrize("label", ["7", "-3", "eel", ""])
def test_label_that_is_no_class_is_named(tmp_path, label):
    """Numbers out of range and names that are not among the class names."""
    rows = [*(sample(row) for row in range(6)), sample(6, label)]
    message = wds_refusal(tmp_path, shards={"train": str(shard(tmp_path / "x.tar", rows))})
    assert message.startswith("shards (train x.tar): 1 record has no label of the 2 classes")
    assert message.endswith("train/000006: " + repr(int(label) if label[-1:].isdigit() else label))


def test_broken_json_of_a_sample_is_named(tmp_path):
    """Shard and member."""
    path = shard(tmp_path / "x.tar", [{"__key__": "a", "jpg": jpeg("a"), "json": "{"}])
    message = wds_refusal(tmp_path, shards={"train": str(path)}, label="json.label")
    assert message.startswith("ROOT/x.tar:a.json: not JSON: ")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"label": "cat", "x": ' + "[" * 3000 + "]" * 3000 + "}", "nested deeper than 64 levels"),
        ('{"label": "\\ud800cat"}', "a string with half a surrogate pair"),
        ('{"label": "cat", "\\udfff": 1}', "a string with half a surrogate pair"),
        ('{"label": "cat", "label": "dog"}', "key `label` stands here twice"),
        ('{"label": NaN}', "NaN is not JSON"),
    ],
)
def test_json_of_a_sample_is_read_strictly(tmp_path, content, reason):
    """As every other file of people's data; whole pairs of surrogates are a letter."""
    path = shard(tmp_path / "x.tar", [{"__key__": "a", "jpg": jpeg("a"), "json": content}])
    assert wds_refusal(tmp_path, shards={"train": str(path)}, label="json.label").endswith(f"not JSON: {reason}")
    whole = [{**sample(n), "json": f'{{"label": "\\ud83d\\ude0{n % 2}"}}'} for n in range(20)]
    path = shard(tmp_path / "y.tar", whole)
    content_of_whole = wds(tmp_path, shards={"train": str(path)}, label="json.label", class_names=None)
    assert content_of_whole.class_names == ("\U0001f600", "\U0001f601")


def test_compressed_shard_is_refused_with_what_to_do(shards):
    """A place inside a compressed file cannot be read by itself."""
    plain = (shards / "test-000000.tar").read_bytes()
    write(shards / "x.tar", gzip.compress(plain))
    message = wds_refusal(shards, shards=of(shards, train="x.tar"))
    assert "ROOT/x.tar: no whole plain tar file: " in message
    assert "unpack a compressed one (gunzip)" in message


@pytest.mark.parametrize("content", [b"", b"not a tar file", bytes(range(256)) * 8])
def test_what_is_no_tar_file_is_named(tmp_path, content):
    """Empty or something else."""
    write(tmp_path / "x.tar", content)
    assert "1 of 1 files cannot be used:\n  ROOT/x.tar: " in wds_refusal(tmp_path, shards=of(tmp_path, train="x.tar"))


def test_a_link_in_a_shard_is_refused(tmp_path):
    """``tar`` packs the second of two hard-linked files as a link: a reader of regular files would lose its sample."""
    first = write(tmp_path / "000001.jpg", jpeg("a"))
    (tmp_path / "000002.jpg").hardlink_to(first)
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for number in (1, 2):
            archive.add(tmp_path / f"00000{number}.jpg", f"00000{number}.jpg")
    message = wds_refusal(tmp_path, shards=of(tmp_path, train="x.tar"))
    assert "000002.jpg is a link or sparse, without bytes of its own (--hard-dereference)" in message


@pytest.fixture(scope="module")
def whole_shard(tmp_path_factory) -> bytes:
    return shard(tmp_path_factory.mktemp("whole") / "x.tar", [sample(row) for row in range(4)]).read_bytes()


@given(cut=st.integers(0, 20_000))
@settings(max_examples=80)
def test_a_shard_that_was_cut_off_never_gives_fewer_samples(whole_shard, tmp_path_factory, cut):
    """It is whole (only padding is gone) or refused: nothing is lost without a word."""
    path = tmp_path_factory.mktemp("cut") / "x.tar"
    path.write_bytes(whole_shard[: min(cut, len(whole_shard))])
    try:
        found = members(path, tar_index(path))
    except DataError:
        return
    assert len(found) == 8


@given(place=st.integers(0, 7), flip=st.integers(0, 511), bit=st.integers(0, 7))
@settings(max_examples=60)
def test_a_damaged_header_never_hides_the_files_behind_it(whole_shard, tmp_path_factory, place, flip, bit):
    """``tarfile`` stops without a word at a header that is none; the index does not."""
    with tarfile.open(fileobj=io.BytesIO(whole_shard)) as archive:
        offset = archive.getmembers()[place].offset + flip
    damaged = bytearray(whole_shard)
    damaged[offset] ^= 1 << bit
    path = tmp_path_factory.mktemp("flip") / "x.tar"
    path.write_bytes(damaged)
    try:
        found = members(path, tar_index(path))
    except DataError:
        return
    assert len(found) == 8


def test_a_shard_that_changed_since_it_was_listed_gives_no_wrong_picture(shards):
    """The bytes are held against the digest."""
    content = wds(shards, shards=of(shards, train=BOTH))
    path = shards / "train-000000.tar"
    path.write_bytes(path.read_bytes().replace(b"\xff\xd8\xff", b"\xff\xd8\xfe"))
    item = next(one for one in content.splits["train"] if one.id < "train/000010")
    with pytest.raises(DataError, match=r"train-000000\.tar: .*\.jpg changed while the data set was in use; run again"):
        item.modalities["image"].read()


# -- both, end to end --------------------------------------------------------------------------------------------------


def sources(parquet: Path, shards: Path) -> Iterator[dict[str, Any]]:
    yield {"type": "huggingface", "path": str(parquet)}
    yield {"type": "huggingface", "path": str(parquet), "streaming": True}
    yield {"type": "webdataset", "shards": of(shards, train=BOTH), "class_names": ["cat", "dog"]}


def test_each_runs_end_to_end_and_is_learnt(parquet, shards, tmp_path):
    """From parquet, a stream and shards to a trained head: the classes are bright in different corners."""
    for number, dataset in enumerate(sources(parquet, shards)):
        run = pipeline(dataset=dataset, trainer__epochs=30).run(tmp_path / str(number), tmp_path / "store")
        assert run.result["dataset"]["type"] == dataset["type"]
        assert run.result["test"]["accuracy"]["mean"] > 0.9
