"""The ``captions_file`` captioner: descriptions found by id, file or content, and every mistake named by its line."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from graftwork.core.data.items import DataError
from graftwork.core.data.pictures import file_media
from graftwork.core.features.written_of_files import written_of_files
from graftwork.core.roles import CaptionerError, PictureKey
from graftwork.core.storage.run_folder import read_json_file
from graftwork.plugins.captioners import CaptionsFileSpec
from graftwork.plugins.captioners.captions_file import CaptionsFile
from graftwork.plugins.datasets import DigitsSpec

from ...support.small_pipeline import pipeline

ONE = PictureKey("cat/1.png", "ab" * 32, "/data/cat/1.png")
TWO = PictureKey("dog/1.png", "cd" * 32, "/data/dog/1.png")


def captions(tmp_path: Path, content: str, name: str = "captions.jsonl", **fields: Any) -> CaptionsFile:
    (tmp_path / name).write_text(content, "utf-8")
    return CaptionsFile(CaptionsFileSpec(file=str(tmp_path / name), **fields))


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize(
    ("key", "first", "second"),
    [
        ("id", "cat/1.png", "dog/1.png"),
        ("sha256", "AB" * 32, "cd" * 32),
        ("file_name", "cat/1.png", "./dog/1.png"),
        ("file_name", "/data/cat/1.png", "/data/dog/1.png"),
    ],
    ids=["id", "sha256", "relative path", "path"],
)
def test_descriptions_are_found_by_every_key(tmp_path: Path, key: str, first: str, second: str) -> None:
    """The only key that a file has is taken; what is not there is ``None``."""
    content = lines({key: second, "text": "a dog"}, {key: first, "text": "a cat"})
    other = PictureKey("x", "ef" * 32, "/data/x")
    assert captions(tmp_path, content).look_up([ONE, TWO, other]) == ["a cat", "a dog", None]


def test_a_csv_is_read_with_its_quotes_and_line_breaks(tmp_path: Path) -> None:
    """With the byte order mark that spreadsheets write."""
    content = '\ufeffid,text\r\ncat/1.png,"a cat, ""grey""\nasleep"\r\ndog/1.png,\r\n'
    assert captions(tmp_path, content, "captions.csv").look_up([ONE, TWO]) == ['a cat, "grey"\nasleep', ""]


def test_the_longer_path_is_the_closer_one(tmp_path: Path) -> None:
    """A bare name serves whatever no longer path names."""
    content = lines({"file_name": "1.png", "text": "any"}, {"file_name": "cat/1.png", "text": "a cat"})
    assert captions(tmp_path, content).look_up([ONE, TWO]) == ["a cat", "any"]


@pytest.mark.parametrize(
    ("name", "sources"),
    [
        ("1.png", ["/data/cat/1.png", "/data/dog/1.png"]),
        ("./1.png", ["cat/1.png", "1.png"]),
        ("cat/1.png", ["/data/train/cat/1.png", "/data/test/cat/1.png", "/data/val/cat/1.png"]),
        ("1.png", ["/data/a.tar:x/1.png", "/data/b.tar:x/1.png"]),
    ],
)
def test_a_name_that_several_pictures_end_in_is_refused(tmp_path: Path, name: str, sources: list[str]) -> None:
    """It would describe all of them alike; which pictures, and what to do."""
    keys = [PictureKey(source, f"{number}" * 64, source) for number, source in enumerate(sources)]
    file = captions(tmp_path, lines({"file_name": name, "text": "a cat"}))
    with pytest.raises(
        CaptionerError, match="1 file names are those of more than one picture; write longer paths"
    ) as error:
        file.look_up(keys)
    assert f"{name}: {', '.join(sources)}" in str(error.value)
    assert file.look_up(keys[:1]) == ["a cat"]


def test_a_name_may_describe_copies_of_one_picture(tmp_path: Path) -> None:
    """Equal bytes are one picture wherever they lie; so are items that share one."""
    copies = [
        PictureKey(str(n), "ab" * 32, f"/data/{split}/1.png") for n, split in enumerate(("train", "train", "raw"))
    ]
    assert captions(tmp_path, lines({"file_name": "1.png", "text": "a"})).look_up(copies) == ["a", "a", "a"]


@pytest.mark.parametrize("other", ["./cat/1.png", "cat//1.png", "cat/./1.png"])
def test_two_names_of_one_file_with_two_texts_are_refused(tmp_path: Path, other: str) -> None:
    """The later line does not win without a word; with one text they are one."""
    content = lines({"file_name": "cat/1.png", "text": "a cat"}, {"file_name": other, "text": "a dog"})
    with pytest.raises(CaptionerError, match="are one file, with two texts"):
        captions(tmp_path, content).look_up([ONE])
    assert captions(tmp_path, content.replace("dog", "cat"), "b.jsonl").look_up([ONE]) == ["a cat"]


def test_one_of_several_keys_is_chosen_in_the_spec(tmp_path: Path) -> None:
    """Without the choice it is an error that lists them."""
    content = lines({"id": "cat/1.png", "sha256": "cd" * 32, "text": "t"})
    assert captions(tmp_path, content, key="sha256").look_up([ONE, TWO]) == [None, "t"]
    with pytest.raises(CaptionerError, match="it has id and sha256; say which under `key`"):
        captions(tmp_path, content).look_up([ONE])


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (lines({"id": "1", "text": "a"}, {"id": "1", "text": "b"}), "c.jsonl", "c.jsonl:2: id 1 stands above"),
        (lines({"id": "1", "caption": "a"}), "c.jsonl", "c.jsonl:1: unknown column `caption`; known: id, file_name"),
        (lines({"id": "1", "texts": "a"}), "c.jsonl", "unknown column `texts`; did you mean `text`"),
        ("id,text,score\n1,a,2\n", "c.csv", "c.csv:2: unknown column `score`"),
        ("id,text,text\n1,a,b\n", "c.csv", "c.csv:1: column `text` stands there twice"),
        ("id;text\n1;a\n", "c.csv", "c.csv:1: its fields are separated by semicolons; separate them by commas"),
        ("id\ttext\n1\ta\n", "c.csv", "c.csv:1: its fields are separated by tabs; separate them by commas"),
        ("id,id,text\n1,2,a\n", "c.csv", "c.csv:1: column `id` stands there twice"),
        ("text,text\n", "c.csv", "c.csv:1: column `text` stands there twice"),
        ("id,text\n1,a,2\n", "c.csv", "c.csv:2: not 2 fields, as in the header"),
        ('id,text\n1,"a\n', "c.csv", "not CSV"),
        (lines({"id": 1, "text": "a"}), "c.jsonl", "c.jsonl:1: `id` must be a string, not 1"),
        (lines({"id": "1"}), "c.jsonl", "c.jsonl:1: `text` is missing"),
        (lines({"id": "1", "text": "a"}, {"file_name": "b", "text": "b"}), "c.jsonl", "it has id and file_name"),
        (lines({"text": "a"}), "c.jsonl", "needs one key of id, file_name, sha256: it has none"),
        ("[1]\n", "c.jsonl", "c.jsonl:1: write an object"),
        ('\n{"id": "1",}\n', "c.jsonl", "c.jsonl:2: not JSON"),
        ("", "c.jsonl", "holds no descriptions"),
        ("id\ttext\n", "c.tsv", "neither"),
    ],
)
def test_mistakes_are_named_by_their_line(tmp_path: Path, content: str, name: str, says: str) -> None:
    """What, where, and the nearest name."""
    with pytest.raises(CaptionerError) as error:
        captions(tmp_path, content, name).look_up([ONE])
    assert says in str(error.value)


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    """With the byte."""
    (tmp_path / "c.jsonl").write_bytes(b'{"id": "\xff"}')
    with pytest.raises(CaptionerError, match="not UTF-8: byte 8"):
        CaptionsFile(CaptionsFileSpec(file=str(tmp_path / "c.jsonl"))).look_up([ONE])


def test_looking_up_imports_nothing_heavy(tmp_path: Path) -> None:
    """A plan does it."""
    (tmp_path / "c.jsonl").write_text(lines({"id": "1", "text": "a"}))
    script = f"""
