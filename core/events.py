"""What happens during a run, as small typed records. Reporters hear them in order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: Where notes go that are told outside of a run: of a spec that is read, of a run that is finished already. They are
#: warnings there; the command line prints them as it prints a run's.
NOTES = logging.getLogger("graftwork.notes")


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """A run begins."""

    name: str
    folder: str
    #: Trainings to come: search values x seeds.
    trainings: int


@dataclass(frozen=True, slots=True)
class StageStarted(Event):
    """A stage begins; ``total`` units of work, of which ``done`` were found stored."""

    stage: str
    total: int
    done: int = 0


@dataclass(frozen=True, slots=True)
class StageAdvanced(Event):
    """A stage has now done ``done`` units."""

    stage: str
    done: int


@dataclass(frozen=True, slots=True)
class StageFinished(Event):
    """A stage is over."""

    stage: str
    seconds: float
    #: Peak resident memory during the stage in MB (10^6 bytes); on a GPU that of the device as well.
    peak_memory_mb: float


@dataclass(frozen=True, slots=True)
class JobAdvanced(Event):
    """A process that trains beside others has come so far; 0 of 0: it has ended what it did."""

    #: Its number, from 1.
    job: int
    #: What it trains, in words.
    name: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class TaskStarted(Event):
    """The training for a task of a sequence begins."""

    seed: int
    #: From 1, of ``of``.
    number: int
    of: int
    #: The task, or all that are learnt at once.
    name: str


@dataclass(frozen=True, slots=True)
class EpochFinished(Event):
    """One epoch of one training.

    Of quick epochs several are told at a time, in their order, a half second after they were over at the latest: to
    read a figure is to wait for the device.

    A run that goes on after an interrupt tells those before it again, with the same numbers: all of a training that was
    finished, and up to the checkpoint of one that was not.
    """

    training: int
    seed: int
    epoch: int
    loss: float
    #: Primary metric on the selection split; ``None`` without one.
    selection: float | None
    #: Where experts are mixed: ``meeting.stream`` to their mean shares in this epoch's training.
    usage: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrainingFinished(Event):
    """One training (one combination of search values, one seed) is over."""

    training: int
    seed: int
    #: The search values of this training.
    values: dict[str, Any]
    #: The epoch that was kept.
    epoch: int
    selection: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Note(Event):
    """Something the user should know."""

    message: str


@dataclass(frozen=True, slots=True)
class RunFinished(Event):
    """The run is over; ``result`` is what ``result.json`` holds."""

    folder: str
    result: dict[str, Any]


#: Whoever wants to be told.
Tell = Callable[[Event], None]
