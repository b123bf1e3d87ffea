"""A stranger's folder of clips, from ``video_folder`` to a result and a ``predict``."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from pydantic import ValidationError
from torch import Tensor

from graftwork import Pipeline, load
from graftwork.core.cli import cli
from graftwork.core.data.items import DataError
from graftwork.core.data.video import clip_media, file_clip
from graftwork.core.roles.encoder import encoded, encoded_tokens, preprocessed
from graftwork.plugins.datasets import VideoFolderSpec
from graftwork.plugins.datasets.folders.video_folder import VideoFolder

from ...support.media.clip_files import cut, strangers_clips, write_clip
from ...support.media.sound_files import tone, write
from ...support.models.tiny_encoders import save_tiny_encoder
from ...support.small_pipeline import Pixels, PixelsSpec, catalogue, notes_heard, pipeline


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fourteen clips of two classes, in folders of splits."""
    return strangers_clips(tmp_path_factory.mktemp("clips"))


def spec(root: Path, **more: Any) -> dict[str, Any]:
    dataset = {"type": "video_folder", "root": str(root), **more.pop("dataset", {})}
    graph = {"type": "similarity", "nodes": "video", "threshold": 0.5}
    return {"dataset": dataset, "graph": graph, "reporters": [{"type": "hearing"}], **more}


