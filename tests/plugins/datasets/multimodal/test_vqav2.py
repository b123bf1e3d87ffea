"""VQA v2 in miniature, in its published layout, and its official score."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from graftwork import Pipeline, load
from graftwork.core.data.items import DataError, DatasetContent
from graftwork.plugins.datasets import Vqav2Spec
from graftwork.plugins.datasets.multimodal.vqa_text import (
    CONTRACTIONS,
    answer_score,
    normalised,
    official_counts,
    vocabulary_form,
)
from graftwork.plugins.datasets.multimodal.vqav2 import Vocabulary, Vqav2

from ....support.media.annotated_sets import vqav2
from ....support.miniature_sets import write
from ....support.models.tiny_encoders import save_tiny_encoder
from ....support.paths import ROOT


def loaded(root: Path, **fields: Any) -> DatasetContent:
    given = {"val_pictures": 1, "vocabulary_least": 1} | fields
    return Vqav2(Vqav2Spec(root=str(root), **given)).load()


def refusal(root: Path, **fields: Any) -> str:
    with pytest.raises(DataError) as error:
        loaded(root, **fields)
    return str(error.value).replace(str(root), "ROOT")


# -- the official text normalisation and score -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Yes.", "yes"),
        ("the a an", ""),
        ("none", "0"),
        ("ten cats", "10 cats"),
        ("t-shirt", "t shirt"),  # no blank beside the mark: it becomes one
        ("t- shirt", "t shirt"),  # a blank beside it: it goes
        ("rock -n-roll", "rock nroll"),  # all of one mark go, where one of them stands beside a blank
        ("1,000", "1000"),
        ("red,blue", "red blue"),
        ("1,000 red/blue", "1000 redblue"),  # a digit, a comma, a digit: every mark goes
        ("3.", "3"),  # the lookbehind that is none
        (".5", ".5"),
        ("3.5", "3.5"),
        ("what's up: don't", "what's up: don't"),
        ("dont", "don't"),
        ("Im", "im"),  # a key with a capital never matches
        ("somebody'd", "somebodyd"),  # the wrong way round
        ("." * 40, "." * 8),  # a flag as count: 32 stops at most
        ("2nd?", "2nd"),
    ],
)
def test_text_is_normalised_mark_for_mark(answer: str, said: str) -> None:
    """As the official evaluation does, slips included."""
    assert normalised(answer) == said


def test_all_published_contractions_are_there() -> None:
    """120 entries, of which six change nothing."""
    assert len(CONTRACTIONS) == 114
    for short, word in (("couldn'tve", "couldn't've"), ("y'allll", "y'all'll"), ("'ows'at", "'ow's'at")):
        assert CONTRACTIONS[short] == word


def by_definition(matches: int, people: int = 10) -> float:
    """The mean over all subsets of all people but one of min(matches among them / 3, 1)."""
    given = [True] * matches + [False] * (people - matches)
    parts = [min(sum(others) / 3, 1) for others in combinations(given, people - 1)]
    return sum(parts) / len(parts)


@pytest.mark.parametrize("matches", range(11))
def test_the_score_is_that_of_all_subsets_of_nine(matches: int) -> None:
    """0, .3, .6, .9, then 1."""
    assert answer_score(matches) == pytest.approx(by_definition(matches))
    assert answer_score(matches) == pytest.approx([0, 0.3, 0.6, 0.9, *[1] * 7][matches])


def test_where_all_ten_agree_answers_are_compared_as_they_are() -> None:
    """ "Yes." for ten times "yes" scores 0; where one differs, both sides are normalised."""
    names = ("yes", "Yes.", "no")
    assert Vocabulary(names).scores(["yes"] * 10) == {0: 1.0}
    assert Vocabulary(names).scores(["yes"] * 9 + ["no"]) == {0: 1.0, 1: 1.0, 2: pytest.approx(0.3)}
    assert official_counts([" yes\n"] * 10) == ({"yes": 10}, True)


def test_scores_of_training_may_be_thirds() -> None:
    """One, two, three people: a third, two thirds, all of it; officially .3, .6, .9."""
    answers = ["a cat"] * 2 + ["Cat"] + ["dog"] * 2 + ["eel"] + ["owl"] * 4
    names = ("cat", "dog", "eel", "owl", "cow")
    assert Vocabulary(names).scores(answers) == pytest.approx({0: 0.9, 1: 0.6, 2: 0.3, 3: 1.0})
    assert Vocabulary(names).scores(answers, thirds=True) == pytest.approx({0: 1.0, 1: 2 / 3, 2: 1 / 3, 3: 1.0})


def test_a_vocabulary_drops_commas() -> None:
    """As published lists do."""
    assert vocabulary_form("Red, white and blue") == "red white and blue"


# -- the data set ------------------------------------------------------------------------------------------------------


def test_questions_are_joined_with_annotations_by_id(tmp_path: Path) -> None:
    """The files stand in different orders; ids are strings, pictures have twelve digits."""
    content = loaded(vqav2(tmp_path))
    assert {name: len(items) for name, items in content.splits.items()} == {"train": 12, "val": 4, "test": 16}
    assert content.class_names == ("3", "dog", "no", "yes")
    item = content.splits["test"][1]
    assert (item.id, item.modalities["text"].read()) == ("100001", "What is it?")
    assert item.modalities["image"].source == str(tmp_path / "val2014/COCO_val2014_000000000100.jpg")
    assert item.groups == {"question_type": "what is", "answer_type": "other"}
    assert item.target == {1: 1.0}  # dog, four of ten; cat and eel are not in the vocabulary
    assert content.splits["test"][3].target == pytest.approx({2: 1.0, 3: 0.3})
    assert content.split_id == (
        "vqav2, train2014, val 1 pictures of train2014 by hash, test val2014; "
        "official score over 4 answers of train, 1 times"
    )


def test_val_is_whole_pictures(tmp_path: Path) -> None:
    """No picture is trained on and selected by."""
    content = loaded(vqav2(tmp_path), val_pictures=2)
    shown = {name: {item.modalities["image"].digest for item in items} for name, items in content.splits.items()}
    assert not shown["train"] & shown["val"]
    assert "take fewer for val" in refusal(tmp_path, val_pictures=4)
    assert "val" not in loaded(tmp_path, val_pictures=0).splits


def test_the_vocabulary_is_what_is_named(tmp_path: Path) -> None:
    """Of train, of both, of a file; its least count decides, and what is outside is said."""
    vqav2(tmp_path)
    path = tmp_path / "v2_mscoco_val2014_annotations.json"
    value = json.loads(path.read_text())
    for row in value["annotations"]:
        row["multiple_choice_answer"] = "the eel"
    write(path, json.dumps(value))
    assert loaded(tmp_path).class_names == ("3", "dog", "no", "yes")
    assert loaded(tmp_path, vocabulary_of="train+val").class_names == ("3", "dog", "eel", "no", "yes")
    assert loaded(tmp_path, vocabulary_of="train+val", vocabulary_least=5).class_names == ("eel",)
    names = write(tmp_path / "names.json", '["yes", "maybe"]')
    content = loaded(tmp_path, vocabulary_file=str(names))
    assert content.class_names == ("yes", "maybe")
    assert content.splits["train"][1].target is None
    assert content.splits["test"][1].target == {}
    assert [note.partition(" have")[0] for note in content.notes[1:]] == [
        "6 of 12 questions of train",
        "2 of 4 questions of val",
        "8 of 16 questions of test",
    ]
    assert "no answer is the commonest of 99" in refusal(tmp_path, vocabulary_least=99)


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    """A question without its annotation, an id twice, another picture: counted and named."""
    vqav2(tmp_path)
    path = tmp_path / "v2_mscoco_train2014_annotations.json"
    value = json.loads(path.read_text())
    write(path, json.dumps(value | {"annotations": value["annotations"][1:]}))
    assert refusal(tmp_path).startswith("1 question id stands in one alone of ROOT/v2_OpenEnded")
    write(path, json.dumps(value | {"annotations": [value["annotations"][0], *value["annotations"]]}))
    assert refusal(tmp_path) == f"ROOT/{path.name} has 1 id more than once:\n  12003"
    value["annotations"][0]["image_id"] = 9
    write(path, json.dumps(value))
    assert "question 12003 is of another picture than in the file of questions" in refusal(tmp_path)


def test_what_is_missing_is_said_with_where_to_get_it(tmp_path: Path) -> None:
    """Annotations, then pictures."""
    assert "visualqa.org/download.html" in refusal(tmp_path)
    vqav2(tmp_path)
    (tmp_path / "val2014/COCO_val2014_000000000101.jpg").unlink()
    said = refusal(tmp_path)
    assert said.startswith("ROOT names 8 pictures, of which 1 is not there")


def test_the_example_runs_on_the_miniature_and_tells_answer_types_apart(tmp_path: Path) -> None:
    """The score by answer type, weighted by its questions, is the whole score."""
    vqav2(tmp_path / "data")
    clip = {"type": "transformers", "model": str(save_tiny_encoder("clip", tmp_path / "clip"))}
    few = {"dataset.root": str(tmp_path / "data"), "dataset.val_pictures": 1, "dataset.vocabulary_least": 1}
    few |= {"encoder": clip, "adapter": {"type": "hmmoe", "rank": 4}}
    few |= {"trainer.epochs": 1, "evaluation.seeds": [0], "reporters": []}
    run = Pipeline.from_file(ROOT / "examples/hmmoe_vqav2.json", few).run(tmp_path / "run", tmp_path / "store")
    test = {name: score["mean"] for name, score in run.result["test"].items()}
    kinds = {kind: test[f"vqa_score by answer_type: {kind}"] for kind in ("yes/no", "number", "other")}
    assert test["vqa_score"] == pytest.approx((2 * kinds["yes/no"] + kinds["number"] + kinds["other"]) / 4)
    _answers_for_the_server(tmp_path)


def _answers_for_the_server(folder: Path) -> None:
    """As docs/datasets.md has it, of questions without answers: every question once, in the server's form."""
    page = (ROOT / "docs/datasets.md").read_text()
    (code,) = (one for one in page.split("```python\n")[1:] if "question_id" in one)
    names: dict[str, Any] = {}
    exec(code.partition("```")[0], names)
    (asked,) = (folder / "data").rglob("v2_OpenEnded_mscoco_val2014_questions.json")
    names["write_answers"](load(folder / "run"), asked, folder / "data/val2014", folder / "answers.json")
    written = json.loads((folder / "answers.json").read_text())
    questions = [one["question_id"] for one in json.loads(asked.read_text())["questions"]]
    assert [one["question_id"] for one in written] == questions
    assert all(isinstance(one["answer"], str) for one in written)
