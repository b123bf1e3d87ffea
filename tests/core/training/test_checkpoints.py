"""A training that was interrupted in its middle goes on from its last checkpoint, to the bits it would have had."""

from __future__ import annotations

import errno
import importlib
import json
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from graftwork import Pipeline
from graftwork.core.features.learner import FeatureLearner
from graftwork.core.roles import Adapter, AdapterSpec
from graftwork.core.storage.claim import CHECKPOINT_EVERY, CHECKPOINTS, PARTIAL, TRAININGS
from graftwork.core.storage.manifest import MANIFEST, seal
from graftwork.core.training.checkpoints import folder, interrupts
from graftwork.core.training.checkpoints.folder import STATE, Checkpoints, ResumeError
from graftwork.core.training.checkpoints.state_file import read_state, write_state
from graftwork.core.training.steps import Steps
from graftwork.registry.catalogue import Catalogue, Plugin
from graftwork.registry.component import Component

from ...support.command_answers import answer, signals_as_in_a_terminal
from ...support.models.tiny_encoders import save_tiny_encoder
from ...support.small_layers import pipeline as small_layers
from ...support.small_layers import with_little_data
from ...support.small_pipeline import SMALL, catalogue

JSONL = [{"type": "jsonl"}]
#: Batches, steps of two of them, a learning rate that rises and falls, regularizers; two trainings of six steps.
FEATURES: dict[str, Any] = SMALL | {
    "trainer": {
        "epochs": 3,
        "batch_size": 32,
        "accumulate": 2,
        "schedule": "cosine",
        "warmup": 0.5,
        "optimizer": {"type": "adamw", "lr": 0.01},
    },
    "evaluation": {"seeds": [0, 1]},
    "regularizers": [
        {"type": "ewc", "strength": 0.1, "anchor": "init"},
        {"type": "synaptic_intelligence", "strength": 1.0},
    ],
    "reporters": JSONL,
}


def towers(place: Path, adapter: Mapping[str, Any]) -> dict[str, Any]:
    encoder = {"type": "transformers", "model": str(save_tiny_encoder("clip", place))}
    spec = small_layers("vqa", "same", encoder, adapter)
    trainer = {"epochs": 2, "batch_size": 8, "optimizer": {"type": "sgd", "lr": 0.05}}
    return spec | {"evaluation": {"seeds": [0]}, "trainer": trainer, "reporters": JSONL}


class Killed(BaseException):
    """As nothing catches."""


class Place:
    """Where a spec is run, cut and gone on with."""

    def __init__(self, spec: Mapping[str, Any], folder: Path, known: Catalogue) -> None:
        self.spec, self.folder, self.known = spec, folder, known

    def run(self, name: str, *, resume: bool | None = None, **more: Any) -> Path:
        pipeline = Pipeline.from_dict({**self.spec, **more}, catalogue=self.known)
        return pipeline.run(self.folder / name, self.folder / "store", resume=resume).folder

    def cut(self, name: str, steps: int, *, resume: bool | None = None) -> list[Path]:
        """The checkpoints, newest first, of a run that is killed after so many steps, with one written after each."""
        left = steps

        def due(self: Checkpoints) -> bool:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return True

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Checkpoints, "due", due)
            with pytest.raises(Killed):
                self.run(name, resume=resume)
        return sorted((self.folder / f"{name}{PARTIAL}" / CHECKPOINTS).glob("*/*"), reverse=True)


def small(tmp_path: Path) -> Place:
    return Place(FEATURES, tmp_path, catalogue())


def lines_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]


def notes_of(run: Path) -> list[str]:
    return [line["message"] for line in lines_of(run) if line["event"] == "Note"]


def numbers_of(run: Path) -> dict[str, Any]:
    """All that depends on no clock: tensors, predictions, figures, and every epoch of every training as it was told."""
    found: dict[str, Any] = {path.name: path.read_bytes() for path in run.rglob("*.safetensors")}
    epochs = [line for line in lines_of(run) if line["event"] in ("EpochFinished", "TrainingFinished")]
    told = [{key: one for key, one in line.items() if key not in ("time", "seconds")} for line in epochs]
    said = {"test": json.loads((run / "result.json").read_text())["test"], "told": told}
    return found | said | {"predictions": (run / "predictions.jsonl").read_bytes()}


