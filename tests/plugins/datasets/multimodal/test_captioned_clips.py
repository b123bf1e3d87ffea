"""MSR-VTT and MSVD in miniature, in their published layout: for retrieval and for questions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graftwork import Pipeline, load
from graftwork.core.data.items import DataError, DatasetContent
from graftwork.core.storage.tensors import read_tensors
from graftwork.plugins.datasets import MsrvttSpec, MsvdSpec
from graftwork.plugins.datasets.multimodal.msrvtt import Msrvtt
from graftwork.plugins.datasets.multimodal.msvd import Msvd

from ....support.media.annotated_sets import MSVD_CLIPS, msrvtt, msvd
from ....support.media.clip_files import write_clip
from ....support.miniature_sets import write
from ....support.models.tiny_encoders import save_tiny_encoder
from ....support.paths import ROOT


def of_msrvtt(root: Path, **fields: Any) -> DatasetContent:
    return Msrvtt(MsrvttSpec(root=str(root), **{"frames": 3, "val_clips": 1} | fields)).load()


def of_msvd(root: Path, **fields: Any) -> DatasetContent:
    return Msvd(MsvdSpec(root=str(root), **{"frames": 2} | fields)).load()


def clips(content: DatasetContent) -> dict[str, set[str]]:
    return {name: {item.groups["clip"] for item in items} for name, items in content.splits.items()}


@pytest.mark.parametrize("form", ["official", "mirror"])
def test_both_json_forms_give_the_official_split(tmp_path: Path, form: str) -> None:
    """By its field, or by the numbers of the clips; every caption is an item, all frames of its clip are passes."""
    content = of_msrvtt(msrvtt(tmp_path, form), protocol="full")
    assert clips(content) == {
        "train": {"video0", "video1", "video2", "video10"},
        "val": {"video6513"},
        "test": {"video7010", "video7011", "video9999"},
    }
    assert [len(items) for items in content.splits.values()] == [12, 3, 9]
    item = content.splits["train"][4]
    assert (item.id, item.modalities["text"].read()) == ("video1/1", "a 1 1")
    assert [view["image"].source for view in item.passes] == [
        f"{tmp_path}/videos/all/video1.mp4 at {moment} s" for moment in ("0.5", "1.5", "2.5")
    ]
    red, green, _ = np.asarray(item.passes[0]["image"].read(), float).mean(axis=(0, 1))
    assert green - red > 100
    assert content.split_id == "msrvtt, full (official split); 3 frames evenly"
    assert content.notes == (
        "train 4, val 1, test 3 clips, published are train 6,513, val 497, test 2,990: this is not the whole data set",
    )


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_jsfusions_pairs_are_tested_on_and_never_trained_on(tmp_path: Path, delimiter: str) -> None:
    """9k: all other clips; 7k: those of the official train and validation; one caption a tested clip."""
    msrvtt(tmp_path, delimiter=delimiter)
    nine, seven = of_msrvtt(tmp_path, val_clips=0), of_msrvtt(tmp_path, val_clips=0, train="7k", captions=1)
    assert clips(nine)["train"] == {"video0", "video1", "video2", "video10", "video6513", "video7010"}
    assert clips(seven)["train"] == {"video0", "video1", "video2", "video10", "video6513"}
    assert len(seven.splits["train"]) == 5
    assert [item.modalities["text"].read() for item in nine.splits["test"]] == ["the clip of 7011", "the clip of 9999"]
    held_out = of_msrvtt(tmp_path)
    assert len(clips(held_out)["val"]) == 1
    assert not clips(held_out)["val"] & clips(held_out)["train"]
    assert held_out.split_id == (
        "msrvtt, 1k-A (JSFusion, MSRVTT_JSFUSION_test.csv), train 9k, val 1 clips of train by hash; 3 frames evenly"
    )
    with pytest.raises(DataError, match="take fewer for val"):
        of_msrvtt(tmp_path, val_clips=6)


def test_questions_are_of_the_full_split_and_answers_outside_the_classes_are_said(tmp_path: Path) -> None:
    """The commonest answers of train are the classes; a test answer that is none scores 0."""
    msrvtt(tmp_path)
    content = of_msrvtt(tmp_path, protocol="qa", answers=2)
    assert content.class_names == ("blue", "green")
    targets = {item.groups["clip"]: item.target for item in content.splits["test"]}
    assert targets == {"video7010": {0: 1.0}, "video7011": {}, "video9999": {}}
    assert content.splits["train"][0].target is None  # red
    assert content.split_id == "msrvtt, MSRVTT-QA (full split); 3 frames evenly, 2 answers"
    assert any(
        "answers of train are not among the 2 classes; they are not trained on" in note for note in content.notes
    )


def test_clips_that_are_not_there_are_counted_and_left_out(tmp_path: Path) -> None:
    """Refused with where to get them; left out by ``on_error``; a split without any is refused."""
    msrvtt(tmp_path)
    (tmp_path / "videos/all/video0.mp4").unlink()
    with pytest.raises(DataError, match=r"names 8 clips, of which 1 is not there\. Or go on .*\n.*\n[^$]*video0\.mp4$"):
        of_msrvtt(tmp_path, protocol="full")
    content = of_msrvtt(tmp_path, protocol="full", on_error="skip")
    assert content.notes[-1].endswith("names 8 clips, of which 1 is not there")
    with pytest.raises(DataError, match=r"video0\.mp4: is not there"):
        content.splits["train"][0].passes[0]["image"].read()
    (tmp_path / "videos/all/video6513.mp4").unlink()
    with pytest.raises(DataError, match="none of the 3 clips of split val is there"):
        of_msrvtt(tmp_path, protocol="full", on_error="skip")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ret0,msr1,video7011,a man, who sings", r"test\.csv:2: 5 cells, and 4 columns; a cell that holds a ','"),
        ('ret0,msr1,video7011,"a man', r"test\.csv:2: cannot be read as CSV: unexpected end of data"),
        ("ret0,msr1,video7011", r"test\.csv:2: 3 cells, and 4 columns"),
    ],
)
def test_no_caption_of_a_list_is_cut_or_joined_with_the_next_row(tmp_path: Path, line: str, said: str) -> None:
    """A comma outside quotes ended it, and an open quote swallowed the row behind it."""
    lines = ["key,vid_key,video_id,sentence", line, "ret1,msr2,video9999,a dog"]
    write(msrvtt(tmp_path) / "MSRVTT_JSFUSION_test.csv", "\n".join(lines) + "\n")
    with pytest.raises(DataError, match=said):
        of_msrvtt(tmp_path)
    write(tmp_path / "MSRVTT_JSFUSION_test.csv", "\r\n".join([lines[0], 'a,b,video7011,"a man, who sings"', lines[2]]))
    test = of_msrvtt(tmp_path).splits["test"]
    assert [item.modalities["text"].read() for item in test] == ["a man, who sings", "a dog"]


def test_empty_captions_and_numbers_of_two_clips_are_refused(tmp_path: Path) -> None:
    """An empty one is found by no clip; of two clips of one number the last was taken."""
    path = msrvtt(tmp_path / "one") / "MSRVTT_data.json"
    path.write_text(path.read_text().replace('"a 1 1"', '" "'))
    with pytest.raises(DataError, match=r"MSRVTT_data\.json: sentences\[4\]: a caption is empty; take it out"):
        of_msrvtt(tmp_path / "one", protocol="full")
    path = msvd(tmp_path / "other") / "captions_msvd.json"
    said = json.loads(path.read_text())
    write(path, json.dumps(said | {"0lh_UWF9ZP4_62_69": ["a", ""]}))
    with pytest.raises(DataError, match=r"captions_msvd\.json: 0lh_UWF9ZP4_62_69\[1\]: a caption is empty"):
        of_msvd(tmp_path / "other")
    mapping = tmp_path / "other/youtube_mapping.txt"
    mapping.write_text(f"{mapping.read_text()}77iDIp40m9E_159_181 vid1\n")
    with pytest.raises(DataError, match=r"youtube_mapping\.txt:7: vid1 is another clip before"):
        of_msvd(tmp_path / "other", protocol="qa")


def test_a_clip_whose_length_cannot_be_told_is_not_its_first_picture(tmp_path: Path) -> None:
    """Cut off, with a header that says nothing of its pictures: all frames were that at 0 s, and the clip was used."""
    path = msrvtt(tmp_path) / "videos/all/video0.mp4"
    whole = write_clip(tmp_path / "whole.flv", frames=80)
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    content = of_msrvtt(tmp_path, protocol="full", on_error="skip")
    item = next(one for one in content.splits["train"] if one.groups["clip"] == "video0")
    for view in item.passes:
        with pytest.raises(DataError, match=r"video0\.mp4: ends after .* s, and its header promises 4\.\d* s"):
            view["image"].read()


def test_what_is_wrong_with_an_annotation_is_named(tmp_path: Path) -> None:
    """Missing files, a split of another name, a name that is a path, an id twice, a list of other columns."""
    with pytest.raises(
        DataError,
        match=r"has no MSRVTT_data\.json or MSR_VTT\.json or \S+, at its top or in annotation/, .*, of MSR-VTT",
    ):
        of_msrvtt(tmp_path)
    path = msrvtt(tmp_path) / "MSRVTT_data.json"
    value = json.loads(path.read_text())
    write(path, json.dumps(value | {"videos": [*value["videos"][1:], value["videos"][0] | {"split": "exam"}]}))
    with pytest.raises(DataError, match="is otherwise of video0: exam"):
        of_msrvtt(tmp_path)
    write(path, json.dumps(value | {"videos": [*value["videos"], value["videos"][0]]}))
    with pytest.raises(DataError, match="has 1 id more than once:\n  video0"):
        of_msrvtt(tmp_path)
    write(path, json.dumps({"sentences": [{"video_id": "../video0", "caption": "a"}]}))
    with pytest.raises(DataError, match="is not called video and a number"):
        of_msrvtt(tmp_path, protocol="full")
    write(path, json.dumps(value))
    write(tmp_path / "MSRVTT_JSFUSION_test.csv", "a,b\n1,2\n")
    with pytest.raises(DataError, match="expected the columns key,vid_key,video_id,sentence"):
        of_msrvtt(tmp_path)
    asked = json.loads((tmp_path / "test_qa.json").read_text())
    write(tmp_path / "test_qa.json", json.dumps([*asked, asked[0]]))
    with pytest.raises(DataError, match="split test has 1 id more than once"):
        of_msrvtt(tmp_path, protocol="qa")


def test_msvd_is_read_without_a_pickle(tmp_path: Path) -> None:
    """Lists without a last line end, names with ``-`` and ``_``, ``.avi``; every caption is an item."""
    content = of_msvd(msvd(tmp_path))
    assert {
        name: tuple(dict.fromkeys(item.groups["clip"] for item in content.splits[name])) for name in MSVD_CLIPS
    } == (MSVD_CLIPS)
    assert [len(content.splits[name]) for name in MSVD_CLIPS] == [7, 3, 5]
    assert content.splits["train"][0].passes[0]["image"].read().size == (32, 32)
    assert content.split_id == "msvd, retrieval (published lists); 2 frames evenly"


def test_msvd_refuses_lists_that_do_not_fit(tmp_path: Path) -> None:
    """A clip in two lists, and one without a caption."""
    msvd(tmp_path)
    write(tmp_path / "val_list.txt", MSVD_CLIPS["test"][0])
    with pytest.raises(DataError, match="the lists has 1 id more than once"):
        of_msvd(tmp_path)
    write(tmp_path / "val_list.txt", "unheard_1_2\n")
    with pytest.raises(DataError, match="has no caption of 1 clip of the lists:\n  unheard_1_2"):
        of_msvd(tmp_path)


def test_msvd_questions_go_by_the_mapping(tmp_path: Path) -> None:
    """``vid7`` is a clip by its name; a number that is none is refused."""
    content = of_msvd(msvd(tmp_path), protocol="qa")
    assert content.splits["test"][1].groups == {"clip": MSVD_CLIPS["test"][1]}
    assert content.class_names == ("blue", "green", "red")
    write(tmp_path / "youtube_mapping.txt", "mv89psg6zh4_33_46 vid1\n")
    with pytest.raises(DataError, match="no clip is called vid2"):
        of_msvd(tmp_path, protocol="qa")
    write(tmp_path / "youtube_mapping.txt", "mv89psg6zh4_33_46\n")
    with pytest.raises(DataError, match=r"youtube_mapping.txt:1: expected a line like"):
        of_msvd(tmp_path, protocol="qa")


@pytest.mark.parametrize(("name", "make"), [("msrvtt", msrvtt), ("msvd", msvd)])
@pytest.mark.parametrize("protocol", ["retrieval", "qa"])
def test_the_examples_run_on_the_miniatures(name: str, make: Any, protocol: str, tmp_path: Path) -> None:
    """Under both protocols; a loaded run finds clips by tuples of frames, as the run did."""
    make(tmp_path / "data")
    clip = {"type": "transformers", "model": str(save_tiny_encoder("clip", tmp_path / "clip"))}
    few = {"dataset.root": str(tmp_path / "data"), "dataset.frames": 2, "encoder": clip, "trainer.epochs": 1}
    few |= {"adapter": {"type": "hmmoe", "rank": 4}, "evaluation.seeds": [0], "reporters": []}
    if protocol == "qa":
        few |= {"dataset.protocol": "qa", "task": {"type": "vqa"}}
    elif name == "msrvtt":
        few |= {"dataset.val_clips": 1}
    run = Pipeline.from_file(ROOT / f"examples/hmmoe_{name}.json", few).run(tmp_path / "run", tmp_path / "store")
    test = {name: score["mean"] for name, score in run.result["test"].items()}
    if protocol == "qa":
        assert test["vqa_score"] == test["accuracy"]
        return
    assert test["t2i_mean_rank"] >= 1
    items = of_msrvtt(tmp_path / "data", frames=2) if name == "msrvtt" else of_msvd(tmp_path / "data")
    shown = {item.groups["clip"]: tuple(view["image"].read() for view in item.passes) for item in items.splits["test"]}
    texts = [item.modalities["text"].read() for item in items.splits["test"]]
    own = [list(shown).index(item.groups["clip"]) for item in items.splits["test"]]
    scores = load(run.folder).similarity(list(shown.values()), texts)
    first = [float(scores[clip, text] >= scores[:, text].max() - 1e-5) for text, clip in enumerate(own)]
    assert test["t2i_r1"] == pytest.approx(sum(first) / len(first))


@pytest.mark.parametrize("negatives", [0, 1])
def test_frames_of_clips_pass_the_towers_together_with_texts(negatives: int, tmp_path: Path) -> None:
    """``joint``: what reads a partner is trained. With nothing in the towers a pair's score is that of both apart."""
    msvd(tmp_path / "data")
    clip = {"type": "transformers", "model": str(save_tiny_encoder("clip", tmp_path / "clip"))}
    few = {"dataset.root": str(tmp_path / "data"), "encoder": clip, "trainer.epochs": 1, "reporters": []}
    few |= {"evaluation.seeds": [0], "trainer.keep": "last", "task.negatives": negatives}
    adapter = {"type": "hmmoe", "experts": [{"type": "cross_attention"}], "rank": 4}
    figures, moved = {}, {}
    for joint in (False, True):
        for name, of in (("frozen", {"type": "none"}), ("trained", adapter)):
            settings = {**few, "adapter": of, "task.joint": joint}
            spec = Pipeline.from_file(ROOT / "examples/hmmoe_msvd.json", settings)
            run = spec.run(tmp_path / f"{name} {joint}", tmp_path / "store")
            figures[name, joint] = {key: score["mean"] for key, score in run.result["test"].items() if key != "loss"}
            if name == "trained":
                tensors = read_tensors(run.folder / "adapter/adapter_model.safetensors")
                moved[joint] = any(bool(value.any()) for key, value in tensors.items() if key.endswith("up.weight"))
    assert figures["frozen", True] == figures["frozen", False] == figures["trained", False]
    assert moved == {False: False, True: True}
