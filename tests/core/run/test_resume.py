"""A run that was interrupted goes on with its finished trainings, to the result that it would have had."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from safetensors.torch import load_file, save_file

from graftwork import Pipeline
from graftwork.core.events import EpochFinished, Event, Note, TrainingFinished
from graftwork.core.roles import Reporter, ReporterSpec
from graftwork.core.run.run import Run
from graftwork.core.storage.claim import PARTIAL, TRAININGS
from graftwork.core.storage.result import Result
from graftwork.core.training import finished
from graftwork.core.training.checkpoints.folder import ResumeError
from graftwork.core.training.loop import train
from graftwork.registry.catalogue import Catalogue, Plugin
from graftwork.registry.component import Component

from ...support.models.tiny_encoders import save_tiny_encoder
from ...support.small_layers import pipeline as small_layers
from ...support.small_layers import with_little_data
from ...support.small_pipeline import SMALL, catalogue


class StoppingSpec(ReporterSpec):
    """Ends the run after so many trainings."""

    type: Literal["stopping"] = "stopping"
    after: int = 10**9


class Stopping(Reporter):
    """As its spec says; keeps every event."""

    heard: ClassVar[list[Event]] = []

    def __init__(self, spec: StoppingSpec, folder: Path) -> None:
        self.spec = spec
        self.heard.clear()
        DONE.clear()

    def hear(self, event: Event) -> None:
        self.heard.append(event)
        if isinstance(event, TrainingFinished) and event.training == self.spec.after:
            raise KeyboardInterrupt


#: The trainings that were done, not found, since the last run began.
DONE: list[int] = []


def trained() -> int:
    """How many were."""
    return len(DONE)


def with_stopping(known: Catalogue) -> Catalogue:
    own = Component("reporter", "stopping", StoppingSpec, f"{__name__}:Stopping", "ends the run")
    return Catalogue([Plugin("stopping", "graftwork-stopping", "1", components=[own]), *known.plugins])


EWC = {"type": "ewc", "strength": 0.1, "anchor": "init"}
PATH = {"type": "synaptic_intelligence", "strength": 1.0}
#: Of each level: a spec, how many trainings, and what is installed.
FEATURES: dict[str, Any] = SMALL | {
    "evaluation": {"seeds": [0, 1]},
    "search": {"trainer.optimizer.lr": [0.01, 0.02]},
    "regularizers": [EWC, PATH],
}
LOGISTIC: dict[str, Any] = SMALL | {
    "adapter": {"type": "none"},
    "task": {"type": "classification", "head": {"type": "logistic_regression"}},
    "evaluation": {"seeds": [0, 1]},
    "search": {"task.head.C": [0.1, 1.0]},
}
del LOGISTIC["graph"]
PROPOSED: dict[str, Any] = SMALL | {
    "evaluation": {"seeds": [0]},
    "search": {"trainer.optimizer.lr": {"low": 0.001, "high": 0.1, "log": True}},
    "trials": 4,
}


def layers(tower: Path) -> dict[str, Any]:
    encoder = {"type": "transformers", "model": str(save_tiny_encoder("clip", tower))}
    spec = small_layers("vqa", "same", encoder, {"type": "lora", "rank": 2})
    search = {"trainer.optimizer.lr": [0.01, 0.02]}
    return spec | {"evaluation": {"seeds": [0, 1]}, "search": search, "regularizers": [EWC, PATH]}


@pytest.fixture(autouse=True)
def kept_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of these tests take milliseconds."""
    monkeypatch.setattr(finished, "SECONDS", 0.0)

    def counted(*given: Any) -> Any:
        DONE.append(1)
        return train(*given)

    monkeypatch.setattr("graftwork.core.training.engine.train", counted)


class Place:
    """Where a spec is run, interrupted and gone on with."""

    def __init__(self, spec: Mapping[str, Any], folder: Path, known: Catalogue) -> None:
        self.spec, self.folder, self.known = spec, folder, with_stopping(known)

    def run(self, name: str, after: int = 10**9, *, resume: bool | None = None, **more: Any) -> Run:
        spec = {**self.spec, "reporters": [{"type": "stopping", "after": after}], **more}
        return Pipeline.from_dict(spec, catalogue=self.known).run(
            self.folder / name, self.folder / "store", resume=resume
        )

    def interrupted(self, name: str, after: int) -> Path:
        """The folder of finished trainings that is left."""
        with pytest.raises(KeyboardInterrupt):
            self.run(name, after)
        return self.folder / f"{name}{PARTIAL}" / TRAININGS


def small(tmp_path: Path, spec: Mapping[str, Any] = FEATURES) -> Place:
    return Place(spec, tmp_path, catalogue())


def measured(run: Run) -> dict[str, Any]:
    """The result without what a clock or a meter says."""
    clocks = {"training_seconds_per_seed", "stages"}
    return {key: value for key, value in run.result.items() if key not in clocks}


def written(run: Run) -> dict[str, bytes]:
    """The files that hold numbers, and the predictions."""
    return written_in(run.folder)


def written_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.suffix in {".safetensors", ".jsonl"}}