def steps_of(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> int:
    """How many steps are done meanwhile."""
    counted, step = [], Steps._step

    def counting(self: Steps) -> None:
        counted.append(1)
        step(self)

    with monkeypatch.context() as patched:
        patched.setattr(Steps, "_step", counting)
        act()
    return len(counted)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """``FEATURES`` without an interrupt."""
    return numbers_of(small(tmp_path_factory.mktemp("whole")).run("whole"))


def test_cut_after_a_step_it_ends_with_the_same_bits(
    whole: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within an epoch, at its end, in the second training; what was done is not done again, and nothing of it stays."""
    place = small(tmp_path)
    for steps in (1, 2, 5, 9):
        place.cut("x", steps)
        assert steps_of(monkeypatch, lambda: place.run("x", resume=True)) == 12 - steps
        assert numbers_of(tmp_path / "x") == whole
        assert not [one for one in tmp_path.rglob("*") if one.name in (CHECKPOINTS, TRAININGS, f"x{PARTIAL}")]
        shutil.rmtree(tmp_path / "x")


@pytest.mark.parametrize(
    "adapter",
    [{"type": "lora", "rank": 2, "dropout": 0.3}, {"type": "hmmoe", "rank": 2}],
    ids=["what is dropped", "what experts had"],
)
def test_adapters_inside_towers_as_well(
    adapter: dict[str, Any], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Dropout draws on; shares of experts are those of the whole epoch; the second cut is of a run that went on."""
    place = Place(towers(tmp_path_factory.mktemp("clip"), adapter), tmp_path, with_little_data())
    whole = place.run("whole")
    place.cut("x", 2)
    place.cut("x", 2, resume=True)
    assert numbers_of(place.run("x", resume=True)) == numbers_of(whole)


class CountsSpec(AdapterSpec):
    """An adapter as a stranger may write it."""

    type: Literal["counts"] = "counts"


class Counts(Adapter):
    """z = x w / n in the nth step, w drawn anew each time; it keeps n, and the last draw."""

    def __init__(self, spec: CountsSpec, width: int) -> None:
        super().__init__()
        self.output_width, self.calls = width, 0
        self.weight = nn.Parameter(torch.ones(width))
        self.register_buffer("last", torch.zeros(width), persistent=False)

    def forward(self, x: Tensor, graph: object = None) -> Tensor:
        if self.training:
            self.calls += 1
            self.last = 0.5 * self.last + torch.rand(x.shape[1])
        return x * self.weight * (1 + self.last / max(1, self.calls))


def test_what_a_model_keeps_beside_its_parameters_is_kept(tmp_path: Path) -> None:
    """Plain numbers, and buffers that are not saved."""
    own = Component("adapter", "counts", CountsSpec, f"{__name__}:Counts", "a stranger's")
    known = Catalogue([Plugin("own", "graftwork-own", "1", components=[own]), *catalogue().plugins])
    spec = {key: one for key, one in FEATURES.items() if key not in ("graph", "regularizers")}
    place = Place(spec | {"adapter": {"type": "counts"}}, tmp_path, known)
    whole = place.run("whole")
    place.cut("x", 3)
    assert numbers_of(place.run("x", resume=True)) == numbers_of(whole)


def altered(path: Path, change: Callable[[dict[str, Any], dict[str, Tensor]], object]) -> None:
    """Another checkpoint, sealed as if it had been written so."""
    said, held = read_state(path / STATE)
    change(said, held)
    (path / STATE).unlink()
    write_state(path / STATE, said, held, lambda digest: seal(path, {STATE: digest}))


def test_a_checkpoint_that_is_not_whole_is_not_used(whole: dict[str, Any], tmp_path: Path) -> None:
    """The one before it is, and that is said; both go with the run."""
    place = small(tmp_path)
    newest, before = place.cut("x", 3)
    content = bytearray((newest / STATE).read_bytes())
    content[-3] ^= 1
    (newest / STATE).write_bytes(content)
    resumed = place.run("x", resume=True)
    assert numbers_of(resumed) == whole
    assert [note for note in notes_of(resumed) if f"{newest / STATE} was altered" in note]
    assert not before.exists()


def without_randomness(said: dict[str, Any], held: dict[str, Tensor]) -> None:
    del held["random/torch"]


def with_other_randomness(said: dict[str, Any], held: dict[str, Tensor]) -> None:
    held["random/torch"] = held["random/torch"][:100].clone()


def without_a_part(said: dict[str, Any], held: dict[str, Tensor]) -> None:
    del said["random"]


@pytest.mark.parametrize("harm", [without_randomness, with_other_randomness, without_a_part])
def test_a_checkpoint_without_its_randomness_is_refused(harm: Any, tmp_path: Path) -> None:
    """Loudly, and nothing is trained; the same where somebody sealed it again."""
    place = small(tmp_path)
    for path in place.cut("x", 3):
        altered(path, harm)
    with pytest.raises(ResumeError, match="--restart"):
        place.run("x", resume=True)
    place.run("x", resume=False)


@pytest.mark.parametrize("name", [STATE, MANIFEST])
def test_with_none_that_is_whole_it_says_so(name: str, tmp_path: Path) -> None:
    """And what to do."""
    place = small(tmp_path)
    for path in place.cut("x", 2):
        (path / name).unlink()
    with pytest.raises(ResumeError, match=r"no checkpoint that is whole; remove it .* or --restart"):
        place.run("x", resume=True)


def test_what_does_not_come_back_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A component that forgets: the result would be another."""
    place = small(tmp_path)
    place.cut("x", 3)
    monkeypatch.setattr(torch.optim.AdamW, "load_state_dict", lambda self, state: None)
    with pytest.raises(ResumeError, match=r"training/optimizer.* did not come back as it was written"):
        place.run("x", resume=True)


def test_other_code_and_other_data_are_named(tmp_path: Path) -> None:
    """Of a training that is not finished, too; the checkpoint stays."""
    place = small(tmp_path)
    for path in place.cut("x", 3):
        altered(path, lambda said, held: said["of"].update(data="others"))
    with pytest.raises(ResumeError, match=r'data: was "others", is .*\n.* --restart'):
        place.run("x", resume=True)
    assert path.exists()


def test_nobody_goes_past_one_unasked(tmp_path: Path) -> None:
    """It is said in which epoch it is; another spec is named by what differs."""
    place = small(tmp_path)
    place.cut("x", 4)
    with pytest.raises(ResumeError, match=r"holds 1 training interrupted in epoch 2 of a run .* --resume .* --restart"):
        place.run("x")
    with pytest.raises(ResumeError, match=r"of another spec:\n  seed: was 0, is 5\n"):
        place.run("x", resume=True, seed=5, evaluation={"seeds": None})


def test_what_a_killed_run_left_half_written_is_swept(tmp_path: Path) -> None:
    """At the next start."""
    place = small(tmp_path)
    newest, _ = place.cut("x", 3)
    for name in ("", "0" * 32):
        (newest.parent / f".graftwork-partial-{name}").mkdir()
        shutil.copy(newest / STATE, newest.parent / f".graftwork-partial-{name}")
    (newest.parent.parent / "empty").mkdir()
    place.cut("x", 1, resume=True)
    assert sorted(one.name for one in newest.parent.parent.iterdir()) == [newest.parent.name]
    assert not list(newest.parent.glob(".*"))


def test_a_full_disk_costs_no_training(whole: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said once."""
    monkeypatch.setattr(Checkpoints, "due", lambda self: True)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(folder, "write_state", full)
    run = small(tmp_path).run("x")
    assert numbers_of(run) == whole
    said = [note for note in notes_of(run) if "no checkpoint is written: cannot write" in note]
    assert len(said) == 2  # trainings


def test_short_trainings_write_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None that ends earlier than the interval; the command line names it as it is."""
    written: list[str] = []
    monkeypatch.setattr(Checkpoints, "write", lambda self, place, tree: written.append(place))
    small(tmp_path).run("x")
    assert not written
    for name in ("run", "sweep", "compare"):
        command = importlib.import_module(f"graftwork.core.cli.runs.{name}").command
        assert next(one for one in command.params if one.name == "checkpoint_every").default == CHECKPOINT_EVERY


def test_a_slow_disk_is_written_to_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints take two hundredths of a training's time at most."""
    clock = [0.0]
    monkeypatch.setattr(folder, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    one = Checkpoints(tmp_path / "one", dict, lambda: None, lambda event: None, every=60.0, _since=0.0)
    due = []
    for second in range(1, 1001):
        clock[0] = second
        if one.due():
            due.append(second)
            clock[0] += 5.0  # so long does it take
            one._since, one._took = clock[0], 5.0
    assert due == [60, 315, 570, 825]


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The command line in a folder with a spec, signals as in a terminal."""
    (tmp_path / "spec.json").write_text(json.dumps(FEATURES))
    monkeypatch.setattr("graftwork.core.pipeline.default_catalogue", catalogue)
    monkeypatch.chdir(tmp_path)
    with signals_as_in_a_terminal():
        yield tmp_path


RUN = ["run", "spec.json", "--out", "x", "--cache", "store", "-q"]


def asking(name: str, at: int, monkeypatch: pytest.MonkeyPatch, times: int = 1) -> None:
    """Within step number ``at`` signals come."""
    done, step = [], Steps._step

    def asked(self: Steps) -> None:
        done.append(1)
        if len(done) == at:
            for _ in range(times):
                signal.raise_signal(signal.Signals[name])
        step(self)

    monkeypatch.setattr(Steps, "_step", asked)


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_waits_for_the_end_of_the_step(
    name: str, code: int, whole: dict[str, Any], commands: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then how far it came is written, and the code is the signal's; a launcher may send it twice."""
    with monkeypatch.context() as patched:
        asking(name, 4, patched, times=2)
        said = answer(RUN)
    assert said["code"] == code
    assert "with --resume goes on with it" in said["err"]
    assert [one.name for one in (commands / f"x{PARTIAL}" / CHECKPOINTS).glob("*/*")] == ["00000001-00000002"]
    went_on = []
    steps = steps_of(monkeypatch, lambda: went_on.append(answer(["run", "--resume", "x", "--cache", "store", "-q"])))
    assert (went_on[0]["code"], went_on[0]["out"].strip()) == (0, str(commands / "x"))
    assert steps == 12 - 4
    assert numbers_of(commands / "x") == whole


def test_a_signal_does_not_wait_for_an_epoch_to_be_ranked(
    whole: dict[str, Any], commands: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That may take long, and nothing is half done."""
    rank, ranked = FeatureLearner.rank, []

    def asked(self: FeatureLearner) -> Any:
        ranked.append(1)
        if len(ranked) == 3:  # the start, an epoch, another
            signal.raise_signal(signal.SIGTERM)
            raise AssertionError("it waits")
        return rank(self)

    with monkeypatch.context() as patched:
        patched.setattr(FeatureLearner, "rank", asked)
        assert answer(RUN)["code"] == 143
    assert answer([*RUN, "--resume"])["code"] == 0
    assert numbers_of(commands / "x") == whole


def test_a_second_signal_ends_at_once(commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a step: what is half done is not written."""
    monkeypatch.setattr(interrupts, "PATIENCE", 0.0)
    asking("SIGINT", 4, monkeypatch, times=2)
    assert answer(RUN)["code"] == 130
    assert not (commands / f"x{PARTIAL}" / CHECKPOINTS).exists()


def test_handlers_are_put_back(tmp_path: Path) -> None:
    """Whoever has some has them after each training; in Python Ctrl-C is ``KeyboardInterrupt`` as ever."""
    with signals_as_in_a_terminal():
        _require_put_back()


def _require_put_back() -> None:
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    with interrupts.WaitingSignals() as signals:
        assert not signals.asked
        assert signal.getsignal(signal.SIGINT) != before[signal.SIGINT]
    assert {one: signal.getsignal(one) for one in before} == before


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (["run", "--resume", "nothing"], "is no interrupted run: there is no such folder"),
        (["run", "spec.json", "--resume", "--restart"], "say one of them"),
        (["run", "--resume", "x", "--set", "seed=1"], "leaves nothing to set"),
        (["run", "--resume", "x", "--out", "y"], "leave --out out"),
    ],
)
def test_a_mistake_is_said(said: list[str], why: str, commands: Path) -> None:
    (commands / f"x{PARTIAL}" / TRAININGS).mkdir(parents=True)
    shutil.copy("spec.json", commands / f"x{PARTIAL}" / TRAININGS / "pipeline.json")
    found = answer(said)
    assert found["code"] == 2
    assert why in found["err"]


@pytest.mark.parametrize("act", ["write_state", "seal", "_flush", "_remove"])
def test_cut_while_one_is_written(act: str, whole: dict[str, Any], tmp_path: Path) -> None:
    """At whatever it comes to; nothing tidies up before the next start."""
    real, count = getattr(folder, act), [0]

    def cutting(*given: Any) -> Any:
        count[0] += 1
        if count[0] == 3:
            raise Killed
        return real(*given)

    place = small(tmp_path)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(folder, act, cutting)
        patched.setattr(Checkpoints, "due", lambda self: True)
        with pytest.raises(Killed):
            place.run("x")
    assert numbers_of(place.run("x", resume=True)) == whole
    assert sorted(one.name for one in tmp_path.iterdir()) == ["store", "x"]
    assert not list((tmp_path / "x").rglob(".*"))
