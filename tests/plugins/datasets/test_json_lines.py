"""Data sets declared a line each: real files on disk, every form, and every mistake with file and line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from graftwork import Pipeline
from graftwork.core.data.file_memo import FileMemo
from graftwork.core.data.items import DataError, DatasetContent
from graftwork.core.data.waveform import Waveform
from graftwork.core.spec.load_spec import spec_from_dict
from graftwork.plugins.datasets import JsonLinesSpec
from graftwork.plugins.datasets.json_lines.answers import most_frequent, soft_scores
from graftwork.plugins.datasets.json_lines.dataset import JsonLines
from graftwork.plugins.tasks import EventsSpec, Nlvr2Spec, RetrievalSpec, VqaSpec
from graftwork.plugins.tasks.events import Events
from graftwork.plugins.tasks.nlvr2 import Nlvr2
from graftwork.plugins.tasks.retrieval import Retrieval
from graftwork.plugins.tasks.vqa import Vqa
from graftwork.registry.errors import SpecError

from ...core.spec.test_json_source import VALUES
from ...support.paths import ROOT

RATE = 8000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Pictures a to c of three colours, sounds a and b."""
    (tmp_path / "pics").mkdir()
    for number, name in enumerate("abc"):
        Image.new("RGB", (4, 4), (80 * number, 0, 0)).save(tmp_path / "pics" / f"{name}.png")
    for number, name in enumerate("ab", start=1):
        stereo = np.stack([np.full(80, 0.25 * number), np.full(80, 0.5 * number)], axis=1)
        soundfile.write(tmp_path / f"{name}.wav", stereo, RATE, subtype="FLOAT")
    return tmp_path


def write(root: Path, **splits: Iterable[Mapping[str, Any] | str]) -> None:
    for split, lines in splits.items():
        text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
        (root / f"{split}.jsonl").write_text(text, "utf-8")


def load(root: Path, **fields: Any) -> DatasetContent:
    return JsonLines(JsonLinesSpec(root=str(root), **fields)).load()


def refused(root: Path, **fields: Any) -> str:
    """What the user reads, without the folder's name."""
    with pytest.raises(DataError) as error:
        load(root, **fields)
    return str(error.value).replace(f"{root}/", "")


# -- the forms ---------------------------------------------------------------------------------------------------------

CAT = {"id": "1", "image": "pics/a.png", "label": "cat"}
DOG = {"id": "2", "image": "pics/b.png", "label": "dog"}


def test_labelled_pictures(root: Path) -> None:
    """Classes are the sorted labels of train; ids name split and item; a line without a label is unlabelled."""
    write(root, train=[DOG, CAT, {"id": 3, "image": "pics/c.png"}], test=[CAT])
    content = load(root)
    assert content.class_names == ("cat", "dog")
    assert [(item.id, item.target) for item in content.splits["train"]] == [
        ("train/2", 1),
        ("train/1", 0),
        ("train/3", None),
    ]
    (item,) = content.splits["test"]
    assert item.modalities["image"].read().getpixel((0, 0)) == (0, 0, 0)
    assert content.split_id.startswith("json_lines, train train.jsonl (sha256 ")


def test_questions_have_soft_scores(root: Path) -> None:
    """Three of ten people make an answer right, one a third of it; given scores are kept."""
    asked = {"image": "pics/a.png", "text": "what colour?"}
    people = {**asked, "id": "1", "answers": ["red"] * 8 + ["maroon"] * 2}
    scored = {**asked, "id": "2", "answers": {"blue": 0.5, "red": 0}}
    write(root, train=[people, scored], test=[people])
    content = load(root)
    assert content.class_names == ("blue", "maroon", "red")
    assert [item.target for item in content.splits["train"]] == [
        {1: pytest.approx(2 / 3), 2: 1.0},
        {0: 0.5},
    ]
    targets = Vqa(VqaSpec()).targets(content.splits["train"], 3)
    assert targets[0].tolist() == pytest.approx([0, 2 / 3, 1])


