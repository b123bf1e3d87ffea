"""Clips of your own whose parts are passes: captions that find them, questions about them, from lines to a predict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from graftwork import Pipeline, load, report
from graftwork.core.cli import cli
from graftwork.core.data.items import DataError
from graftwork.core.layers.model import LayerModel
from graftwork.core.layers.passes import Inputs, ReadOut
from graftwork.core.studies.found_runs import find_runs

from ...support.media.clip_files import number_of, write_clip
from ...support.models.tiny_encoders import save_tiny_encoder
from .test_json_lines import load as load_lines
from .test_json_lines import write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two clips of two seconds at 20 frames, a third of one second."""
    for name, frames, pitch in (("a", 40, 300), ("b", 40, 2000), ("c", 20, 500)):
        write_clip(tmp_path / f"{name}.mp4", frames=frames, pitch=pitch)
    return tmp_path


def pipeline(root: Path, task: str, lines: list[dict[str, Any]], **dataset: Any) -> Pipeline:
    """The same lines in each split."""
    write(root, train=lines, val=lines, test=lines)
    model = str(save_tiny_encoder("clip", root / "model"))
    return Pipeline.from_dict(
        {
            "device": "cpu",
            "dataset": {"type": "json_lines", "root": str(root), **dataset},
            "encoder": {"type": "transformers", "model": model},
            "adapter": {"type": "hmmoe", "rank": 4, "experts": ["unimodal"]},
            "task": task,
            "trainer": {"epochs": 1, "optimizer": {"type": "adamw", "lr": 0.01}},
            "reporters": [],
        }
    )


def invoked(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["predict", *arguments])


def test_a_number_of_segments_is_that_of_equal_parts(root: Path) -> None:
    """As if their times stood there, whatever the length of the clip."""
    line = {"image": "a.mp4", "audio": "a.mp4", "label": "x"}
    write(root, train=[{**line, "segments": 2}, {**line, "image": "c.mp4", "audio": "c.mp4", "segments": 2}])
    counted, short = load_lines(root).splits["train"]
    write(root, train=[{**line, "segments": [[0, 1], [1, 2]]}])
    (timed,) = load_lines(root).splits["train"]
    for one, other in zip(counted.passes, timed.passes, strict=True):
        assert {kind: media.digest for kind, media in one.items()} == {
            kind: media.digest for kind, media in other.items()
        }
    assert [number_of(view["image"].read()) for view in short.passes] == [5, 15]
    for wrong in (0, True, 2.0, 4097):
        write(root, train=[{**line, "segments": wrong}])
        with pytest.raises(DataError, match="or a number of equal parts, 1 to 4096"):
            load_lines(root)


