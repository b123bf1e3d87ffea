"""``graftwork init`` and ``Pipeline.from_folder``: what is seen of data, and a pipeline for it that runs as it is."""

import csv
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image

from graftwork import Pipeline
from graftwork.core.cli import cli
from graftwork.core.data.found_files import FoundFiles, Reading, find_files
from graftwork.core.data.items import DataError
from graftwork.core.events import Event, StageAdvanced
from graftwork.core.roles import DatasetSpec, EncoderSpec, OnHand
from graftwork.core.storage.files import StorageError
from graftwork.core.survey.draft import Draft, draft
from graftwork.core.survey.readme import rows
from graftwork.registry.catalogue import Catalogue, Plugin
from graftwork.registry.component import Component
from graftwork.registry.discovery import default_catalogue
from graftwork.registry.errors import SpecError, UserError

from ...support.miniature_sets import jpeg, write
from ...support.paths import ROOT


def pictures(root: Path, classes: Mapping[str, int], split: str = "") -> Path:
    """``ROOT/[SPLIT/]CLASS/N.jpg``; the pictures of a class are bright in one corner."""
    for corner, (name, count) in enumerate(classes.items()):
        for number in range(count):
            write(root / split / name / f"{number}.jpg", jpeg(f"{split}{name}{number}", corner))
    return root


def drafted(path: Path, store: Path, **overrides: Any) -> Draft:
    return draft(path, {key.replace("__", "."): value for key, value in overrides.items()}, default_catalogue(), store)


def init(*arguments: str | Path) -> None:
    """The command, in this process."""
    cli.main(["init", *map(str, arguments)], standalone_mode=False)


def test_class_folders_become_a_few_shot_pipeline_of_their_own_size(tmp_path: Path) -> None:
    """Counts are the folder's, missing splits are cut, shots are what the smallest class has, and the page says so."""
    made = drafted(pictures(tmp_path / "my pets", {"cat": 9, "dog": 20, "owl": 12}), tmp_path / "store")
    assert made.seen.classes == {"cat": 9, "dog": 20, "owl": 12}
    assert made.seen.given == ("train",)
    assert sum(made.seen.splits.values()) == 41
    assert made.seen.contents == {"image": "24 x 24 pixels (32 of 41 looked at)"}
    assert made.spec.name == "my-pets"
    assert made.spec.dataset.shots == 4  # of 9 - 2 - 3 cats
    assert made.spec.encoder.missing_files() is None
    assert made.spec.evaluation.selecting_split == "val"
    assert json.loads(json.dumps(made.value)) == made.value


def test_splits_that_are_given_stay_and_val_alone_is_cut(tmp_path: Path) -> None:
    """``Training`` and ``Testing`` folders: nothing of the test folder moves."""
    pictures(pictures(tmp_path / "p", {"a": 5, "b": 5}, "Training"), {"a": 3, "b": 2}, "Testing")
    made = drafted(tmp_path / "p", tmp_path / "store")
    assert made.seen.given == ("train", "test")
    assert made.seen.splits == {"train": 8, "val": 2, "test": 5}


def test_classes_of_two_leave_nothing_to_choose_on(tmp_path: Path) -> None:
    """One to learn from, one to test on: no search, the last epoch."""
    made = drafted(pictures(tmp_path / "p", {"a": 2, "b": 7}), tmp_path / "store")
    assert made.seen.splits.keys() == {"train", "test"}
    assert made.spec.evaluation.select_on == "none"
    assert not made.spec.search


def test_a_class_of_one_is_named_and_can_be_left_out(tmp_path: Path) -> None:
    """The error has the option that leaves it out, and that works."""
    root = pictures(tmp_path / "p", {"a": 5, "b": 5, "rare": 1})
    with pytest.raises(DataError, match=r"rare \(1\).*--set 'dataset.exclude=\[\"rare\"\]'"):
        drafted(root, tmp_path / "store")
    assert drafted(root, tmp_path / "store", dataset__exclude=["rare"]).seen.classes == {"a": 5, "b": 5}