def test_answers_outside_the_vocabulary(root: Path) -> None:
    """Such a training question is not trained on, such a test question scores 0; the run says how many they are."""
    asked = {"image": "pics/a.png", "text": "what colour?"}
    reds = [{**asked, "answers": ["red"] * 10}, {**asked, "answers": ["red"] * 10}, {**asked, "answers": ["teal"] * 10}]
    write(root, train=reds, test=[{**asked, "answers": ["mauve"]}])
    content = load(root, vocabulary=1)
    assert content.class_names == ("red",)
    assert [item.target for item in content.splits["train"]] == [{0: 1.0}, {0: 1.0}, None]
    assert content.splits["test"][0].target == {}
    assert content.notes == (
        "1 of 3 questions of train have no answer in the vocabulary of 1; they are not trained on",
        "1 of 1 questions of test have no answer in the vocabulary of 1; they score 0",
    )


def test_statements_about_two_pictures(root: Path) -> None:
    """True and false are classes; each pass has a picture of its own and the shared statement."""
    pictures = [{"image": "pics/a.png"}, {"image": "pics/b.png"}]
    lines = [{"text": "both are red", "passes": pictures, "label": label} for label in (False, True, "true")]
    write(root, train=lines)
    content = load(root)
    assert content.class_names == ("false", "true")
    assert Nlvr2(Nlvr2Spec()).targets(content.splits["train"], 2)[:, 0].tolist() == [0, 1, 1]
    left, right = content.splits["train"][0].views()
    assert left["text"].read() == right["text"].read() == "both are red"
    assert left["image"].digest != right["image"].digest


def test_clips_with_a_label_a_segment(root: Path) -> None:
    """Each segment has a picture and a sound; null is an unlabelled one. Sound is the mean over the channels."""
    segments = [{"image": f"pics/{name}.png", "audio": f"{name}.wav"} for name in "ab"]
    write(
        root,
        train=[
            {"passes": segments, "label": ["bark", None]},
            {"passes": segments[:1], "label": ["background"]},
            {"passes": segments[:1], "label": [None]},
        ],
    )
    content = load(root)
    assert content.class_names == ("background", "bark")
    assert [item.target for item in content.splits["train"]] == [(1, -1), (0,), None]
    assert Events(EventsSpec()).targets(content.splits["train"], 2).tolist() == [[1, -1], [0, -1], [-1, -1]]
    sound = content.splits["train"][0].passes[1]["audio"].read()
    assert isinstance(sound, Waveform)
    assert (sound.rate, sound.samples.dtype, sound.samples.shape) == (RATE, np.float32, (80,))
    np.testing.assert_allclose(sound.samples, 0.75)


def test_pairs_of_image_and_text(root: Path) -> None:
    """Without labels and answers what is learnt is which belong together; pictures are known by content."""
    lines = [{"image": f"pics/{name}.png", "text": text} for name, text in (("a", "1"), ("b", "2"), ("a", "3"))]
    write(root, train=lines)
    content = load(root)
    items = content.splits["train"]
    assert content.class_names == ()
    assert all(item.target is not None for item in items)
    assert Retrieval(RetrievalSpec()).targets(items, 0).tolist() == [0, 1, 0]
    assert items[0].modalities["image"] is items[2].modalities["image"]


def test_classes_may_be_given(root: Path) -> None:
    """Their order is that of the spec, and classes without a line are allowed."""
    write(root, train=[CAT, DOG])
    content = load(root, classes=("fish", "dog", "cat"))
    assert content.class_names == ("fish", "dog", "cat")
    assert [item.target for item in content.splits["train"]] == [2, 1]


def test_files_may_be_named(root: Path) -> None:
    """Splits have the names of the spec; paths in lines count from the root."""
    (root / "lists").mkdir()
    write(root / "lists", mine=[CAT], yours=[CAT])
    content = load(root, splits={"test": "lists/yours.jsonl", "train": "lists/mine.jsonl"})
    assert set(content.splits) == {"train", "test"}


