"""AVE and MUSIC-AVQA in miniature, in their published layout: clips that are seen and heard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graftwork import Pipeline, load
from graftwork.core.data.items import DataError, DatasetContent
from graftwork.plugins.datasets import AveSpec, MusicAvqaSpec
from graftwork.plugins.datasets.multimodal.ave import Ave
from graftwork.plugins.datasets.multimodal.music_avqa import ANSWERS, MusicAvqa, filled

from ....support.media.annotated_sets import ave, music_avqa
from ....support.media.clip_files import write_clip
from ....support.miniature_sets import write
from ....support.models.tiny_encoders import save_tiny_encoder
from ....support.paths import ROOT


def of_ave(root: Path, **fields: Any) -> DatasetContent:
    return Ave(AveSpec(root=str(root), **fields)).load()


def of_music(root: Path, **fields: Any) -> DatasetContent:
    return MusicAvqa(MusicAvqaSpec(root=str(root), **{"frames": 3} | fields)).load()


@pytest.fixture
def encoders(tmp_path: Path) -> dict[str, Any]:
    """Tiny towers of pictures, sounds and texts, on disk."""
    family = {"image": "clip_vision", "audio": "ast", "text": "bert"}
    return {
        kind: {"type": "transformers", "model": str(save_tiny_encoder(name, tmp_path / name))}
        for kind, name in family.items()
    }


# -- AVE ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [True, False])
def test_annotations_with_and_without_a_header_say_the_same(tmp_path: Path, header: bool) -> None:
    """Classes by first appearance, commas in names, background last; an event lasts from start until before end."""
    content = of_ave(ave(tmp_path, header))
    assert content.class_names == ("Church bell", "Rodents, rats, mice", "Banjo", "Mandolin", "background")
    assert {name: [item.id for item in items] for name, items in content.splits.items()}["train"] == [
        "-0aB_cDeFgH/Church bell",
        "RUhOCu3LNXM/Rodents, rats, mice",
        "7tZbIrYqVpo/Banjo",
        "7tZbIrYqVpo/Mandolin",
        "VWi2ENBuTbw/Banjo",
    ]
    train = content.splits["train"]
    assert train[1].target == (4, 4, 1, 1, 1, 4, 4, 4, 4, 4)
    assert train[4].target == (4,) * 10
    assert len(train[0].passes) == 10
    assert train[2].passes == train[3].passes
    assert content.notes[0].startswith("train 5, val 2, test 2 rows, published are train 3,339, val 402, test 402")
    assert "has 4 events, published are 28" in content.notes[1]


def test_a_second_is_its_frame_and_its_sound(tmp_path: Path) -> None:
    """The frame in the middle of it, one second of sound."""
    item = of_ave(ave(tmp_path)).splits["train"][0]
    assert item.passes[3]["image"].source.endswith("-0aB_cDeFgH.mp4 at 3.5 s")
    sound = item.passes[3]["audio"].read()
    assert len(sound.samples) == pytest.approx(sound.rate, rel=0.01)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Church bell&a&good&0", "trainSet.txt:1: expected a line like `Church bell&RUhOCu3LNXM&good&0&10`"),
        ("Church bell&a&good&0&11", "expected a line like"),
        ("Church bell&a&good&0&9&9", "more than five fields"),
        ("Whistle&a&good&0&10", "has event 'Whistle'"),
        ("Church bell&../a&good&0&10", "no names of files"),
        ("Church bell&a&good&0&10\nChurch bell&a&good&0&9", "has 1 id more than once:\n  a/Church bell"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, line: str, said: str) -> None:
    """File and line, and what is expected."""
    ave(tmp_path, clips=False)
    write(tmp_path / "AVE_Dataset/trainSet.txt", line)
    with pytest.raises(DataError, match=said.replace("|", r"\|").replace("(", r"\(")):
        of_ave(tmp_path)


def test_clips_of_a_whole_split_that_are_not_there_or_silent_are_refused(tmp_path: Path, encoders: Any) -> None:
    """By name, also where others are left out; a clip without sound is left out by name."""
    with pytest.raises(DataError, match=r"AVE-ECCV18"):
        of_ave(tmp_path)
    ave(tmp_path)
    folder = tmp_path / "AVE_Dataset/AVE"
    few = {"dataset.root": str(tmp_path), "dataset.on_error": "skip", "adapter": {"type": "none"}, "reporters": []}
    few |= {"encoder.image": encoders["image"], "encoder.audio": encoders["audio"], "trainer.epochs": 1}
    few |= {"evaluation.seeds": [0]}
    write_clip(folder / "_valclip001.mp4", 20, 2, size=(32, 32))
    run = Pipeline.from_file(ROOT / "examples/hmmoe_ave.json", few).run(tmp_path / "run", tmp_path / "store")
    assert run.result["dataset"]["left_out"] == {"train": 0, "val": 1, "test": 0}
    write_clip(folder / "valclip0002.mp4", 20, 2, size=(32, 32))
    with pytest.raises(DataError, match="no item of split `val` can be read"):
        Pipeline.from_file(ROOT / "examples/hmmoe_ave.json", few).run(tmp_path / "two", tmp_path / "store")
    for name in ("_valclip001", "valclip0002"):
        (folder / f"{name}.mp4").unlink()
    with pytest.raises(DataError, match="none of the 2 clips of split val is there"):
        of_ave(tmp_path, on_error="skip")


def test_the_example_of_ave_runs_and_counts_segments(tmp_path: Path, encoders: Any) -> None:
    """20 seconds of test: the accuracy is a number of twentieths; one clip is in train and in test, which is told."""
    ave(tmp_path / "data")
    few = {"dataset.root": str(tmp_path / "data"), "adapter": {"type": "hmmoe", "rank": 4}, "reporters": []}
    few |= {"encoder.image": encoders["image"], "encoder.audio": encoders["audio"], "trainer.epochs": 1}
    run = Pipeline.from_file(ROOT / "examples/hmmoe_ave.json", few | {"evaluation.seeds": [0]}).run(
        tmp_path / "run", tmp_path / "store"
    )
    segments = run.result["test"]["accuracy"]["mean"] * 20
    assert segments == pytest.approx(round(segments))
    assert any("1 content is in train and in test alike" in note for note in run.result["dataset"]["notes"])


# -- MUSIC-AVQA --------------------------------------------------------------------------------------------------------


def test_questions_are_filled_and_their_types_read(tmp_path: Path) -> None:
    """JSON inside strings, values from the left, a wide question mark made plain, blanks gone."""
    content = of_music(music_avqa(tmp_path))
    first, second, third, *_ = content.splits["train"]
    assert [item.modalities["text"].read() for item in (first, second, third)] == [
        "Are there acoustic_guitar sound?",
        "How many sounding cello in the video?",
        "Where is the leftest violin?",
    ]
    assert second.groups == {"type": "Audio-Visual Counting", "scenario": "Audio-Visual", "clip": "00000093"}
    assert [content.class_names[item.target] for item in (first, second, third)] == ["yes", "two", "more than ten"]
    assert [view["image"].source.rpartition(" at ")[2] for view in first.passes] == ["0.5 s", "1.5 s", "2.5 s"]
    assert content.split_id == "music_avqa, json_update, all clips; 3 frames evenly, 1 s of sound each"


def test_the_42_answers_are_fixed() -> None:
    """22 instruments, 12 counts, 6 places, yes and no."""
    assert (len(ANSWERS), len(set(ANSWERS))) == (42, 42)
    assert ANSWERS[22:24] == ("zero", "one")
    assert ANSWERS[33:36] == ("more than ten", "left", "right")


def test_ids_that_stand_twice_are_kept_in_the_version_that_has_them(tmp_path: Path) -> None:
    """Each with its answer, under a name of its own; the other version refuses them."""
    content = of_music(music_avqa(tmp_path, "json"), version="json")
    assert [item.id for item in content.splits["test"]][-1] == "0#2"
    assert any(note.startswith("1 question id of test more than once in avqa-test.json") for note in content.notes)
    path = music_avqa(tmp_path) / "data/json_update/avqa-test.json"
    rows = json.loads(path.read_text())
    write(path, json.dumps([*rows, rows[0]]))
    with pytest.raises(DataError, match="has 1 id more than once, 0 first"):
        of_music(tmp_path)


def test_clips_are_real_or_synthetic_by_their_ids(tmp_path: Path) -> None:
    """Eight digits, or letters before them."""
    content = of_music(music_avqa(tmp_path), clips="real")
    assert {item.groups["clip"] for items in content.splits.values() for item in items} == {"00000093", "00000102"}
    synthetic = of_music(tmp_path, clips="synthetic").splits
    assert {name: len(items) for name, items in synthetic.items()} == {"train": 3, "val": 0, "test": 3}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"anser": "tuba!"}, "answer 'tuba!' is none of the 42 published ones"),
        ({"anser": None}, "`anser` must be a string"),
        ({"type": "Audio"}, "`type`: not JSON"),
        ({"type": '["Audio"]'}, "`type` is '[\"Audio\"]', and has the form"),
        ({"templ_values": "[]"}, "0 `templ_values` for 1 places of"),
        ({"templ_values": "[3]"}, "`templ_values` must hold a list of strings"),
        ({"video_id": "../a"}, "no names of files"),
    ],
)
def test_a_bad_question_is_named(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    """File and row."""
    path = music_avqa(tmp_path, clips=False) / "data/json_update/avqa-train.json"
    rows = json.loads(path.read_text())
    write(path, json.dumps([rows[0] | row, *rows[1:]]))
    with pytest.raises(DataError) as error:
        of_music(tmp_path)
    assert said in str(error.value)


def test_a_template_needs_as_many_values_as_places() -> None:
    """More are refused, too."""
    assert filled("here", "Is the <Object> <LR>er?", ["erhu", "left"]) == "Is the erhu lefter?"
    with pytest.raises(DataError, match="here: 2 `templ_values` for 1 places"):
        filled("here", "Is it <Object>?", ["erhu", "left"])


def test_the_example_of_music_avqa_runs_and_tells_types_and_scenarios_apart(tmp_path: Path, encoders: Any) -> None:
    """Pooled over questions; a loaded run answers questions about tuples of frames and sounds."""
    music_avqa(tmp_path / "data")
    few = {"dataset.root": str(tmp_path / "data"), "dataset.frames": 2, "adapter": {"type": "hmmoe", "rank": 4}}
    few |= {f"encoder.{kind}": one for kind, one in encoders.items()}
    few |= {"trainer.epochs": 1, "evaluation.seeds": [0], "reporters": []}
    run = Pipeline.from_file(ROOT / "examples/hmmoe_music_avqa.json", few).run(tmp_path / "run", tmp_path / "store")
    test = {name: score["mean"] for name, score in run.result["test"].items()}
    kinds = ("Audio Counting", "Audio-Visual Counting", "Visual Location")
    assert test["accuracy"] == pytest.approx(sum(test[f"accuracy by type: {kind}"] for kind in kinds) / 3)
    assert test["accuracy by scenario: Visual"] == test["accuracy by type: Visual Location"]
    items = of_music(tmp_path / "data", frames=2).splits["test"]
    given = {
        word: [tuple(view[kind].read() for view in item.passes) for item in items]
        for word, kind in (("images", "image"), ("sounds", "audio"))
    }
    answers = load(run.folder).predict(texts=[item.modalities["text"].read() for item in items], **given)
    right = [ANSWERS[item.target] == one.label for item, one in zip(items, answers, strict=True)]
    assert test["accuracy"] == pytest.approx(sum(right) / len(right))
