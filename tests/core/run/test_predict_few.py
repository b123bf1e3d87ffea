"""Predicting holds a few items at a time, whatever their number, and answers as if it held them all."""

import json
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from graftwork import Pipeline, load
from graftwork.core.cli import cli
from graftwork.core.data.given_items import bytes_held, open_item
from graftwork.core.data.items import Item
from graftwork.core.data.waveform import Waveform
from graftwork.core.training import predictor as predictors
from graftwork.core.training.predictor import Predictor

from ...support.models.tiny_encoders import save_tiny_encoder
from ...support.small_layers import pipeline as through_towers
from ...support.small_layers import with_little_data
from ...support.small_pipeline import pipeline

BATCH = {"inductive": "batch", "inductive_batch": 12}
SMALL: dict[str, dict[str, Any]] = {
    "attach": {},
    "batch": {"evaluation": BATCH},
    "described": {"captioner": {"type": "brightness"}, "graph__nodes": "fused"},
    "batch over tokens": {
        "captioner": {"type": "brightness"},
        "graph__nodes": "fused",
        "graph__fusion": "cross_attention",
        "evaluation": BATCH,
    },
}


@pytest.fixture(scope="module", params=SMALL)
def predictor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """Of a small run on features, by each policy and kind of node that matters here."""
    folder = tmp_path_factory.mktemp("few")
    few = {"type": "few_digits", "train": 4, "val": 2, "test": 2}
    more = {"dataset": few, "encoder__batch_size": 5, "trainer__epochs": 3, "adapter": {"type": "ga_net"}}
    return pipeline(**more, **SMALL[request.param]).run(folder / "run", folder / "store").load()


