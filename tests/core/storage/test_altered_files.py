"""What was stored is what is read: a flipped bit anywhere is said, and the file that holds it is blamed."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from shutil import copytree

import pytest

from graftwork import load
from graftwork.core.events import Note
from graftwork.core.run.load import UnsealedWarning
from graftwork.core.storage.manifest import MANIFEST, Manifest, adapter_folder, require_whole
from graftwork.core.storage.result import Result
from graftwork.core.storage.run_folder import RunFolderError, read_json_file, write_json
from graftwork.core.storage.sealed import is_unaltered, sealed
from graftwork.core.storage.store import Namespace
from graftwork.core.studies.compare import compare
from graftwork.core.studies.compare_report import comparison_notes
from graftwork.core.studies.sweep import sweep
from graftwork.core.studies.sweep_report import sweep_notes

from ...support.paths import ROOT
from ...support.small_pipeline import Hearing, Pixels, catalogue, pipeline
from ...support.stored_evidence import flips_of_a_run, flips_of_a_store, small_run

OLD = ROOT / "tests" / "fixtures" / "before_house" / "run_features"
BESIDE = ["result.json", "events.jsonl", "lock.json", "unreadable.jsonl"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a file of each kind."""
    folder = tmp_path_factory.mktemp("run")
    return small_run(folder / "run", folder / "store", dataset__on_error="record")


def test_flipped_bits_of_a_run_are_refused_with_their_file(run: Path, tmp_path: Path) -> None:
    """Of every file, by `compare` and by `load`; `make evidence-store` tries several hundred."""
    found = Counter(outcome for _, outcome in flips_of_a_run(run, tmp_path, 44, seed=1))
    assert found == {"refused, rightly blamed": 88}


def test_flipped_bits_of_a_store_change_no_result(tmp_path: Path) -> None:
    """What is altered is not there: it is encoded anew, or its model is loaded."""
    outcomes = Counter(outcome for _, outcome in flips_of_a_store(tmp_path, 8, seed=2))
    assert set(outcomes) == {"the same result", "the same result, said"}


@pytest.mark.parametrize("change", ["altered", "doubled", "removed"])
@pytest.mark.parametrize("name", BESIDE)
def test_a_run_is_whole_or_refused(name: str, change: str, run: Path, tmp_path: Path) -> None:
    """Whoever reads it: one file beside the adapter that is not as it was."""
    copy = copytree(run, tmp_path / "copy")
    content = (copy / name).read_text()
    if change == "removed":
        (copy / name).unlink()
    else:
        (copy / name).write_text(content * 2 + "x" if change == "doubled" else content.replace("0", "1", 1) + " ")
    told = re.escape(f"{copy / name} {'is missing' if change == 'removed' else 'was altered after the run'}; restore")
    if name == "result.json" and change == "removed":
        told = re.escape(f"{copy / name} is missing; restore") + "|holds no finished run"
    with pytest.raises(RunFolderError, match=told):
        load(copy, catalogue=catalogue())
    with pytest.raises(RunFolderError, match=told):
        compare([copy], {}, catalogue(), tmp_path, tmp_path)
    with pytest.raises(RunFolderError, match=told):
        pipeline(trainer__start_from=str(copy)).plan(tmp_path)


@pytest.mark.parametrize(
    "name",
    ["adapter/support.safetensors", "adapter/adapter_model.safetensors", "events.jsonl", "adapter/manifest.json"],
)
def test_a_file_that_cannot_be_read_is_named(name: str, run: Path, tmp_path: Path) -> None:
    """Also where it opens, and the disk then gives an error."""
    copy = copytree(run, tmp_path / "copy")
    (copy / name).unlink()
    (copy / name).symlink_to("/proc/self/mem")
    with pytest.raises(RunFolderError, match=re.escape(f"{copy / name} cannot be read: ") + ".*Input/output error"):
        load(copy, catalogue=catalogue())


def test_a_result_is_refused_also_by_itself(run: Path, tmp_path: Path) -> None:
    """As a user's code reads it; one without a run around it is read."""
    copy = copytree(run, tmp_path / "copy")
    result = read_json_file(copy / "result.json")
    write_json(copy / "result.json", result | {"blend": 0.75})
    with pytest.raises(RunFolderError, match=r"result\.json was altered after the run"):
        Result.read(copy / "result.json")
    write_json(tmp_path / "result.json", result)
    assert Result.read(tmp_path / "result.json").to_json() == result


@pytest.mark.parametrize("where", [".", "adapter"])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"files": {}}, "was altered after it was written"),
        ({"graftwork": "9.9"}, "was altered after it was written"),
        ({"sha256": "0" * 64}, "was altered after it was written"),
        ({"sha256": None}, "the manifest lacks `sha256`"),
        ({"manifest": 0}, "was altered after it was written"),
        ({"more": 1}, "was altered after it was written"),
    ],
    ids=str,
)
def test_an_altered_manifest_is_itself_blamed(
    where: str, change: dict[str, object], told: str, run: Path, tmp_path: Path
) -> None:
    """And no file that it lists."""
    folder = copytree(run / where, tmp_path / "copy")
    kept = {key: one for key, one in (read_json_file(folder / MANIFEST) | change).items() if one is not None}
    write_json(folder / MANIFEST, kept)
    with pytest.raises(RunFolderError, match=re.escape(f"{folder / MANIFEST}") + f"(: | ){told}"):
        adapter_folder(folder)


