"""Lines that name clips, moments and parts of them: every form, every mistake, and events from clips to a predict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from graftwork import Pipeline, load
from graftwork.core.cli import cli
from graftwork.core.data.items import DataError
from graftwork.core.data.video import file_clip, frame_media, sound_media

from ...support.media.clip_files import number_of, write_clip
from ...support.media.sound_files import tone
from ...support.media.sound_files import write as write_sound
from ...support.models.tiny_encoders import save_tiny_encoder
from .test_json_lines import load as load_lines
from .test_json_lines import refused, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two clips of two seconds, the second without sound; a sound of two seconds; a picture's place."""
    write_clip(tmp_path / "a.mp4", pitch=300)
    write_clip(tmp_path / "b.mkv")
    write_sound(tmp_path / "a.wav", np.concatenate([tone(300), tone(2000)]))
    return tmp_path


def test_a_clip_and_parts_of_it(root: Path) -> None:
    """A whole one, a part, a moment as a picture; frames as the data set says."""
    lines = [
        {"video": "a.mp4", "label": "x"},
        {"video": "a.mp4", "start": 1, "end": 2, "label": "y"},
        {"video": "b.mkv", "start": 0.5, "label": "x"},
    ]
    write(root, train=lines)
    seen = [item.modalities["video"].read() for item in load_lines(root, frames=2).splits["train"]]
    assert [one.seconds for one in seen] == [
        pytest.approx((0.5, 1.5)),
        pytest.approx((1.25, 1.75)),
        pytest.approx((0.875, 1.625)),
    ]
    write(root, train=[{"image": "b.mkv", "at": 0.5, "label": "x"}, {"image": "a.mp4", "at": 1, "label": "y"}])
    first, second = load_lines(root).splits["train"]
    assert (number_of(first.modalities["image"].read()), number_of(second.modalities["image"].read())) == (10, 20)
    assert second.modalities["image"].digest == frame_media(file_clip(root / "a.mp4"), 1.0).digest


def test_segments_of_one_file(root: Path) -> None:
    """Written as passes or as `segments`, of a clip or of a sound: a frame from the middle, and its sound."""
    one = {"id": "1", "image": "a.mp4", "audio": "a.mp4", "segments": [[0, 1], [1, 1.5]], "label": ["x", None]}
    passes = [{"image": "a.mp4", "audio": "a.mp4", "start": start, "end": end} for start, end in ((0, 1), (1, 1.5))]
    write(root, train=[one, {"id": "2", "passes": passes, "label": ["x", None]}])
    content = load_lines(root)
    first, second = content.splits["train"]
    assert [view["image"].digest for view in first.passes] == [view["image"].digest for view in second.passes]
    assert [number_of(view["image"].read()) for view in first.passes] == [10, 25]
    assert [len(view["audio"].read().samples) for view in first.passes] == [16000, 8000]
    assert first.target == (0, -1)
    write(root, train=[{"audio": "a.wav", "text": "which?", "segments": [[0, 1], [1, 2]], "label": ["low", "high"]}])
    (item,) = load_lines(root).splits["train"]
    assert set(item.modalities) == {"text"}
    heard = [np.abs(np.fft.rfft(view["audio"].read().samples)).argmax() for view in item.passes]
    assert heard == [300, 2000]
    again = sound_media(file_clip(root / "a.wav"), 1, 2)
    assert again.digest == item.passes[1]["audio"].digest


def test_what_a_clip_lacks_is_filled_where_that_is_asked_for(root: Path) -> None:
    """Refused when it is read, else filled; the two are known apart."""
    line = {"image": "b.mkv", "audio": "b.mkv", "segments": [[0, 1], [2, 3]], "label": ["x", "x"]}
    write(root, train=[line])
    (refusing,) = load_lines(root).splits["train"]
    for media in (refusing.passes[0]["audio"], refusing.passes[1]["image"]):
        with pytest.raises(DataError, match=r"b\.mkv: (has no sound|is 2\.00 s long)"):
            media.read()
    (filling,) = load_lines(root, beyond="fill", absent="silence").splits["train"]
    assert number_of(filling.passes[1]["image"].read()) == 39
    assert filling.passes[0]["audio"].read().padded == 1.0
    assert filling.passes[0]["audio"].digest != refusing.passes[0]["audio"].digest


def test_files_that_are_not_there_follow_on_error(root: Path) -> None:
    """Named before anything is read, or left out as those that cannot be decoded."""
    write(root, train=[{"video": "a.mp4", "label": "x"}, {"video": "gone.mp4", "label": "y"}])
    assert "1 of 2 files are not in" in refused(root)
    there, gone = load_lines(root, on_error="skip").splits["train"]
    assert len(there.modalities["video"].read()) == 8
    with pytest.raises(DataError, match=r"gone\.mp4: is not there"):
        gone.modalities["video"].read()