def test_parts_of_a_clip_whose_length_cannot_be_told_are_not_those_of_a_second(tmp_path: Path) -> None:
    """Cut off, with a header that says nothing of its pictures: reading one of its parts says so."""
    whole = write_clip(tmp_path / "whole.flv", frames=80)
    (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    write(tmp_path, train=[{"image": "cut.mp4", "audio": "cut.mp4", "segments": 2, "label": "x"}])
    (item,) = load_lines(tmp_path).splits["train"]
    for media in (media for view in item.passes for media in view.values()):
        with pytest.raises(DataError, match=r"cut\.mp4: ends after .* s, and its header promises 4\.\d* s"):
            media.read()


def test_captioned_clips_are_found_by_a_text(root: Path) -> None:
    """Two captions of one clip belong to it. A text is answered by the nearest clips, with ``similarity``'s cosines."""
    lines = [{"image": f"{name}.mp4", "segments": 2, "text": f"clip {name}"} for name in "abc"]
    spec = pipeline(root, "retrieval", [*lines, {**lines[0], "text": "again"}])
    first, second, third, again = load_lines(root).splits["train"]
    assert (first.target, second.target, third.target, again.target) == (0, 1, 2, 0)
    run = spec.run(root / "run", root / "store")
    assert run.result["test"]["t2i_r5"]["mean"] == 1.0
    page = report(run.folder, out=root / "page.html").read_text("utf-8")
    assert "Experts: their shares are not in the result" in page
    predictor, texts = load(run.folder, device="cpu"), ["clip b", "again"]
    files = [str(root / f"{name}.mp4") for name in "abc"]
    cosines = predictor.similarity(clips=files, texts=texts, every=1.0)
    frames = [[view["image"].read() for view in item.passes] for item in (first, second)]
    assert predictor.similarity(frames, texts).tolist() == [pytest.approx(row) for row in cosines[:2].tolist()]
    asked = [str(run.folder), str(root), "--text", texts[0], "--text", texts[1], "--every", "1", "--format", "json"]
    said = json.loads(invoked(*asked, "--top", "2").stdout)
    assert [one["text"] for one in said] == texts
    for one, own in zip(said, cosines.T, strict=True):
        best = own.argsort(descending=True).tolist()[:2]
        assert [(item["image"], pytest.approx(item["cosine"])) for item in one["found"]] == [
            (files[index], float(own[index])) for index in best
        ]
    assert "say how long a segment is" in str(invoked(*asked[:2], "--text", "a").exception)
    assert "give files to look among, and --text QUERY" in str(invoked(*asked[:2]).exception)
    page = str(root / "page.png")
    assert "and no clip is given" in str(invoked(asked[0], page, "--text", "a", "--every", "1").exception)
    assert "leave --masks out" in invoked(*asked[:2], "--text", "a", "--masks", str(root / "new")).output


def test_a_question_about_a_clip_is_answered_from_all_its_segments(root: Path) -> None:
    """By a run on passes of pictures: as of the same frames as images."""
    lines = [{"image": f"{name}.mp4", "segments": 2, "text": "which?", "answers": [name] * 3} for name in "ab"]
    run = pipeline(root, "vqa", lines).run(root / "run", root / "store")
    predictor, (first, _) = load(run.folder, device="cpu"), load_lines(root).splits["test"]
    (cut,) = predictor.predict(clips=str(root / "a.mp4"), texts="which?", every=1.0)
    (given,) = predictor.predict(images=[[view["image"].read() for view in first.passes]], texts="which?")
    assert cut.probabilities == given.probabilities
    said = invoked(str(run.folder), str(root / "a.mp4"), "--text", "which?", "--every", "1")
    assert said.stdout.startswith(f"{root / 'a.mp4'}: {cut.label} ")
    assert [one.method for one in find_runs(run.folder).runs] == ["hmmoe (unimodal) + linear"]


@pytest.mark.parametrize("task", ["vqa", "retrieval"])
@pytest.mark.parametrize("adapter", ["hmmoe", "none"])
def test_a_long_clip_runs_a_part_at_a_time(
    root: Path, task: str, adapter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the answers of all its segments at once, whether or not what the towers give is kept."""
    asked = {"answers": ["a", "b", "a"]} if task == "vqa" else {}
    lines = [{"image": f"{name}.mp4", "segments": 2, "text": f"clip {name}", **asked} for name in "ab"]
    spec = pipeline(root, task, lines)
    if adapter == "none":
        spec = Pipeline.from_dict(spec.spec.to_json(), {"adapter": {"type": "none"}})
    predictor = load(spec.run(root / "run", root / "store").folder, device="cpu")
    clips, sizes, run = [str(root / "a.mp4"), str(root / "c.mp4")], list[int](), LayerModel.run

    def given() -> torch.Tensor:
        if task == "retrieval":
            return predictor.similarity(clips=clips, texts=["a", "b"], every=0.3)
        return predictor.logits(clips=clips, texts=["a", "b"], every=0.3)

    def counted(model: LayerModel, inputs: Inputs, *prefixes: Any) -> ReadOut:
        sizes.append(len((inputs.get("image") or {"pixel_values": ()})["pixel_values"]))
        return run(model, inputs, *prefixes)

    whole = given()
    monkeypatch.setattr(LayerModel, "run", counted)
    monkeypatch.setattr("graftwork.core.layers.passes.MOST_PASSES", 3)
    torch.testing.assert_close(given(), whole)
    assert sum(sizes) == 7 + 3
    assert max(sizes) == 3


@pytest.mark.parametrize("verb", ["plan", "run"])
@pytest.mark.parametrize("task", ["vqa", "retrieval"])
def test_clips_that_no_tower_takes_are_refused_with_the_form_that_is(root: Path, task: str, verb: str) -> None:
    """By `plan`, before anything is loaded, and by the run."""
    line = {"video": "a.mp4", "text": "which?", **({"answers": ["a"] * 3} if task == "vqa" else {})}
    spec = pipeline(root, task, [line])
    with pytest.raises(DataError, match=rf'has no image, which task `{task}` needs; it is a clip: .* "segments": 8'):
        spec.plan(root / "store") if verb == "plan" else spec.run(root / "run", root / "store")