def test_a_strangers_folder_goes_to_a_result_and_a_predict(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several codecs, rates, sizes, with and without sound; a second run decodes nothing, a plan loads no PyAV."""
    before = pipeline(**spec(clips)).plan(store=tmp_path / "store")
    assert [(one.total, one.stored) for one in before.stages if one.stage == "encode video"] == [(14, 0)]
    run = pipeline(**spec(clips)).run(tmp_path / "run", tmp_path / "store")
    assert run.result["test"]["accuracy"]["mean"] == 1.0
    assert run.result["dataset"]["split_id"] == "video_folder, val as given, test as given"
    done = len(Pixels.encoded)
    pipeline(**spec(clips)).run(tmp_path / "again", tmp_path / "store")
    assert len(Pixels.encoded) == done
    files = [str(clips / "train" / "left" / "1.mkv"), str(clips / "train" / "right" / "0.avi")]
    predictor = load(run.folder, device="cpu", catalogue=catalogue())
    assert [one.label for one in predictor.predict(clips=files)] == ["left", "right"]
    given = clip_media(file_clip(Path(files[0])), frames=8).read()
    torch.testing.assert_close(predictor.logits(clips=[given]), predictor.logits(clips=files)[:1])
    monkeypatch.setattr("graftwork.core.run.load.default_catalogue", catalogue)
    said = CliRunner().invoke(cli, ["predict", str(run.folder), str(clips / "train" / "left"), "--format", "json"])
    assert said.exit_code == 0, said.output
    assert [one["label"] for one in json.loads(said.stdout)] == ["left"] * 4
    with pytest.raises(DataError, match="this run hears no images"):
        predictor.predict(images="a.png", clips=files)
    with pytest.raises(DataError, match="takes each clip as a whole"):
        predictor.predict(clips=files, every=1.0)


def test_clips_that_cannot_be_read_follow_on_error(clips: Path, tmp_path: Path) -> None:
    """Cut off, empty, sound alone: named all at once, or left out and recorded; `predict` answers the others."""
    root = shutil.copytree(clips, tmp_path / "clips")
    cut(root / "train" / "left" / "0.avi", 0.5)
    (root / "train" / "left" / "empty.mp4").touch()
    write_clip(root / "train" / "right" / "sound.mkv", frames=0, pitch=300, seconds=1.0)
    with pytest.raises(DataError, match=r"3 of \d+ cannot be read") as caught:
        pipeline(**spec(root)).run(tmp_path / "run", tmp_path / "store")
    for name, reason in (("cut.avi", ""), ("empty.mp4", "the file is empty"), ("sound.mkv", "has no pictures")):
        assert f"{name}: {reason}" in str(caught.value)
    skipping = pipeline(**spec(root, dataset={"on_error": "record"}))
    run = skipping.run(tmp_path / "run", tmp_path / "store")
    assert len((run.folder / "unreadable.jsonl").read_text().splitlines()) == 3
    predictor = load(run.folder, device="cpu", catalogue=catalogue())
    with pytest.raises(DataError, match=r"empty\.mp4: the file is empty"):
        predictor.predict(clips=str(root / "train" / "left" / "empty.mp4"))


def test_sound_is_a_modality_where_it_is_asked_for(tmp_path: Path) -> None:
    """The clip's bytes decide its split, whatever is seen and heard of it."""
    clips = strangers_clips(tmp_path, splits=False)
    fields: tuple[dict[str, Any], ...] = ({}, {"sound": "silence"}, {"frames": 3})
    plain, heard, fewer = (VideoFolder(VideoFolderSpec(root=str(clips), **more)).load() for more in fields)
    assert set(plain.splits["train"][0].modalities) == {"video"}
    assert set(heard.splits["train"][0].modalities) == {"video", "audio"}
    ids = [[one.id for one in content.splits["test"]] for content in (plain, heard, fewer)]
    assert ids[0] == ids[1] == ids[2]
    assert len({content.fingerprint() for content in (plain, heard, fewer)}) == 3


def test_a_run_hears_clips_and_counts_those_without_sound(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Required, they cannot be read; else silence stands for it, and a note says in how many."""

    def loudness(self: Pixels, modality: str, batch: Sequence[Any]) -> Tensor:
        assert modality == "audio"
        rows = [torch.from_numpy(np.abs(np.fft.rfft(one.samples, one.rate)[100:3000]) + 1e-3) for one in batch]
        return torch.nn.functional.normalize(torch.stack(rows).float(), dim=-1)

    monkeypatch.setattr(Pixels, "encode", loudness)
    fields = spec(clips, dataset={"sound": "required"})
    fields["graph"] = {"type": "similarity", "nodes": "audio", "threshold": 0.5}
    with pytest.raises(DataError, match=r"6 of 14 cannot be read(.|\n)*1\.mkv: has no sound"):
        pipeline(**fields).run(tmp_path / "a", tmp_path / "store")
    fields["dataset"]["sound"] = "silence"
    run = pipeline(**fields).run(tmp_path / "b", tmp_path / "store")
    said = [one for one in notes_heard(run) if "silence, in whole or in part" in one]
    assert sum(int(one.split(" of ")[0]) for one in said) == 6
    predictor = load(run.folder, device="cpu", catalogue=catalogue())
    found = predictor.predict(sounds=[str(clips / "test" / "right" / "6.avi"), str(clips / "train" / "left" / "2.mov")])
    assert [one.label for one in found] == ["right", "left"]
    silent = predictor.predict(sounds=str(clips / "train" / "left" / "1.mkv"))  # heard as the run heard it
    assert len(silent) == 1
    again = pipeline(**fields).run(tmp_path / "c", tmp_path / "store")
    assert [one for one in notes_heard(again) if "silence" in one] == said


def test_a_clip_is_the_mean_of_its_frames_or_a_token_each(clips: Path) -> None:
    """By a tower of images, in any batch."""
    encoder = Pixels(PixelsSpec(), torch.device("cpu"))
    some = [clip_media(file_clip(clips / "train" / "left" / "1.mkv"), frames=count).read() for count in (3, 5)]
    tokens = encoded_tokens(encoder, "video", some)
    assert [one.shape for one in tokens] == [(3, 64), (5, 64)]
    torch.testing.assert_close(tokens[0], encoder.encode("image", list(some[0])))
    vectors = encoded(encoder, "video", some)
    torch.testing.assert_close(vectors[1], torch.nn.functional.normalize(tokens[1].mean(dim=0), dim=-1))
    ready = [preprocessed(encoder, "video", one) for one in some]
    torch.testing.assert_close(encoded(encoder, "video", ready), vectors)


def test_clips_are_not_read_for_towers_that_none_of_them_passes(clips: Path, tmp_path: Path) -> None:
    """A model of images sees clips frame by frame; inside towers it would be left out without a word."""
    images, sounds = (save_tiny_encoder(model, tmp_path / model) for model in ("vit", "ast"))
    parts = {
        "video": {"type": "transformers", "model": str(images)},
        "audio": {"type": "transformers", "model": str(sounds)},
    }
    both = Pipeline.from_dict(
        {
            "device": "cpu",
            "dataset": {"type": "video_folder", "root": str(clips), "sound": "silence"},
            "encoder": {"type": "dual", **parts},
            "adapter": {"type": "hmmoe", "rank": 2},
            "task": {"type": "classification", "head": {"type": "linear"}},
            "trainer": {"epochs": 1},
            "reporters": [],
        }
    )
    for does in (lambda: both.plan(store=tmp_path / "store"), lambda: both.run(tmp_path / "run", tmp_path / "store")):
        with pytest.raises(DataError, match="inside towers they need a model of clips"):
            does()


def test_frames_or_every() -> None:
    """One of the two; eight frames where nothing is said."""
    assert VideoFolderSpec(root="a").sampling().frames == 8
    assert VideoFolderSpec(root="a", every=0.5).sampling().every == 0.5
    with pytest.raises(ValidationError, match="give one of the two"):
        VideoFolderSpec(root="a", frames=3, every=0.5)


def test_folders_of_other_media_pass_over_clips(clips: Path, tmp_path: Path) -> None:
    """And a folder of clips over sounds, as all of them do: counted."""
    write_clip(tmp_path / "a" / "1.mp4", frames=3)
    write_clip(tmp_path / "b" / "1.mp4", frames=4)
    write_clip(tmp_path / "a" / "2.mp4", frames=5)
    write_clip(tmp_path / "b" / "2.mp4", frames=6)
    write(tmp_path / "a" / "1.wav", tone(300))
    content = VideoFolder(VideoFolderSpec(root=str(tmp_path), val_fraction=0)).load()
    assert any("left out as no clips by their suffix: 1 .wav" in note for note in content.notes)


def test_without_pyav_the_command_that_brings_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, when the data set is listed."""
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DataError, match=r'pip install "graftwork\[video\]"'):
        VideoFolder(VideoFolderSpec(root=str(tmp_path))).load()