@pytest.mark.parametrize(
    ("spec", "after"),
    [(FEATURES, 1), (FEATURES, 4), (LOGISTIC, 3), (PROPOSED, 2)],
    ids=["first", "all", "fit", "tpe"],
)
def test_the_result_is_that_of_one_that_was_not_interrupted(spec: Any, after: int, tmp_path: Path) -> None:
    """To the bit; what was finished is not trained again, and nothing of it stays."""
    place = small(tmp_path, spec)
    whole = place.run("whole")
    place.interrupted("x", after)
    resumed = place.run("x", resume=True)
    assert measured(resumed) == measured(whole)
    assert written(resumed) == written(whole)
    assert trained() == 4 - after
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store", "whole", "x"]


def test_adapters_inside_towers_as_well(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Interrupted twice."""
    place = Place(layers(tmp_path_factory.mktemp("clip")), tmp_path, with_little_data())
    whole = place.run("whole")
    place.interrupted("x", 1)
    with pytest.raises(KeyboardInterrupt):
        place.run("x", 3, resume=True)
    resumed = place.run("x", resume=True)
    assert trained() == 1
    assert (measured(resumed), written(resumed)) == (measured(whole), written(whole))


def test_nobody_goes_past_finished_trainings_unasked(tmp_path: Path) -> None:
    """They stay until somebody says what becomes of them."""
    place = small(tmp_path)
    kept = place.interrupted("x", 3)
    with pytest.raises(ResumeError, match=r"x\.partial holds 3 finished trainings .* --resume .* --restart"):
        place.run("x")
    assert len(list(kept.glob("*.safetensors"))) == 3
    place.run("x", resume=False)
    assert trained() == 4


def test_with_nothing_to_go_on_with_it_begins_at_the_start(tmp_path: Path) -> None:
    """A script may always say ``--resume``."""
    small(tmp_path).run("x", resume=True)
    assert trained() == 4


def test_values_may_be_added_to_a_search(tmp_path: Path) -> None:
    """And seeds; a training of another spec is none of its own."""
    place = small(tmp_path)
    place.interrupted("x", 4)
    place.run("x", resume=True, search={"trainer.optimizer.lr": [0.01, 0.02, 0.03]}, seed=0)
    assert trained() == 2
    assert not [event for event in Stopping.heard if isinstance(event, Note) and "another spec" in event.message]


def test_a_run_of_another_spec_is_told_what_differs(tmp_path: Path) -> None:
    """Before it trains; what was done stays."""
    place = small(tmp_path)
    kept = place.interrupted("x", 3)
    with pytest.raises(ResumeError, match=r"3 finished trainings of another spec:\n  trainer\.epochs: was 5, is 1\n"):
        place.run("x", resume=True, trainer={**FEATURES["trainer"], "epochs": 1})
    assert trained() == 0
    assert len(list(kept.glob("*.safetensors"))) == 3


def test_a_locked_run_goes_on_with_trainings_of_its_spec_alone(tmp_path: Path) -> None:
    """A lock holds what the numbers depend on, and a resumed run is held against both."""
    place = small(tmp_path)
    place.interrupted("x", 3)

    def locked(**changes: Any) -> Run:
        spec = {**FEATURES, "reporters": [{"type": "stopping"}], **changes}
        lock = Pipeline.from_dict(spec, catalogue=place.known).lock(tmp_path / "store")
        return Pipeline.from_lock(lock, place.known).run(tmp_path / "x", tmp_path / "store", resume=True)

    with pytest.raises(ResumeError, match=r"trainer\.epochs: was 5, is 1"):
        locked(trainer={**FEATURES["trainer"], "epochs": 1})
    locked()
    assert trained() == 1


def test_what_was_heard_of_a_finished_training_is_told_again(tmp_path: Path) -> None:
    """Its learning curve is whole."""
    place = small(tmp_path)
    place.run("whole")
    curve = [event for event in Stopping.heard if isinstance(event, EpochFinished)]
    place.interrupted("x", 3)
    place.run("x", resume=True)
    assert [event for event in Stopping.heard if isinstance(event, EpochFinished)] == curve


def test_other_data_are_named_and_nothing_is_trained(tmp_path: Path) -> None:
    """The finished trainings stay."""
    place = small(tmp_path)
    kept = place.interrupted("x", 2)
    for path in kept.glob("*.safetensors"):
        altered(path, "data", "others")
    with pytest.raises(ResumeError, match=r'data: was "others", is .*\n.* --restart'):
        place.run("x", resume=True)
    assert trained() == 0
    assert len(list(kept.glob("*.safetensors"))) == 2


def altered(path: Path, key: str, value: Any) -> None:
    """The same training, made with something else."""
    about = finished._about(path)
    about["of"][key] = value
    save_file(load_file(path), path, {"format": "pt", "training": json.dumps(about)})


def test_other_code_is_named(tmp_path: Path) -> None:
    """Of components, packages and Graftwork itself."""
    place = small(tmp_path)
    for path in place.interrupted("x", 2).glob("*.safetensors"):
        altered(path, "versions", finished._about(path)["of"]["versions"] | {"torch": "1.0"})
    with pytest.raises(ResumeError, match=r'versions\.torch: was "1\.0", is "'):
        place.run("x", resume=True)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def without_what_it_says(path: Path) -> None:
    save_file(load_file(path), path)


def lacking_a_tensor(path: Path) -> None:
    about, tensors = json.dumps(finished._about(path)), load_file(path)
    del tensors[next(name for name in tensors if name.startswith("model/head."))]
    save_file(tensors, path, {"training": about})


def with_another_number(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("harm", [cut, emptied, without_what_it_says, lacking_a_tensor, with_another_number])
def test_a_training_that_cannot_be_read_is_done_again(harm: Any, tmp_path: Path) -> None:
    """A disk that filled up, a hand that slipped."""
    place = small(tmp_path)
    whole = place.run("whole")
    harm(sorted(place.interrupted("x", 2).glob("*.safetensors"))[0])
    resumed = place.run("x", resume=True)
    assert measured(resumed) == measured(whole)
    assert trained() == 3


def test_an_error_after_trainings_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is explained to the user, too."""
    place = small(tmp_path)

    def full(*_: Any) -> None:
        raise finished.RunFolderError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr("graftwork.core.run.run.save_adapter", full)
        with pytest.raises(finished.RunFolderError):
            place.run("x")
    place.run("x", resume=True)
    assert trained() == 0


def test_a_sweep_goes_on_within_a_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without being asked: its folders are named by all that their numbers depend on."""
    spec = {**FEATURES, "search": {}, "evaluation": {"seeds": [0, 1, 2]}, "reporters": [{"type": "stopping"}]}
    sweep = Pipeline.from_dict(spec, catalogue=with_stopping(catalogue()))
    keep, kept = finished.FinishedTrainings.keep, []

    def interrupted(self: Any, *given: Any) -> None:
        keep(self, *given)
        kept.append(given)
        if len(kept) == 5:
            raise KeyboardInterrupt

    grid = {"trainer.optimizer.lr": [0.01, 0.02]}
    monkeypatch.setattr(finished.FinishedTrainings, "keep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep.sweep(grid, out=tmp_path / "sweep", store=tmp_path / "store")
    sweep.sweep(grid, out=tmp_path / "sweep", store=tmp_path / "store")
    assert len(kept) == 6


#: Runs or goes on in a folder, with a checkpoint after each step; where so many are written it kills itself while the
#: next is, as a machine that loses power.
KILLED = """
import os, signal, sys
from importlib import import_module
from pathlib import Path
from graftwork.core.training import finished
from graftwork.core.training.checkpoints import folder
tests = import_module(sys.argv[3])
finished.SECONDS = 0.0
folder.Checkpoints.due = lambda self: True
seal, count = folder.seal, [0]
def sealing(*given):
    if count[0] == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    count[0] += 1
    seal(*given)
folder.seal = sealing
tests.small(Path(sys.argv[1])).run("x", resume=True)
"""


def test_a_process_that_is_killed_loses_nothing_that_was_written(tmp_path: Path) -> None:
    """Neither finished trainings nor how far another came; nothing of it gets a chance to tidy up."""
    whole = small(tmp_path).run("whole")
    around = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    for after in (12, 1000):  # checkpoints; two trainings and some epochs of the third, and more than there are
        said = [sys.executable, "-c", KILLED, str(tmp_path), str(after), __name__]
        ended = subprocess.run(said, check=False, timeout=900, env=around)
        assert ended.returncode == (-signal.SIGKILL if after == 12 else 0)
    assert Result.read(tmp_path / "x" / "result.json").test == whole.typed.test
    assert written_in(tmp_path / "x") == written(whole)
    assert not (tmp_path / f"x{PARTIAL}").exists()


def test_many_short_trainings_are_written_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that keeping them costs nothing that could be noticed; an interrupt writes those that wait."""
    monkeypatch.setattr(finished, "SECONDS", 1e9)
    written_at: list[int] = []
    write = finished.FinishedTrainings.write

    def counted(self: Any) -> None:
        written_at.append(len(self._waiting))
        write(self)

    monkeypatch.setattr(finished.FinishedTrainings, "write", counted)
    kept = small(tmp_path).interrupted("x", 3)
    assert written_at == [3]
    assert len(list(kept.glob("*.safetensors"))) == 3


def test_a_finished_run_is_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """``resume`` says so, and gives the run that is there; one of another spec takes the next name, as without it."""
    monkeypatch.chdir(tmp_path)
    one, other = (Pipeline.from_dict(SMALL, {"trainer.epochs": epochs}, catalogue()) for epochs in (1, 2))
    first = one.run(resume=True)
    again = one.run(resume=True)
    assert (again.folder, again.result) == (first.folder, first.result)
    (note,) = [record.getMessage() for record in caplog.records if record.name == "graftwork.notes"]
    assert note == "runs/small is this run, and finished: nothing is trained; leave --resume out to train it again"
    assert one.run("runs/small", resume=True).folder == first.folder
    assert other.run(resume=True).folder == tmp_path / "runs" / "small-2"
    assert one.run().folder == tmp_path / "runs" / "small-3"
