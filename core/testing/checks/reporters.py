"""Reporters: told a whole run."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any

from ... import events
from ...roles.reporter import Reporter
from ..case import Case

#: Every key of a ``result.json``.
RESULT: dict[str, Any] = {
    "result": 1,
    "name": "kit",
    "graftwork": "0",
    "metric": "accuracy",
    "test_on": "test",
    "test": {"accuracy": {"mean": 0.5, "std": 0.0, "per_seed": [0.5]}},
    "select_on": "val",
    "selection": {"mean": 0.5, "per_seed": [0.5]},
    "chosen": {"adapter.bottleneck": 8},
    "tried": [{"values": {"adapter.bottleneck": 8}, "selection": 0.5}],
    "listed": {"adapter.bottleneck": [8]},
    "seeds": [0],
    "saved_seed": 0,
    "epochs": 2,
    "epochs_kept": [2],
    "keep": "best",
    "inductive": "attach",
    "inductive_note": "each item sees the support set alone",
    "nodes": "image",
    "pool": "labelled",
    "graph": {
        "support_nodes": [4],
        "support_edges": [6],
        "neighbour_shares": [{"bottleneck": 0.2}],
        "one_class": [0.5],
    },
    "blend": 0.0,
    "prompts": ["a photo of a {}."],
    "dataset": {
        "type": "digits",
        "split_id": "kit",
        "sizes": {"train": 4, "val": 2, "test": 2},
        "shots": None,
        "notes": [],
        "labelled": [4],
        "left_out": {"train": 0, "val": 0, "test": 0},
        "sample": ["0" * 64],
        "class_names": ["zero", "one"],
        "fingerprint": "0" * 64,
    },
    "descriptions": None,
    "examples": [{"id": "1", "source": "1.png", "description": "a digit"}],
    "encoder": {"image": {"identity": {}, "preprocessing": {}, "weights": "0" * 64, "revision": None}},
    "parameters": {"trainable": 10, "fitted": 0, "frozen": 990, "trainable_share": 0.01},
    "training_seconds_per_seed": 1.0,
    "stages": {"train": {"seconds": 1.0, "peak_memory_mb": 100.0}},
    "machine": {"device": "cpu", "threads": 1, "platform": "kit", "python": "3"},
    "versions": {"torch": "2"},
    "predictions": {"file": "predictions.jsonl", "items": {"val": 3, "test": 4}},
}


@dataclass(frozen=True, slots=True)
class Unheard(events.Event):
    """An event that no reporter has heard of."""


def run() -> list[events.Event]:
    """The events of a short run, of every kind, in their order."""
    return [
        events.RunStarted("kit", "runs/kit", 1),
        events.StageStarted("encode", 10, 2),
        events.StageAdvanced("encode", 10),
        events.StageFinished("encode", 0.5, 100.0),
        events.JobAdvanced(2, "seed 1", 3, 10),
        events.JobAdvanced(2, "seed 1", 0, 0),
        events.Note("something [to know] about ünïcode"),
        Unheard(),
        events.EpochFinished(1, 0, 1, 0.7, 0.5, {"0.image": (0.5, 0.5)}),
        events.EpochFinished(1, 0, 2, 0.6, None),
        events.TrainingFinished(1, 0, {"adapter.bottleneck": 8}, 2, 0.5, 1.0),
        events.RunFinished("runs/kit", RESULT),
    ]


def make(case: Case) -> Reporter:
    """With the work folder as its run folder."""
    return case.build(Reporter, case.folder)


def exercise(case: Case) -> Any:
    """A run from its beginning to its end; what it raises, a run's bus would silence."""
    reporter = make(case)
    with contextlib.redirect_stderr(io.StringIO()):
        for event in run():
            with contextlib.suppress(ValueError, TypeError, LookupError, AttributeError, RuntimeError):
                reporter.hear(event)
        reporter.close()


def every_event(case: Case) -> None:
    """One that raises is silenced for the rest of a run."""
    reporter = make(case)
    with contextlib.redirect_stderr(io.StringIO()):
        for event in run():
            try:
                reporter.hear(event)
            except Exception as error:
                raise AssertionError(f"it fails on {type(event).__name__}: {type(error).__name__}: {error}") from error
        reporter.close()


def early_close(case: Case) -> None:
    """Before anything is heard."""
    with contextlib.redirect_stderr(io.StringIO()):
        make(case).close()


def clean_output(case: Case) -> None:
    """That belongs to `--format json` and to pipes."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exercise(case)
    assert not out.getvalue(), f"it prints to standard output: {out.getvalue()[:80]!r}; write to standard error"