def test_a_byte_order_mark_and_empty_lines_are_no_mistakes(root: Path) -> None:
    """As editors leave them; other white space in strings (U+2028) is part of the text."""
    caption = {**CAT, "text": "a\u2028b"}
    (root / "train.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(caption, ensure_ascii=False).encode() + b"\n\n  \n")
    (item,) = load(root).splits["train"]
    assert item.modalities["text"].read() == "a\u2028b"


def test_a_picture_is_hashed_once(root: Path) -> None:
    """However many lines show it, its bytes are read once, through the memory that all data sets share."""
    write(root, train=[{**CAT, "id": str(number)} for number in range(50)])
    asked: list[int] = []

    class Counting(FileMemo):
        def pictures(self, root: Path, paths: Any) -> list[str]:
            asked.append(len(paths))
            return super().pictures(root, paths)

    dataset = JsonLines(JsonLinesSpec(root=str(root)))
    dataset.files = Counting()
    assert len({item.modalities["image"].digest for item in dataset.load().splits["train"]}) == 1
    assert asked == [1]


def documented_lines() -> list[str]:
    page = (ROOT / "docs" / "datasets.md").read_text("utf-8").split("## json_lines")[1]
    _, forms, example = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    return [*forms.splitlines(), *example.splitlines()]


@pytest.mark.parametrize("line", documented_lines(), ids=lambda line: json.loads(line)["id"])
def test_the_lines_of_the_page_are_read(tmp_path: Path, line: str) -> None:
    """Each by itself, once the files that it names are there."""
    for path in re.findall(r"[^\"]+\.(?:png|jpg|wav|mp4)", line):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(path.encode())
    write(tmp_path, train=[line])
    (item,) = load(tmp_path).splits["train"]
    assert item.id == f"train/{json.loads(line)['id']}"
    assert item.target is not None


def test_a_run_learns_from_labelled_lines(root: Path, tmp_path: Path) -> None:
    """The whole pipeline over pictures of two colours: every one of the test split is told."""
    for split, size in (("train", 6), ("val", 2), ("test", 4)):
        lines = []
        for number in range(size):
            colour = (220 - number, 10, 10) if number % 2 else (10, 10, 220 - number)
            Image.new("RGB", (32, 32), colour).save(root / f"{split}{number}.png")
            lines.append({"image": f"{split}{number}.png", "label": "red" if number % 2 else "blue"})
        write(root, **{split: lines})
    spec = {
        "dataset": {"type": "json_lines", "root": str(root)},
        "encoder": {"type": "open_clip", "model": "pocket"},
        "adapter": {"type": "none"},
        "task": {"type": "classification", "head": {"type": "mlp", "hidden": 8}},
        "trainer": {"epochs": 20, "optimizer": {"type": "adamw", "lr": 0.05}},
    }
    run = Pipeline.from_dict(spec).run(tmp_path / "runs")
    assert run.result["test"]["accuracy"]["mean"] == 1


# -- mistakes ----------------------------------------------------------------------------------------------------------

PASSES = [{"image": "pics/a.png"}, {"image": "pics/b.png"}]
LINES = {
    "bad JSON": ('{"id": "1", "image"}', "not JSON: expected `:` after key `image`"),
    "a key twice": ('{"id": "1", "id": "2", "image": "pics/a.png"}', "not JSON: key `id` stands here twice"),
    "NaN": ('{"image": "pics/a.png", "answers": {"red": NaN}}', "not JSON: NaN is not JSON"),
    "half a surrogate pair": ('{"text": "\\ud83d", "label": "cat"}', "not JSON: a string with half a surrogate pair"),
    "no object": ("[1]", "every line is an object"),
    "a misspelt field": ({**CAT, "imge": "a"}, "unknown field `imge`; did you mean `image`?"),
    "an unknown field": ({**CAT, "weight": 1}, "unknown field `weight`; known: id, image, video, text, audio, at"),
    "an image that is no path": ({"image": 3, "label": "cat"}, "`image` must be a path below the root, not 3"),
    "a text that is no string": ({"text": ["a"], "label": "cat"}, "`text` must be a string, not ['a']"),
    "an id that is no name": ({**CAT, "id": True}, "`id` must be a string or a whole number, not True"),
    "nothing to show": ({"label": "cat"}, "shows nothing"),
    "a path that leaves the root": ({**CAT, "image": "../a.png"}, "`image` is '../a.png', and must be a path below"),
    "an absolute path": ({**CAT, "image": "/etc/passwd"}, "must be a path below the root"),
    "a null byte": ({**CAT, "image": "a\0.png"}, "must be a path below the root"),
    "passes that are no list": ({"passes": {"image": "a"}}, "`passes` must be a list of objects"),
    "no passes": ({"passes": []}, "`passes` must be a list of objects"),
    "a label inside a pass": (
        {"passes": [{"image": "pics/a.png", "label": "a"}]},
        "a pass holds image, video, text, audio",
    ),
    "an empty pass": ({"passes": [{"image": None}], "text": "a"}, "`image` of a pass is null"),
    "shared and own": ({"image": "pics/a.png", "passes": PASSES}, "`image` stands beside `passes` and inside them"),
    "segment labels that do not match": ({"passes": PASSES, "label": ["a"]}, "lists 1 classes for 2 passes"),
    "labels without passes": ({**CAT, "label": ["cat"]}, "lists 1 classes for 0 passes"),
    "a number as label": ({**CAT, "label": 3}, 'a label is the name of a class, as "cat", or true or false, not 3'),
    "label and answers": ({**CAT, "answers": ["a"]}, "has both `label` and `answers`"),
    "no answers": ({"image": "pics/a.png", "answers": []}, "the question has no answers"),
    "answers that score nothing": ({"image": "pics/a.png", "answers": {"a": 0}}, "the question has no answers"),
    "a score above one": ({"image": "pics/a.png", "answers": {"a": 1.5}}, "scores from 0 to 1"),
    "answers that are no strings": ({"image": "pics/a.png", "answers": [1]}, "a list with an answer a person"),
}


@pytest.mark.parametrize("case", LINES)
def test_a_wrong_line_is_named(root: Path, case: str) -> None:
    """File, line, what is wrong."""
    line, said = LINES[case]
    write(root, train=["", line])
    message = refused(root)
    assert message.startswith("train.jsonl:2: ")
    assert said in message


def test_a_line_that_is_not_utf8(root: Path) -> None:
    """The byte is told."""
    (root / "train.jsonl").write_bytes(b'{"text": "\xff"}')
    assert refused(root) == "train.jsonl:1: not UTF-8: byte 10"


@pytest.mark.parametrize(
    ("splits", "said"),
    [
        ({"train": [CAT, CAT]}, "train.jsonl:2: id '1' is that of train.jsonl:1 already"),
        ({"train": [CAT], "test": [DOG]}, "test.jsonl:1: label `dog` is no class of the training split; its 1 classes"),
        (
            {"train": [CAT], "test": [{**CAT, "label": "catt"}]},
            "test.jsonl:1: label `catt` is no class of the training split; did you mean `cat`?",
        ),
        ({"train": [CAT], "val": [{"image": "pics/a.png"}]}, "val.jsonl:1: has no label"),
        (
            {"train": [{"image": "pics/a.png", "answers": ["a"]}, {"image": "pics/a.png"}]},
            "train.jsonl:2: the question has no answers",
        ),
        (
            {"train": [{**CAT, "audio": "a.wav"}, DOG]},
            "train.jsonl:2: item 2 has no audio, and train.jsonl:1 has; every item needs the same modalities",
        ),
        (
            {"train": [{"passes": [{"audio": "a.wav"}, {"audio": "b.wav", "text": "x"}], "label": "a"}]},
            "train.jsonl:1: pass 0 of item 1 has no text",
        ),
        (
            {"train": [CAT], "test": [{"passes": PASSES, "label": "cat"}]},
            "test.jsonl:1 has passes, and train.jsonl:1 has no passes",
        ),
        (
            {"train": [{"passes": PASSES, "label": "a"}, {"passes": PASSES, "label": ["a", "b"]}]},
            "train.jsonl:1 has one label, and train.jsonl:2 has a label a pass",
        ),
        (
            {"train": [CAT, {"image": "pics/b.png", "answers": ["a"]}]},
            "train.jsonl:1 has one label, and train.jsonl:2 has answers",
        ),
        ({"train": [{"image": "pics/a.png"}]}, "train.jsonl:1: no line has a label or answers, and only pairs"),
        ({"train": [""]}, "train.jsonl holds no items"),
        ({"test": [CAT]}, "holds no train.jsonl; name the files with dataset.splits"),
    ],
)
def test_lines_that_contradict_each_other(root: Path, splits: dict[str, Any], said: str) -> None:
    """The line is named, and the other one."""
    write(root, **splits)
    assert said in refused(root)


def test_missing_pictures_are_counted_and_named(root: Path) -> None:
    """Each with the first line that shows it; folders are no pictures."""
    names = ["a.png", "x.png", "", "y" * 300]
    lines = [{**CAT, "id": str(number), "image": f"pics/{name}"} for number, name in enumerate(names)]
    write(root, train=[*lines, {**lines[1], "id": "again"}])
    message = refused(root)
    assert message.startswith("3 of 4 files are not in ")
    assert "\n  train.jsonl:2: pics/x.png\n  train.jsonl:3: pics/\n  train.jsonl:4: pics/yyy" in message


def test_missing_files_and_folders(root: Path) -> None:
    """What was named and is not there."""
    assert "gone.jsonl: cannot be read: No such file" in refused(root, splits={"train": "gone.jsonl"})
    with pytest.raises(DataError, match="nowhere is no folder"):
        load(root / "nowhere")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"splits": {"test": "test.jsonl"}}, r"\$\.dataset\.splits: `train` is missing"),
        ({"classes": ["a", "a"]}, r"\$\.dataset\.classes: a class stands here twice"),
        ({"splits": {"trian": "a.jsonl"}}, r"\$\.dataset\.splits"),
    ],
)
def test_wrong_specs(fields: dict[str, Any], said: str) -> None:
    """Refused before anything is read."""
    spec = {
        "dataset": {"type": "json_lines", "root": "data", **fields},
        "encoder": {"type": "open_clip", "model": "pocket"},
        "adapter": {"type": "none"},
    }
    with pytest.raises(SpecError, match=said):
        spec_from_dict(spec)