def test_the_manifest_of_a_run_knows_that_of_its_adapter(run: Path, tmp_path: Path) -> None:
    """An adapter of another run does not pass for this one's; a missing manifest is missed."""
    other = small_run(tmp_path / "other", tmp_path / "store", seed=1)
    copy = copytree(run, tmp_path / "copy")
    (copy / "adapter").rename(tmp_path / "was")
    copytree(other / "adapter", copy / "adapter")
    with pytest.raises(RunFolderError, match=r"copy/adapter/manifest\.json was altered after the run"):
        load(copy, catalogue=catalogue())
    (other / MANIFEST).unlink()
    with pytest.raises(RunFolderError, match=r"other/manifest\.json is missing; restore it"):
        compare([other], {}, catalogue(), tmp_path, tmp_path)
    assert load(other / "adapter", catalogue=catalogue()).spec.name == "small"


@pytest.mark.filterwarnings("ignore::graftwork.core.run.load.ReadingWarning")
def test_a_run_from_before_is_read_with_a_note(tmp_path: Path) -> None:
    """By all that read one: nothing vouches for its result."""
    told = "nothing vouches for its result, lock and events: an older Graftwork wrote it"
    require_whole(OLD)
    with pytest.warns(UnsealedWarning, match=f"run_features: {told}"):
        load(OLD, device="cpu")
    comparison = compare([OLD], {}, catalogue(), tmp_path, tmp_path)
    assert [note for note in comparison_notes(comparison) if told in note] == [f"features: {told}"]
    spec = pipeline().spec
    swept = sweep(spec, {"trainer.epochs": [1]}, None, catalogue(), tmp_path / "store", tmp_path / "sweep")
    assert [note for note in sweep_notes(swept) if told in note] == []
    (point,) = (tmp_path / "sweep" / "points").iterdir()
    (point / MANIFEST).unlink()
    adapter = read_json_file(point / "adapter" / MANIFEST)
    write_json(point / "adapter" / MANIFEST, adapter["files"])  # as it was before there were formats
    again = sweep(spec, {"trainer.epochs": [1]}, None, catalogue(), tmp_path / "store", tmp_path / "sweep")
    assert [note for note in sweep_notes(again) if told in note] == [f"trainer.epochs 1: {told}"]
    assert Manifest.read(point / "adapter" / MANIFEST).sha256 is None


@pytest.mark.parametrize("change", ['"accuracy"', '"blend"', '"seeds"'])
def test_a_sweep_refuses_an_altered_point(change: str, tmp_path: Path) -> None:
    """It is a failure of that point, with its file; the others are reported."""
    grid, parts = {"trainer.epochs": [1, 2]}, (catalogue(), tmp_path / "store", tmp_path / "sweep")
    sweep(pipeline().spec, grid, None, *parts)
    point = sorted((tmp_path / "sweep" / "points").iterdir())[0] / "result.json"
    point.write_text(point.read_text().replace(change, '"x"', 1))
    again = sweep(pipeline().spec, grid, None, *parts)
    (failed,) = again.failures
    assert str(failed.failure) == f"{point} was altered after the run; restore it or run the pipeline again"
    assert len([one for one in again.points if one.done and one.done.found]) == 1


@pytest.mark.parametrize("change", ["logit_scale", "weights", "cut", "no object"])
def test_an_altered_about_loads_the_model_and_says_so(change: str, tmp_path: Path) -> None:
    """Nothing of it reaches a result, and stored vectors that are the model's are not encoded again."""
    before = Result.read(small_run(tmp_path / "a", tmp_path / "store") / "result.json")
    (about,) = (tmp_path / "store" / "features").glob("*/about.json")
    whole = about.read_text()
    noted = json.loads(whole)
    changed = {"logit_scale": noted | {"logit_scale": 90.0}, "weights": noted | {"weights": "0" * 64}}
    about.write_text({"cut": whole[:40], "no object": "[]"}.get(change) or json.dumps(changed[change]))
    notes: list[str] = []
    plan = pipeline(task__head={"type": "cosine"}).plan(
        tmp_path / "store", lambda event: notes.append(event.message) if isinstance(event, Note) else None
    )
    told = f"{about} was altered or cannot be read: the model is loaded to see which stored values are its own"
    assert told in notes
    assert plan.stages[1].stored == 0
    Pixels.built.clear()
    Pixels.encoded.clear()
    after = Result.read(small_run(tmp_path / "b", tmp_path / "store") / "result.json")
    assert told in [event.message for event in Hearing.heard if isinstance(event, Note)]
    assert (len(Pixels.built), Pixels.encoded) == (1, [])
    assert after.test == before.test
    assert json.loads(about.read_text()) == json.loads(whole)


def test_an_about_of_before_is_read(tmp_path: Path) -> None:
    """It has no sha256."""
    namespace = Namespace(tmp_path, "features", {"encoder": "x"})
    namespace.note({"weights": "w"})
    old = {key: one for key, one in (namespace.about() or {}).items() if key != "sha256"}
    (namespace.folder / "about.json").write_text(json.dumps(old))
    assert (namespace.about(), namespace.damage()) == (old, None)


@pytest.mark.parametrize("value", [{}, {"a": 1}, {"a": [1.5, None, {"b": "ä"}]}, {"sha256": "x"}])
def test_a_seal_holds_for_what_it_was_put_on(value: dict[str, object]) -> None:
    assert is_unaltered(sealed(value))
    assert is_unaltered(json.loads(json.dumps(sealed(value))))
    assert not is_unaltered(sealed(value) | {"a": 2})
    assert not is_unaltered({"a": float("nan"), "sha256": "x"})