import sys
from graftwork.core.roles import PictureKey
from graftwork.plugins.captioners import CaptionsFileSpec
from graftwork.plugins.captioners.captions_file import CaptionsFile
spec = CaptionsFileSpec(file={str(tmp_path / "c.jsonl")!r})
assert spec.identity() and CaptionsFile(spec).look_up([PictureKey("1", "", "")]) == ["a"]
print(sorted({{"torch", "transformers"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"


# In a pipeline


def folder(root: Path) -> dict[str, Any]:
    """Two classes of ten pictures, and captions by path."""
    rows = []
    for value, label in enumerate(("cat", "dog")):
        (root / label).mkdir(parents=True)
        for number in range(10):
            Image.new("L", (8, 8), 100 * value + number).save(root / label / f"{number}.png")
            rows.append({"file_name": f"{label}/{number}.png", "text": f"brightness {100 * value + number}"})
    (root / "captions.jsonl").write_text(lines(*rows))
    return {
        "dataset": {"type": "image_folder", "root": str(root)},
        "captioner": {"type": "captions_file", "file": str(root / "captions.jsonl")},
        "graph__nodes": "text",
    }


def test_a_run_takes_written_descriptions_and_predicts_with_them(tmp_path: Path) -> None:
    """Examples in the result; a new prediction finds the description by file, or is told that there is none."""
    run = pipeline(**folder(tmp_path / "data")).run(tmp_path / "run", tmp_path / "store")
    result = read_json_file(run.folder / "result.json")
    assert result["examples"][0]["description"].startswith("brightness ")
    assert result["descriptions"]["items"] == 20
    predictor = run.load()
    assert predictor.predict([tmp_path / "data" / "dog" / "3.png"])[0].description == "brightness 103"
    Image.new("L", (8, 8), 50).save(tmp_path / "new.png")
    with pytest.raises(DataError, match=r"no description for .*new\.png: write one, or give --text"):
        predictor.predict([tmp_path / "new.png"])
    with pytest.raises(DataError, match="found by file: give paths, or predict"):
        predictor.predict([Image.new("L", (8, 8))])
    assert predictor.predict([Image.new("L", (8, 8))], ["brightness 9"])[0].description is None


def keyed_by(key: str, root: Path) -> dict[str, Any]:
    """The same, the captions by another key; a file name may be a whole path."""
    spec = folder(root)
    rows = [json.loads(line) for line in (root / "captions.jsonl").read_text().splitlines()]
    values = {
        "id": lambda name: {"id": name},
        "sha256": lambda name: {"sha256": hashlib.sha256((root / name).read_bytes()).hexdigest()},
        "file_name": lambda name: {"file_name": name},
        "path": lambda name: {"file_name": str(root / name)},
    }
    named = [{**values[key](row["file_name"]), "text": row["text"]} for row in rows]
    (root / "captions.jsonl").write_text(lines(*named))
    return spec


@pytest.mark.parametrize("key", ["id", "sha256", "file_name", "path"])
def test_a_prediction_takes_the_description_of_its_own_picture_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """By a path however it is spelt, or by its bytes; never that of a picture whose path ends alike."""
    root = tmp_path / "data"
    predictor = pipeline(**keyed_by(key, root)).run(tmp_path / "run", tmp_path / "store").load()
    monkeypatch.chdir(root)
    (tmp_path / "link").symlink_to(root)
    (tmp_path / "far").mkdir()
    (root / "far").symlink_to(tmp_path / "far")
    own = ["cat/0.png", "../data/./cat/0.png", str(root / "cat" / "0.png"), str(tmp_path / "link" / "cat" / "0.png")]
    assert [one.description for one in predictor.predict(own)] == ["brightness 0"] * 4
    for other in (tmp_path / "oth" / "cat" / "0.png", tmp_path / "cat" / "0.png"):
        other.parent.mkdir(parents=True)
        Image.new("L", (8, 8), 50).save(other)
        with pytest.raises(DataError, match=r"no description for .*give --text.*not below dataset\.root"):
            predictor.predict([other])
    with pytest.raises(DataError, match=r"no description for far/\.\./cat/0\.png"):
        predictor.predict(["far/../cat/0.png"])
    assert predictor.predict([other], ["brightness 50"])[0].description is None
    other.write_bytes((root / "cat" / "0.png").read_bytes())
    if key == "sha256":
        assert predictor.predict([other])[0].description == "brightness 0"
    else:
        with pytest.raises(DataError, match="only a description by sha256 is known to be of this picture"):
            predictor.predict([other])


@pytest.mark.parametrize("key", ["id", "file_name"])
def test_without_a_root_no_path_is_known_to_be_of_the_data_set(tmp_path: Path, key: str) -> None:
    """Only bytes say which picture a file is."""
    Image.new("L", (8, 8), 50).save(tmp_path / "1.png")
    named = captions(tmp_path, lines({key: str(tmp_path / "1.png"), "text": "a cat"}))
    picture = file_media(tmp_path / "1.png")
    with pytest.raises(DataError, match=r"1\.png: the data set has no root folder, so only a description by sha256"):
        written_of_files(named, [picture], DigitsSpec())
    by_bytes = captions(tmp_path, lines({"sha256": picture.sha256, "text": "a cat"}), "bytes.jsonl")
    assert written_of_files(by_bytes, [picture], DigitsSpec()) == ["a cat"]


def test_items_without_a_description_are_counted_and_named(tmp_path: Path) -> None:
    """How many, and the first ten; plan counts them too."""
    spec = folder(tmp_path / "data")
    captions = tmp_path / "data" / "captions.jsonl"
    captions.write_text("".join(captions.read_text().splitlines(keepends=True)[12:]))
    described = next(one for one in pipeline(**spec).plan(tmp_path / "store").stages if one.stage == "describe")
    assert (described.total, described.stored) == (20, 8)
    with pytest.raises(CaptionerError, match=r"12 of 20 items have no description(.|\n)*and 2 more$") as error:
        pipeline(**spec).run(tmp_path / "run", tmp_path / "store")
    assert str(error.value).count("\n  cat/") + str(error.value).count("\n  dog/") == 10


def test_a_file_that_is_not_there_is_said_by_plan_and_run(tmp_path: Path) -> None:
    """Plan lists it among what is missing; a run stops."""
    spec = {**folder(tmp_path / "data"), "captioner": {"type": "captions_file", "file": str(tmp_path / "no.jsonl")}}
    assert pipeline(**spec).plan(tmp_path / "store").missing == (f"captioner.file: {tmp_path}/no.jsonl does not exist",)
    with pytest.raises(CaptionerError, match=r"no\.jsonl cannot be read"):
        pipeline(**spec).run(tmp_path / "run", tmp_path / "store")