SEGMENTS = {"audio": "a.mp4", "segments": [[0, 1]], "label": ["x"]}
LINES: dict[str, tuple[dict[str, Any], str]] = {
    "a clip as a picture": (
        {"image": "a.mp4", "label": "x"},
        'say which moment of it, "at": 0.5, or that its parts are passes, "segments": 8',
    ),
    "a time of a picture": ({"image": "a.png", "at": 1, "label": "x"}, "`at` is a time in a clip or a sound"),
    "a time of a text": ({"text": "a", "start": 1, "label": "x"}, "`start` is a time in a clip or a sound"),
    "a time that is none": ({"video": "a.mp4", "start": -1, "label": "x"}, "`start` must be a time in seconds"),
    "a moment of what is no picture": (
        {"video": "a.mp4", "at": 0.5, "label": "x"},
        "`at` is a moment of a clip shown as `image`; say a part by `start` and `end`",
    ),
    "a time in words": ({"video": "a.mp4", "end": "1", "label": "x"}, "`end` must be a time in seconds, 0 or more"),
    "an empty part": ({"video": "a.mp4", "start": 1, "end": 1, "label": "x"}, "`end` (1) must come after `start` (1)"),
    "segments and passes": ({**SEGMENTS, "passes": [{"text": "a"}]}, "`segments` says the times of every pass"),
    "segments and a time": ({**SEGMENTS, "at": 1}, "`segments` says the times of every pass"),
    "segments of nothing": ({"text": "a", "segments": [[0, 1]], "label": ["x"]}, "none is shown beside them"),
    "segments that are no pairs": ({**SEGMENTS, "segments": [0, 1]}, "must be a list of pairs of start and end"),
    "labels that do not match": ({**SEGMENTS, "label": ["x", "y"]}, "lists 2 classes for 1 passes"),
    "a pass of times alone": ({"passes": [{"start": 0}], "label": ["x"]}, "none is shown beside it"),
}


@pytest.mark.parametrize("case", LINES)
def test_a_wrong_line_is_named(root: Path, case: str) -> None:
    """File, line, what is wrong."""
    line, said = LINES[case]
    write(root, train=[line])
    message = refused(root)
    assert message.startswith("train.jsonl:1: ")
    assert said in message


def test_events_in_clips_go_to_a_result_and_a_predict(tmp_path: Path) -> None:
    """Segments of one file each, through towers of pictures and sounds; a new clip is cut into segments."""
    for split, count in (("train", 6), ("val", 2), ("test", 2)):
        lines = []
        for number in range(count):
            high, name = number % 2, f"{split}{number}.mp4"
            write_clip(tmp_path / name, frames=20 + number, rate=10, pitch=2000.0 if high else 300.0)
            label = ["high", "high"] if high else ["low", "low"]
            lines.append({"image": name, "audio": name, "segments": [[0, 1], [1, 2]], "label": label})
        write(tmp_path, **{split: lines})
    parts = {kind: save_tiny_encoder(model, tmp_path / model) for kind, model in (("image", "vit"), ("audio", "ast"))}
    spec = {
        "device": "cpu",
        "dataset": {"type": "json_lines", "root": str(tmp_path)},
        "encoder": {
            "type": "dual",
            **{kind: {"type": "transformers", "model": str(path)} for kind, path in parts.items()},
        },
        "adapter": {"type": "lora", "rank": 2},
        "task": {"type": "events", "head": {"type": "linear"}},
        "trainer": {"epochs": 2, "batch_size": 4, "optimizer": {"type": "adamw", "lr": 0.01}},
        "reporters": [],
    }
    run = Pipeline.from_dict(spec).run(tmp_path / "run", tmp_path / "store")
    predictor = load(run.folder, device="cpu")
    clip = tmp_path / "test1.mp4"
    (found,) = predictor.predict(clips=str(clip), every=1.0)
    assert len(found.each()) == 2
    times = [(frame_media(file_clip(clip), at), sound_media(file_clip(clip), at - 0.5, at + 0.5)) for at in (0.5, 1.5)]
    (given,) = predictor.predict(images=[[one for one, _ in times]], sounds=[[one for _, one in times]])
    assert [one.probabilities for one in given.each()] == [one.probabilities for one in found.each()]
    said = CliRunner().invoke(cli, ["predict", str(run.folder), str(clip), "--every", "1", "--format", "json"])
    assert said.exit_code == 0, said.output
    assert [one["image"] for one in json.loads(said.stdout)] == [str(clip)] * 2
    told = CliRunner().invoke(cli, ["predict", str(run.folder), str(clip), "--every", "1"])
    assert [line.split(":")[0] for line in told.stdout.splitlines()] == [f"{clip} segment {n} of 2" for n in (1, 2)]
    untold = CliRunner().invoke(cli, ["predict", str(run.folder), str(clip)])
    assert "say how long a segment is" in str(untold.exception)