def test_copies_and_unreadable_pictures_are_told(tmp_path: Path) -> None:
    """A copy is counted; where one that was looked at cannot be read, the run leaves such out and says so."""
    root = pictures(tmp_path / "p", {"a": 6, "b": 6})
    shutil.copy(root / "a" / "0.jpg", root / "a" / "again.jpg")
    write(root / "b" / "torn.jpg", b"no picture")
    made = drafted(root, tmp_path / "store")
    assert made.seen.copies == 1
    assert made.spec.dataset.on_error == "record"
    assert any("torn.jpg" in note for note in made.notes)


def test_data_of_which_nothing_can_be_learnt_or_tested_is_refused(tmp_path: Path) -> None:
    """Pictures none of which can be read; copies of one picture, that leave nothing to test on."""
    for name in ("torn", "copied"):
        for number in range(8):
            content = jpeg("one", 0) if name == "copied" else f"no picture {number}".encode()
            write(tmp_path / name / "ab"[number % 2] / f"{number}.jpg", content)
    with pytest.raises(DataError, match=r"none of the 8 items looked at can be read: .*0\.jpg"):
        drafted(tmp_path / "torn", tmp_path / "store")
    with pytest.raises(DataError, match="no `test` is left when copies stay together"):
        drafted(tmp_path / "copied", tmp_path / "store")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", "text,label\nh\u00e9llo,a\n".encode("latin1"), "t.csv.*UTF-8"),
        ("t.csv", b"", "t.csv has no columns"),
        ("t.csv", b"text,label\n", r"nothing shows its items \(it has no rows\)"),
        ("t.csv", b"text,label,label\nx,a,b\n", "t.csv.*label"),
        ("t.csv", b"words,label\nx,a\n", r"it has words, label\): it needs a column of texts \(text, caption"),
        ("t.jsonl", b'{"text": "a", "label": NaN}\n', "t.jsonl:1.*NaN"),
        ("t.jsonl", b"{", "t.jsonl:1"),
    ],
)
def test_a_list_that_cannot_be_read_says_why(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """By itself, or in a folder where nothing else is read."""
    write(tmp_path / "p" / name, content)
    with pytest.raises(DataError, match=said):
        drafted(tmp_path / "p" / name, tmp_path / "store")


def test_ready_vectors_are_the_nodes_and_the_unlabelled_are_counted(tmp_path: Path) -> None:
    """Of vectors with texts, too; a class name of two lines stays in its line of the page."""
    labels = np.array(["a\nb", "c", ""] * 10)
    vectors = np.random.default_rng(0).normal(size=(30, 4))
    np.savez(tmp_path / "v.npz", vectors=vectors, labels=labels, texts=np.array([f"text {n}" for n in range(30)]))
    made = drafted(tmp_path / "v.npz", tmp_path / "store")
    assert made.spec.encoder.type == "given"
    assert dict(rows(made))["unlabelled"] == "10"
    assert dict(rows(made))["2 classes"] == "a\\nb 10, c 10"


@pytest.mark.parametrize(
    ("classes", "said"),
    [({}, "holds no files"), ({"only": 4}, "one class alone, only"), ({"a": 3, "empty": 0}, "holds no pictures")],
)
def test_what_cannot_be_told_apart_is_refused_in_words(tmp_path: Path, classes: dict[str, int], said: str) -> None:
    """Nothing there, one class, a class folder without pictures."""
    root = pictures(tmp_path / "p", classes)
    for name in classes or [""]:
        (root / name).mkdir(parents=True, exist_ok=True)
    with pytest.raises(DataError, match=said):
        drafted(root, tmp_path / "store")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("answers", ["red", "red", "blue"], r"answers to questions \(`answers`\), which is task `vqa`"),
        (
            "segments",
            [{"image": "0.png", "label": "a"}],
            r"segments with a label each .* begin with examples/pocket_events",
        ),
        (
            "passes",
            [{"image": "0.png"}, {"image": "1.png"}],
            r"several passes an item .* begin with examples/pocket_nlvr2",
        ),
    ],
)
def test_lists_of_other_tasks_say_what_to_begin_with(key: str, value: object, said: str, tmp_path: Path) -> None:
    """What was seen, the task, an example that is there, and the data set's section."""
    pictures(tmp_path, {"": 2})
    (tmp_path / "items.jsonl").write_text(json.dumps({"text": "what colour is it?", key: value}) + "\n")
    with pytest.raises(DataError, match=said) as error:
        drafted(tmp_path, tmp_path / "store")
    (example,) = re.findall(r"examples/\w+\.json", str(error.value))
    assert (ROOT / example).is_file()
    assert f'"dataset": {{"type": "json_lines", "root": "{tmp_path}"' in str(error.value)


