"""A finished run scored anew: the same figures on its own data, and words where other data do not fit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from graftwork import Pipeline
from graftwork.core.data.items import DataError, DatasetContent, Item, Media
from graftwork.core.roles import EncoderFacts
from graftwork.core.run.run import Run
from graftwork.core.storage.item_predictions import read_predictions
from graftwork.core.storage.run_folder import RunFolderError
from graftwork.core.studies.evaluate import evaluate
from graftwork.core.studies.evaluated_data import fitting_items, spec_with, with_data
from graftwork.registry.errors import SpecError

from ...support.models.tiny_encoders import save_tiny_encoder
from ...support.small_layers import pipeline as layered
from ...support.small_layers import with_little_data
from ...support.small_pipeline import Brightness, Pixels, catalogue, pipeline


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("evaluate")
    return pipeline(evaluation__seeds=[0, 1], dataset__shots=4, device="cpu").run(folder / "run", folder / "store")


def test_own_data_give_the_result_again(run: Run, tmp_path: Path) -> None:
    """Every figure of the saved seed, and line by line what the run says of its items, neighbours included."""
    found = evaluate(run.folder, out=tmp_path / "out", catalogue=catalogue(), device="cpu", store=tmp_path)
    seed = run.typed.seeds.index(run.typed.saved_seed)
    per_seed = {name: score.per_seed[seed] for name, score in run.typed.test.items()}
    assert found.figures == pytest.approx(per_seed, abs=1e-6)
    assert (found.own_data, found.in_result, found.items) == (True, per_seed["accuracy"], 60)
    assert found.interval is not None
    low, high = found.interval
    assert low < found.figures["accuracy"] < high
    before = [one for one in read_predictions(run.folder) if one.split == "test" and one.seed == found.seed]
    for one, other in zip(before, read_predictions(tmp_path / "out"), strict=True):
        assert (one.id, one.content, one.prediction, one.score) == (
            other.id,
            other.content,
            other.prediction,
            other.score,
        )
        assert [near.id for near in one.neighbours or ()] == [near.id for near in other.neighbours or ()]
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["figures"] == found.figures
    with pytest.raises(RunFolderError, match="not empty"):
        evaluate(run.folder, out=tmp_path / "out", catalogue=catalogue())


def test_vectors_and_descriptions_are_found_in_the_store(tmp_path: Path) -> None:
    """What the run encoded is encoded by nobody again, and no model is loaded; of other data what is new, once."""
    described = {"captioner": {"type": "brightness"}, "graph__nodes": "fused", "graph__fusion": "concat"}
    run = pipeline(**described, device="cpu").run(tmp_path / "run", tmp_path / "store")

    def new(data: str | None) -> tuple[int, int, int]:
        before = len(Pixels.built), len(Pixels.encoded), len(Brightness.seen)
        evaluate(run.folder, data, catalogue=catalogue(), store=tmp_path / "store", device="cpu")
        after = len(Pixels.built), len(Pixels.encoded), len(Brightness.seen)
        return after[0] - before[0], after[1] - before[1], after[2] - before[2]

    assert new(None) == (0, 0, 0)
    built, encoded, seen = new("test=8")
    assert built == 1
    assert 20 <= encoded <= 40  # 20 pictures, and their descriptions as far as these are new
    assert seen > 0
    assert new("test=8") == (0, 0, 0)


def test_vectors_of_other_weights_are_refused(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that the store knows, and those of a model that is loaded because something is new."""
    shutil.copytree(run.folder.parent / "store", tmp_path / "store")
    monkeypatch.setattr(Pixels, "facts", lambda self: EncoderFacts("0" * 64, 1000, 20.0))
    evaluate(run.folder, catalogue=catalogue(), store=tmp_path / "store")  # the store has those of the training
    for _ in range(2):  # the second time the store has others, too
        with pytest.raises(RunFolderError, match="its weights have changed"):
            evaluate(run.folder, "test=8", catalogue=catalogue(), store=tmp_path / "store")
    monkeypatch.undo()
    evaluate(run.folder, "test=8", catalogue=catalogue(), store=tmp_path / "store")  # brought back


def test_what_the_run_has_seen_is_said(run: Run, tmp_path: Path) -> None:
    """Of the split that it trained on, and the one that chose."""
    seen = evaluate(run.folder, split="train", catalogue=catalogue(), store=tmp_path)
    chose = evaluate(run.folder, split="val", catalogue=catalogue(), store=tmp_path)
    assert "trained on items of this split" in seen.notes[0]
    assert "chose epochs" in chose.notes[0]
    assert chose.in_result is None


def test_other_settings_of_the_data(run: Run, tmp_path: Path) -> None:
    """``k=v``: a larger test split, whose labels are turned by one: right becomes wrong."""
    found = evaluate(run.folder, ["test=9", 'rotate={"test": 1}'], catalogue=catalogue(), store=tmp_path)
    assert (found.items, found.own_data, found.in_result) == (90, False, None)
    assert found.figures["accuracy"] < 0.2


