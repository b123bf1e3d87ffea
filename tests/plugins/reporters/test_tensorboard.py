"""The reporter for TensorBoard, read back by the package that wrote it."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event

from graftwork.plugins.reporters.specs import TensorboardSpec
from graftwork.plugins.reporters.tensorboard import Tensorboard
from graftwork.registry.errors import MissingExtra

from ...support.small_pipeline import pipeline


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """Tag to step to value, of the one file of a writer (TFRecord: length, its checksum, data, their checksum)."""
    (path,) = folder.glob("events.out.tfevents.*")
    content, at, found = path.read_bytes(), 0, dict[str, dict[int, float]]()
    while at < len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        event = Event.FromString(content[at + 12 : at + 12 + length])
        for value in event.summary.value:
            if value.HasField("simple_value"):
                found.setdefault(value.tag, {})[event.step] = value.simple_value
        at += 16 + length
    return found


def test_what_it_wrote_is_what_the_run_says(tmp_path: Path) -> None:
    """Curves of each training, epoch by epoch; every figure of the result by seed."""
    run = pipeline(evaluation__seeds=[0, 3], device="cpu", reporters=[{"type": "tensorboard"}]).run(
        tmp_path / "run", tmp_path / "store"
    )
    place = run.folder / "tensorboard"
    assert {one.name for one in place.iterdir()} == {"training 1, seed 0", "training 2, seed 3", "result"}
    curves = scalars(place / "training 2, seed 3")
    assert list(curves["loss"]) == list(curves["selection"]) == [1, 2, 3, 4, 5]
    kept = run.typed.epochs_kept[1]
    if kept:
        assert curves["selection"][kept] == pytest.approx(run.typed.selection.per_seed[1])
    for name, score in run.typed.test.items():
        assert scalars(place / "result")[f"test/{name}"] == pytest.approx(
            dict(zip([0, 3], score.per_seed, strict=True))
        )


def test_what_an_interrupted_run_wrote_makes_room_for_the_next(tmp_path: Path) -> None:
    """It is no user's: the next run has whole curves in a new folder. What a user put in it is kept."""
    tensorboard, out = {"type": "tensorboard"}, tmp_path / "run"
    broken = {"type": "fragile", "breaks_on": "TrainingFinished", "error": "interrupt"}
    for mine in (False, True):
        with pytest.raises(KeyboardInterrupt):
            pipeline(device="cpu", reporters=[tensorboard, broken]).run(out, tmp_path / "store", resume="anew")
        partial = tmp_path / "run.partial" / "tensorboard"
        assert [one.name for one in partial.iterdir()] == ["training 1, seed 0"]
        if mine:
            (partial / "notes.md").write_text("work")
    assert not (tmp_path / "run.partial-kept").exists()
    run = pipeline(device="cpu", reporters=[tensorboard]).run(out, tmp_path / "store", resume="anew")
    assert len(scalars(run.folder / "tensorboard" / "training 1, seed 0")["loss"]) == 5
    assert (tmp_path / "run.partial-kept" / "tensorboard" / "notes.md").read_text() == "work"


def test_without_its_package_the_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is encoded."""
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(MissingExtra, match=r'pip install "graftwork\[tensorboard\]"'):
        Tensorboard(TensorboardSpec(), tmp_path)