@pytest.mark.parametrize("segments", [{}, {"segments": 2}])
def test_captions_without_classes_are_a_retrieval(segments: dict[str, int], tmp_path: Path) -> None:
    """Of whole files or of segments; another column may be the label's, which can be named."""
    pictures(tmp_path, {"": 4})
    lines = [{"image": f"{number}.jpg", "text": f"no. {number}", **segments} for number in range(4)]
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(DataError, match=r"no classes \(`text`\), which is task `retrieval`, .*/pocket_retrieval\.json"):
        drafted(tmp_path, tmp_path / "store")
    if segments:
        return
    (tmp_path / "items.jsonl").write_text("\n".join(json.dumps({**line, "sort": "a"}) for line in lines))
    with pytest.raises(DataError, match=r"name the label's column with --set dataset\.columns\.label=COLUMN"):
        drafted(tmp_path, tmp_path / "store")


def test_a_class_that_copies_keep_out_of_a_split_can_be_left_out(tmp_path: Path) -> None:
    """The line names the option, and with it the rest is drafted."""
    root = pictures(tmp_path / "p", {"a": 6, "b": 6, "same": 1})
    for number in range(5):
        shutil.copy(root / "same" / "0.jpg", root / "same" / f"copy{number}.jpg")
    with pytest.raises(DataError, match=r"copies stay together\); .* by --set 'dataset.exclude=\[\"same\"\]'"):
        drafted(root, tmp_path / "store")
    assert list(drafted(root, tmp_path / "store", **{"dataset.exclude": ["same"]}).seen.classes) == ["a", "b"]


def test_files_that_nothing_reads_are_named_by_their_suffixes(tmp_path: Path) -> None:
    """With what is read, in words; a path that is not there is another error."""
    write(tmp_path / "p" / "a.docx", b"x")
    with pytest.raises(DataError, match=r"files: 1 \.docx.*CSV"):
        drafted(tmp_path / "p", tmp_path / "store")
    with pytest.raises(DataError, match="is not there"):
        drafted(tmp_path / "q", tmp_path / "store")


def test_of_mixed_media_most_count_and_the_others_are_told(tmp_path: Path) -> None:
    """With the option that takes the others."""
    root = pictures(tmp_path / "p", {"a": 5, "b": 5})
    write(root / "a" / "bark.wav", b"RIFF")
    made = drafted(root, tmp_path / "store")
    assert made.spec.dataset.type == "image_folder"
    assert any("--set dataset.type=audio_folder" in note for note in made.notes)


def table(file: Path, rows: list[dict[str, str]], delimiter: str = ",") -> Path:
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return file


def test_a_table_beside_pictures_says_their_classes(tmp_path: Path) -> None:
    """Its columns are known by their names, and by the files that are there; the folders are not taken for classes."""
    root = pictures(tmp_path / "p", {"images": 12})
    rows = [{"filename": f"images/{n}.jpg", "size": "24", "species": "cat" if n % 2 else "dog"} for n in range(12)]
    table(root / "labels.csv", rows)
    made = drafted(root, tmp_path / "store")
    assert made.value["dataset"]["columns"] == {"image": "filename", "label": "species"}
    assert made.seen.classes == {"cat": 6, "dog": 6}
    assert made.seen.splits == {"train": 6, "val": 2, "test": 4}