@pytest.mark.parametrize(
    ("samples", "said"),
    [(np.zeros((0, 1)), "zero length"), (np.full((9, 1), np.nan), "NaN or infinite")],
)
def test_sounds_that_cannot_be_used(root: Path, samples: np.ndarray[Any, Any], said: str) -> None:
    """The file is named when it is read."""
    soundfile.write(root / "a.wav", samples, RATE, subtype="FLOAT")
    write(root, train=[{"audio": "a.wav", "label": "a"}])
    (item,) = load(root).splits["train"]
    with pytest.raises(DataError, match=rf"a\.wav: .*{said}"):
        item.modalities["audio"].read()


def test_a_picture_is_no_sound(root: Path) -> None:
    """And the user is told so."""
    write(root, train=[{"audio": "pics/a.png", "label": "a"}])
    (item,) = load(root).splits["train"]
    with pytest.raises(DataError, match=r"a\.png: not a readable sound"):
        item.modalities["audio"].read()


@given(st.dictionaries(st.sampled_from(["id", "image", "text", "audio", "passes", "label", "answers"]), VALUES))
def test_random_lines_end_in_data_errors(tmp_path_factory: pytest.TempPathFactory, fields: dict[str, Any]) -> None:
    """Or in items; never in another exception."""
    root = tmp_path_factory.mktemp("random")
    write(root, train=[fields])
    try:
        (item,) = load(root).splits["train"]
    except DataError as error:
        said = str(error)
    else:
        said = f"{root} holds {item.id}"
    assert str(root) in said


# -- answers -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=10))
def test_soft_scores_are_shares_of_three(answers: list[str]) -> None:
    """min(count / 3, 1) of each answer given, whatever the order."""
    scores = soft_scores("q", answers)
    assert scores == {answer: min(answers.count(answer) / 3, 1) for answer in answers}
    assert soft_scores("q", answers[::-1]) == scores


def test_the_vocabulary_is_the_most_frequent_answers() -> None:
    """By the sum of scores; of equals the first by name; sorted."""
    questions = [{"red": 1.0, "maroon": 0.3}, {"red": 1.0}, {"teal": 1.0}, {"blue": 1.0}, {"maroon": 0.3}]
    assert most_frequent(questions, 2) == ("blue", "red")
    assert most_frequent(questions, 9) == ("blue", "maroon", "red", "teal")