@pytest.fixture(scope="module")
def towers(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """Of a small run through towers."""
    folder = tmp_path_factory.mktemp("towers")
    clip = {"type": "transformers", "model": str(save_tiny_encoder("clip", folder / "clip")), "batch_size": 5}
    spec = through_towers("classification", "same", clip, {"type": "lora", "rank": 2})
    return Pipeline(spec, with_little_data()).run(folder / "run", folder / "store").load()


def drawn(number: int, side: int = 8) -> Image.Image:
    shades = np.random.default_rng(number).integers(0, 256, (8, 8), dtype=np.uint8)
    return Image.fromarray(shades).resize((side, side)).convert("RGB")


class Alive:
    """Counts the pictures that are in memory."""

    def __init__(self) -> None:
        self.now, self.most, self.made = 0, 0, 0

    def items(self, count: int, side: int, text: str | None) -> Iterator[Item]:
        """So many pictures, each made when it is asked for."""
        for number in range(count):
            picture = drawn(number, side)
            weakref.finalize(picture, self._gone)
            self.now, self.made = self.now + 1, self.made + 1
            self.most = max(self.most, self.now)
            yield open_item(str(number), {"image": picture, **({"text": text} if text else {})})
            del picture

    def _gone(self) -> None:
        self.now -= 1


def held(predictor: Predictor, side: int, text: str | None = None) -> tuple[int, int, int]:
    """Pictures in memory at most, those made before the first answer, and the answers to 60 of them."""
    alive = Alive()
    answers = predictor.answer(alive.items(60, side, text))
    next(answers)
    first = alive.made
    return alive.most, first, 1 + sum(1 for _ in answers)


def test_small_pictures_are_held_a_batch_at_a_time(predictor: Predictor) -> None:
    """By policy `batch` the 12 that hear each other; else those of one batch of the encoder, and the next one."""
    size = 12 if predictor.spec.evaluation.inductive == "batch" else 5
    most, first, answers = held(predictor, 8)
    assert most <= size + 1
    assert first <= size + 1
    assert answers == 60


def test_large_pictures_are_held_by_their_bytes(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for two of them: three are in memory at most, also where twelve are answered together."""
    monkeypatch.setattr(predictors, "ROOM", 2 * 2 * 4 * 64 * 64)
    assert held(predictor, 64)[::2] == (3, 60)


def test_towers_hold_as_few(towers: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same on the level `layers`."""
    most, first, answers = held(towers, 8, "a red square")
    assert (most <= 6, first <= 6, answers) == (True, True, 60)
    monkeypatch.setattr(predictors, "ROOM", 2 * 2 * 4 * 64 * 64)
    assert held(towers, 64, "a red square")[::2] == (3, 60)


def test_answers_are_those_to_all_at_once(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    """One picture in memory at a time, or all of them: the same neighbours and labels, logits equal to 1e-5."""
    pictures = [drawn(number) for number in range(30)]
    expected, logits = predictor.predict(pictures), predictor.logits(pictures)
    monkeypatch.setattr(predictors, "ROOM", 0)
    torch.testing.assert_close(predictor.logits(pictures), logits, atol=1e-5, rtol=0)
    for one, before in zip(predictor.predict(pictures), expected, strict=True):
        assert (one.label, one.description) == (before.label, before.description)
        assert [near.id for near in one.neighbours] == [near.id for near in before.neighbours]


def test_towers_answer_as_to_all_at_once(towers: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits and read-outs."""
    given = [drawn(number) for number in range(30)], ["a red square"] * 30
    logits, vectors = towers.logits(*given), towers.read_outs(*given)  # type: ignore[attr-defined]
    monkeypatch.setattr(predictors, "ROOM", 0)
    torch.testing.assert_close(towers.logits(*given), logits, atol=1e-5, rtol=0)
    for name, found in towers.read_outs(*given).items():  # type: ignore[attr-defined]
        torch.testing.assert_close(found, vectors[name], atol=1e-5, rtol=0)


def test_what_an_item_holds_is_counted() -> None:
    """Pictures at four bytes a pixel, sounds at four a sample, of every pass; texts are free."""
    sound, picture = Waveform(np.zeros(100, np.float32), 16000), drawn(0)
    assert bytes_held(open_item("a", {"image": picture, "text": "words", "audio": sound})) == 4 * 64 + 400
    assert bytes_held(open_item("b", {"image": (picture, picture), "text": "words"})) == 2 * 4 * 64


def test_the_command_line_prints_answers_as_they_come(tmp_path: Path) -> None:
    """In order, around a file that cannot be read; JSON is a whole list, of nothing too; exit code 2."""
    folder, paths = tmp_path / "run", [tmp_path / f"{number}.png" for number in range(23)]
    for number, path in enumerate(paths):
        drawn(number).save(path)
    paths[7].write_text("no picture")
    encoder = {"type": "open_clip", "model": "pocket", "batch_size": 4}
    few = {"type": "image_folder", "root": str(classes(tmp_path))}
    spec = {
        "version": 1,
        "name": "few",
        "dataset": few,
        "encoder": encoder,
        "adapter": {"type": "none"},
        "task": {"type": "classification", "head": {"type": "linear"}},
        "trainer": {"epochs": 1},
        "reporters": [],
    }
    Pipeline.from_dict(spec).run(folder, tmp_path / "store")
    given = [str(folder), *map(str, paths)]
    done = CliRunner().invoke(cli, ["predict", *given, "--format", "json"])
    assert done.exit_code == 2
    assert done.stderr.startswith(f"error: {paths[7]}: ")
    readable = [path for path in paths if path != paths[7]]
    found = json.loads(done.stdout)
    assert done.stdout == json.dumps(found, indent=2) + "\n"
    assert [one["image"] for one in found] == list(map(str, readable))
    assert [one["label"] for one in found] == [one.label for one in load(folder).predict(readable)]
    done = CliRunner().invoke(cli, ["predict", *given])
    assert [line.split(": ")[0] for line in done.stdout.splitlines()] == list(map(str, readable))
    done = CliRunner().invoke(cli, ["predict", str(folder), str(paths[7]), "--format", "json"])
    assert (done.exit_code, done.stdout) == (2, "[]\n")


def classes(tmp_path: Path) -> Path:
    """Two classes of six pictures."""
    for number in range(12):
        path = tmp_path / "pictures" / ("one" if number % 2 else "two") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn(number).save(path)
    return tmp_path / "pictures"