def test_a_table_of_texts_with_its_splits(tmp_path: Path) -> None:
    """By itself, separated by semicolons: nodes are texts, and a column says the splits."""
    rows = [
        {"Text": f"{word} {n}", "label": word, "split": split}
        for word in ("red", "blue")
        for split, count in (("training", 4), ("test", 2))
        for n in range(count)
    ]
    made = drafted(table(tmp_path / "words.csv", rows, ";"), tmp_path / "store")
    assert made.seen.given == ("train", "test")
    assert made.seen.splits == {"train": 6, "val": 2, "test": 4}
    assert made.spec.graph is not None
    assert made.spec.graph.nodes == "text"


def test_a_label_under_another_name_is_asked_for_and_can_be_named(tmp_path: Path) -> None:
    """Nothing guesses which column is the class."""
    rows = [{"text": f"{word} {n}", "genre": word} for word in ("red", "blue") for n in range(5)]
    file = table(tmp_path / "words.csv", rows)
    with pytest.raises(DataError, match=r"dataset\.columns\.label"):
        drafted(file, tmp_path / "store")
    assert drafted(file, tmp_path / "store", dataset__columns__label="genre").seen.classes == {"blue": 5, "red": 5}


def test_json_lines_of_pictures_and_words_join_both(tmp_path: Path) -> None:
    """An image and a text of every item: nodes are fused, by an encoder each."""
    root = pictures(tmp_path / "p", {"a": 6, "b": 6})
    lines = [{"image": f"{c}/{n}.jpg", "text": f"number {n}", "label": c} for c in ("a", "b") for n in range(6)]
    write(root / "items.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    made = drafted(root, tmp_path / "store")
    assert "columns" not in made.value["dataset"]
    assert made.spec.encoder.modalities() == {"image", "text"}
    assert made.spec.graph is not None
    assert made.spec.graph.fusion == "concat"


def test_files_are_counted_one_by_one_and_folders_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ticks of progress, and through a link that leads back."""
    monkeypatch.setattr("graftwork.core.data.found_files._TICK", 100)
    pictures(tmp_path, {"a": 1})
    for number in range(250):
        (tmp_path / "a" / f"{number}.txt").touch()
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    heard: list[Event] = []
    found = find_files(tmp_path, heard.append)
    assert found.suffixes == {".jpg": 1, ".txt": 250}
    assert [one.done for one in heard if isinstance(one, StageAdvanced)] == [100, 200]


def test_a_setting_that_is_wrong_is_refused_as_in_a_spec(tmp_path: Path) -> None:
    """At its path."""
    root = pictures(tmp_path / "p", {"a": 3, "b": 3})
    with pytest.raises(SpecError, match=r"dataset\.shots"):
        drafted(root, tmp_path / "store", dataset__shots="many")
    with pytest.raises(SpecError, match="does not read what lies there; data sets that do: image_folder"):
        drafted(root, tmp_path / "store", dataset__type="audio_folder")
    with pytest.raises(SpecError, match=r"trainer\.epochs"):
        drafted(root, tmp_path / "store", trainer__epochs=-1)


class NotesSpec(DatasetSpec):
    """Pictures that a third party's program keeps."""

    type: Literal["notes_of_a_test"] = "notes_of_a_test"
    root: str = ""
    class_names: tuple[str, ...] = tuple("0123456789")

    @classmethod
    def reading(cls, found: FoundFiles) -> Reading | None:
        return (
            Reading({"root": str(found.path)}, 10**6, "pictures", "of a program") if "notes.db" in found.own else None
        )


class HandySpec(EncoderSpec):
    """A third party's model that is there."""

    type: Literal["handy_of_a_test"] = "handy_of_a_test"

    @classmethod
    def on_hand(cls) -> tuple[OnHand, ...]:
        return (OnHand({}, rank=-1),)

    def modalities(self) -> frozenset[str]:
        return frozenset({"image"})


def test_third_parties_data_sets_and_encoders_are_asked_as_ours_are(tmp_path: Path) -> None:
    """What they recognise is read by them, and what they have at hand is taken where it ranks first."""
    theirs = (
        Component("dataset", "notes_of_a_test", NotesSpec, "graftwork.plugins.datasets.digits:Digits", "notes"),
        Component("encoder", "handy_of_a_test", HandySpec, "nowhere:build", "handy"),
    )
    catalogue = Catalogue([*default_catalogue().plugins, Plugin("theirs", "of-a-test", "1", components=theirs)])
    write(tmp_path / "p" / "notes.db", b"x")
    made = draft(tmp_path / "p", {}, catalogue, tmp_path / "store")
    assert made.spec.dataset.type == "notes_of_a_test"
    assert made.spec.encoder.type == "handy_of_a_test"


def test_without_a_real_model_the_trial_one_is_taken_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that brings a real one; where nothing takes a modality, that is an error."""
    monkeypatch.setattr("graftwork.plugins.encoders.timm.spec.installed_of", lambda loader: [])
    made = drafted(pictures(tmp_path / "p", {"a": 3, "b": 3}), tmp_path / "store")
    assert made.spec.encoder.type == "open_clip"
    assert any('pip install "graftwork[vision]"' in note for note in made.notes)
    kept = [one for one in default_catalogue().plugins[0].components if one.kind != "encoder"]
    bare = Catalogue([Plugin("builtin", "graftwork", "0", components=tuple(kept))])
    with pytest.raises(DataError, match="no encoder on this machine takes image"):
        draft(tmp_path / "p", {}, bare, tmp_path / "store")


def test_the_command_writes_what_runs_and_overwrites_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spec and a page; each line of the table fits a terminal; a second call needs ``--force``; another's page stays.

    What it wrote is the pipeline that ``from_folder`` gives, and it runs as it is.
    """
    monkeypatch.setattr("graftwork.plugins.encoders.timm.spec.installed_of", lambda loader: [])  # what ships is quick
    root = pictures(tmp_path / "p", {"a": 5, "b": 5})
    write(root / "README.md", "# Mine\n")
    init(root, "--cache", tmp_path / "store")
    said = capsys.readouterr().out
    assert max(len(line) for line in said.splitlines() if str(root) not in line and line[:5] != "note:") <= 80
    assert "graftwork compare --methods few_shot" in said
    assert (root / "README.md").read_text("utf-8") == "# Mine\n"
    assert "## What to try next" in (root / "spec.md").read_text("utf-8")
    with pytest.raises(UserError, match="--force"):
        init(root)
    init(root, "--force", "--cache", tmp_path / "store")
    pipeline = Pipeline.from_file(root / "spec.json")
    assert pipeline.spec == Pipeline.from_folder(root, store=tmp_path / "store").spec
    assert repr(pipeline).startswith("Pipeline('p': image_folder data, encoder ")
    run = pipeline.run(tmp_path / "run", tmp_path / "store")
    assert run.result["test"]["accuracy"]["mean"] >= 0.5


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A folder in the place of the file."""
    from graftwork.core.cli.options import require_free

    with pytest.raises(UserError, match="is a folder; name a file"):
        require_free(tmp_path, force=True)


def test_grey_and_large_are_told_by_size(tmp_path: Path) -> None:
    """From the smallest to the largest."""
    for name, side in (("a", 10), ("b", 30)):
        for number in range(3):
            (tmp_path / "p" / name).mkdir(parents=True, exist_ok=True)
            Image.new("L", (side, side), number).save(tmp_path / "p" / name / f"{number}.png")
    made = drafted(tmp_path / "p", tmp_path / "store")
    assert made.seen.contents["image"] == "10 x 10 pixels to 30 x 30 pixels (all 6 looked at)"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file where a folder is needed."""
    write(tmp_path / "file", b"x")
    with pytest.raises(StorageError, match="file"):
        init(pictures(tmp_path / "p", {"a": 4, "b": 4}), "--out", tmp_path / "file" / "more" / "spec.json")