def test_every_item_of_other_data(run: Run, tmp_path: Path) -> None:
    """What is in other splits than the reported one is said, and ``all`` scores it, too."""
    some = evaluate(run.folder, "test=9", catalogue=catalogue(), store=tmp_path)
    every = evaluate(run.folder, "test=9", split="all", catalogue=catalogue(), store=tmp_path)
    assert "--split all" in some.notes[-1]
    assert every.notes == []
    assert every.items > some.items == 90
    assert every.fingerprint == some.fingerprint
    own = evaluate(run.folder, split="all", catalogue=catalogue(), store=tmp_path)
    assert own.own_data
    assert "trained on items" in own.notes[0]


@pytest.mark.parametrize(
    ("task", "data", "kind"),
    [("vqa", "vqa", "clip"), ("nlvr2", "both", "clip"), ("events", "clip", "clap"), ("retrieval", "pairs", "clip")],
)
def test_every_task_inside_towers(tmp_path: Path, task: str, data: str, kind: str) -> None:
    """The figures of the result, segments and pairs included; pairs have no interval."""
    encoder = {"type": "transformers", "model": str(save_tiny_encoder(kind, tmp_path / "model"))}
    run = Pipeline(layered(task, data, encoder, {"type": "none"}), with_little_data()).run(tmp_path / "run", tmp_path)
    found = evaluate(run.folder, out=tmp_path / "out", catalogue=with_little_data(), store=tmp_path)
    assert found.figures == pytest.approx({name: score.mean for name, score in run.typed.test.items()}, abs=1e-4)
    assert (found.interval is None) == (found.predictions is None) == (task == "retrieval")


def content(names: tuple[str, ...], *targets: Any) -> DatasetContent:
    items = tuple(Item(str(n), {"text": Media.of_text(str(n))}, target) for n, target in enumerate(targets))
    return DatasetContent({"test": items}, names, "these")


def test_classes_are_known_by_name() -> None:
    """Another order, fewer of them, answers with scores, segments, items without a label."""
    given = content(("dog", "cat"), 0, 1, None, (0, -1, 1), {1: 0.5})
    items, unlabelled, notes = fitting_items(given, "test", ["bird", "cat", "dog"])
    assert [item.target for item in items] == [2, 1, (2, -1, 1), {1: 0.5}]
    assert unlabelled == 1
    assert notes == ["these data lack 1 of the run's 3 classes:\n  bird"]


@pytest.mark.parametrize(
    ("names", "targets", "split", "said"),
    [
        (("dog", "wolf"), (0,), "test", "1 of the 2 classes of these data are none of the run's 2.*\n  'wolf'"),
        (("dog", "cat"), (0,), "train", "--split train: the data set has no such items; its splits are test"),
        (("dog", "cat"), (None,), "test", "none of its 1 items has a label"),
    ],
)
def test_data_that_do_not_fit_are_refused(names: Any, targets: Any, split: str, said: str) -> None:
    """By what is wrong with them."""
    with pytest.raises(DataError, match=said):
        fitting_items(content(names, *targets), split, ["cat", "dog"])


@pytest.mark.parametrize("pictures", [{"3": 4}, {"3": 1}, {"3": 3, "5": 1}], ids=str)
def test_other_data_may_lack_what_training_needs(run: Run, tmp_path: Path, pictures: dict[str, int]) -> None:
    """One class, one picture of a class, a class in no test split: the run brings the classes."""
    for label, count in pictures.items():
        (tmp_path / "more" / label).mkdir(parents=True)
        for number in range(count):
            Image.new("L", (8, 8), 40 * number + int(label)).save(tmp_path / "more" / label / f"{number}.png")
    given: Any = {"type": "image_folder", "root": str(tmp_path / "more")}
    found = evaluate(run.folder, given, split="all", catalogue=catalogue(), device="cpu", store=tmp_path / "store")
    assert found.items == sum(pictures.values())
    assert f"these data lack {10 - len(pictures)} of the run's 10 classes" in found.notes[0]
    if pictures == {"3": 1}:
        with pytest.raises(DataError, match="no such items; its splits are train; `--split all` scores all"):
            evaluate(run.folder, given, catalogue=catalogue(), device="cpu", store=tmp_path / "store")


def test_the_ways_to_name_data(run: Run, tmp_path: Path) -> None:
    """A file with a spec, a file with its section, JSON, a type, a mapping, a setting beside one of these."""
    spec = pipeline(dataset__test=3).spec
    whole, section = tmp_path / "spec.json", tmp_path / "section.json"
    whole.write_text(json.dumps(spec.to_json()))
    section.write_text(json.dumps(spec.to_json()["dataset"]))
    for given in (str(whole), section, section.read_text(), spec.to_json()["dataset"], [str(whole)]):
        found, settings = spec_with(spec, given)
        assert (found["test"], settings) == (3, {})
    assert spec_with(spec, "digits") == ({"type": "digits"}, {})
    assert spec_with(spec, ["digits", "shots=2"]) == ({"type": "digits"}, {"dataset.shots": 2})
    for wrong, said in (
        (
            str(tmp_path),
            "is a folder, and the run's data set `few_digits` has none; say what it holds, as '{.type.: .image",
        ),
        ("no/such", "no such file"),
    ):
        with pytest.raises(SpecError, match=f"(?i){said}"):
            spec_with(spec, wrong)
    with pytest.raises(
        SpecError, match="digit is no file or folder here, and no type of data set; did you mean `digits`"
    ):
        with_data(spec, "digit", catalogue())
    whole.write_text("[]")
    with pytest.raises(SpecError, match="neither a spec"):
        spec_with(spec, whole)
